"""The format `amazon2018`: gzipped JSON lines of reviews and of the items' meta data (Ni et al., EMNLP 2019)."""

import re
from collections.abc import Collection

import pandas as pd

from posrec.data.raw.formats.json_lines import Record, read_json_lines, text_of, texts_of, value_of
from posrec.data.raw.formats.raw import Item, Raw, attributes_of
from posrec.data.raw.formats.text import Review, check_id, check_time, review_table

PRICE = re.compile(r"\$\s*([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]+)?")


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews (keys reviewerID, asin, unixReviewTime) in the order of the file. Raises DataError."""
    path = raw.only("reviews", [name for name in raw.files if not name.startswith(("meta", "image"))])
    return review_table(path, read_json_lines(path, review, raw.bad_lines))


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items`: each category, brand=<name>, and price=<bin>, deciles of the prices of `items`.

    An item without meta data has none; its first line counts; text other than one price, such as a range, is not one.
    Raises DataError.
    """
    meta = raw.named("meta")
    if not meta:
        return {}
    path = raw.only("meta data", meta)
    return attributes_of(path, read_json_lines(path, _item, raw.bad_lines), items, raw.price_bins)


def review(record: Record) -> Review:
    """A review of 2014 or 2018. Raises BadValueError."""
    user, item, time = (value_of(record, key) for key in ("reviewerID", "asin", "unixReviewTime"))
    return check_id("reviewerID", user), check_id("asin", item), check_time("unixReviewTime", time)


def read_price(text: str) -> float | None:
    """The price in dollars of a text such as "$1,299.00"; None where it is anything else."""
    match = PRICE.fullmatch(text.strip())
    return float((match[1] + (match[2] or "")).replace(",", "")) if match else None


def _item(record: Record) -> Item:
    item = check_id("asin", value_of(record, "asin"))
    brand, price = text_of(record, "brand"), text_of(record, "price")
    crawled = {entry.strip() for entry in texts_of(record, "category") if "</" not in entry}  # closing tags among them
    return item, sorted((crawled | ({f"brand={brand}"} if brand else set())) - {""}), read_price(price)
