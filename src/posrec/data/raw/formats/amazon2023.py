"""The format `amazon2023`: JSON lines or the benchmark's CSV, times in milliseconds (Hou et al., arXiv 2403.03952).

Times are cut to whole seconds, which is what every reader gives.
"""

import math
import re
from collections.abc import Collection

import pandas as pd

from posrec.data.raw.formats.json_lines import Record, read_json_lines, text_of, texts_of, value_of
from posrec.data.raw.formats.raw import Item, Raw, attributes_of
from posrec.data.raw.formats.tables import read_rows
from posrec.data.raw.formats.text import BadValueError, Review, check_id, check_time, review_table, shown, whole_number

FIRST = 631_152_000_000  # milliseconds to 1990: Amazon is younger, so a smaller number is one of seconds
PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?")
COLUMNS = ["user_id", "parent_asin", "timestamp"]


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews (user_id, parent_asin, timestamp) of a .jsonl or .csv in the order of the file. Raises DataError."""
    path = raw.only("reviews", [name for name in raw.files if not name.startswith("meta")])
    if ".csv" in path.suffixes:
        return review_table(path, read_rows(path, COLUMNS, _row, raw.bad_lines, split=_split))
    return review_table(path, read_json_lines(path, _review, raw.bad_lines))


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items`: each category, brand=<store>, and price=<bin>, deciles of the prices of `items`.

    An item without meta data has none; its first line counts. Raises DataError.
    """
    meta = raw.named("meta")
    if not meta:
        return {}
    path = raw.only("meta data", meta)
    return attributes_of(path, read_json_lines(path, _item, raw.bad_lines), items, raw.price_bins)


def _split(line: str) -> list[str]:
    return line.split(",")


def _row(fields: list[str]) -> Review:
    user, item, time = fields
    return check_id("user_id", user), check_id("parent_asin", item), _seconds(whole_number(time))


def _review(record: Record) -> Review:
    user, item, time = (value_of(record, key) for key in COLUMNS)
    return check_id("user_id", user), check_id("parent_asin", item), _seconds(time)


def _seconds(time: object) -> int:
    if isinstance(time, int) and not isinstance(time, bool):
        if 0 <= time < FIRST:
            raise BadValueError(f"timestamp is {time}, before 1990 in milliseconds (seconds? milliseconds are wanted)")
        return check_time("timestamp", time // 1000)
    raise BadValueError(f"timestamp is {shown(time)}, not a whole number of milliseconds")


def _item(record: Record) -> Item:
    item = check_id("parent_asin", value_of(record, "parent_asin"))
    store = text_of(record, "store")
    names = {name.strip() for name in texts_of(record, "categories")} | ({f"brand={store}"} if store else set())
    return item, sorted(names - {""}), _price(record.get("price"))


def _price(value: object) -> float | None:
    """A price in dollars: a number, or a text that spells one; other texts ("from 14.99", "None") are none."""
    if isinstance(value, str):
        return float(value) if PRICE.fullmatch(value.strip()) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise BadValueError(f"price is {shown(value)}, not a number of dollars")
    return float(value)
