"""The format `amazon2014`: reviews as JSON lines or ratings_*.csv, meta data as lines of Python dictionaries.

McAuley et al., SIGIR 2015, and He & McAuley, WWW 2016. Meta data are literals of Python 2, not JSON; they are parsed,
never evaluated.
"""

import math
from collections.abc import Collection

import pandas as pd

from posrec.data.raw.formats.amazon2018 import review
from posrec.data.raw.formats.json_lines import Record, read_json_lines, read_literal_lines, text_of, value_of
from posrec.data.raw.formats.raw import Item, Raw, attributes_of
from posrec.data.raw.formats.text import (
    BadValueError,
    Review,
    check_id,
    check_time,
    parse_lines,
    review_table,
    shown,
    whole_number,
)


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews in the order of the file: JSON as in 2018, or user,item,rating,timestamp without a header.

    Raises DataError.
    """
    path = raw.only("reviews or ratings", raw.named("reviews", "ratings"))
    if path.name.startswith("ratings"):
        return review_table(path, parse_lines(path, _rating, raw.bad_lines))
    return review_table(path, read_json_lines(path, review, raw.bad_lines))


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items`: each category on its paths, brand=<name>, and price=<bin>, deciles of their prices.

    An item without meta data has none; its first line counts. Raises DataError.
    """
    meta = raw.named("meta")
    if not meta:
        return {}
    path = raw.only("meta data", meta)
    return attributes_of(path, read_literal_lines(path, _item, raw.bad_lines), items, raw.price_bins)


def _rating(line: str) -> Review:
    fields = line.split(",")
    if len(fields) != 4:
        raise BadValueError(f"{len(fields)} columns, not the 4 of user,item,rating,timestamp")
    user, item, rating, time = fields
    _check_rating(rating)
    return check_id("user", user), check_id("item", item), check_time("timestamp", whole_number(time))


def _check_rating(text: str) -> None:
    """Ratings are not used, but where one is not a number, the columns are shifted or damaged."""
    try:
        rating = float(text)
    except ValueError:
        rating = math.nan
    if not 0 <= rating <= 5:
        raise BadValueError(f"rating is {shown(text)}, not a number from 0 to 5")


def _item(record: Record) -> Item:
    item = check_id("asin", value_of(record, "asin"))
    brand = text_of(record, "brand")
    names = {name.strip() for path in _categories(record) for name in path} | ({f"brand={brand}"} if brand else set())
    return item, sorted(names - {""}), _price(record)


def _categories(record: Record) -> list[list[str]]:
    paths = record.get("categories") or []
    if not isinstance(paths, list) or not all(
        isinstance(path, list) and all(isinstance(name, str) for name in path) for path in paths
    ):
        raise BadValueError("categories is not a list of lists of texts")
    return paths


def _price(record: Record) -> float | None:
    price = record.get("price")
    if price is None:
        return None
    if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
        raise BadValueError(f"price is {shown(price)}, not a number of dollars")
    return float(price)
