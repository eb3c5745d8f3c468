"""The format `recbole`: RecBole's atomic files .inter and .item, tab-separated, with typed headers.

Zhao et al., CIKM 2021. A column reads `name:type`; a token_seq holds several words separated by spaces.
"""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from posrec.data.raw.formats.raw import Raw, matching
from posrec.data.raw.formats.tables import read_header, read_rows
from posrec.data.raw.formats.text import BadLineError, Review, check_id, check_time, review_table, shown, whole_number

TYPES = ("token", "token_seq", "float", "float_seq")


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews (user_id:token, item_id:token, timestamp:float) in the order of the .inter file. Raises DataError."""
    path = raw.only("interactions", [name for name in raw.files if ".inter" in name])
    _types(path)
    columns = ["user_id:token", "item_id:token", "timestamp:float"]
    return review_table(path, read_rows(path, columns, _review, raw.bad_lines))


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items`: each word of the token_seq columns, and <column>=<value> of the token columns.

    Of the columns that the source names in `attributes` (in `words`: split at spaces whatever their type), else
    of all but item_id. The first row of an item counts. Raises DataError.
    """
    names = [name for name in raw.files if ".item" in name]
    if not names:
        return {}
    path = raw.only("items", names)
    types = _types(path)
    words = list(raw.options.get("words", []))
    wanted = raw.options.get("attributes", [] if words else [name for name in types if name != "item_id"])
    columns = [name for name in [*words, *wanted] if types.get(name, "float").startswith("token") or name in words]

    def parse(fields: list[str]) -> tuple[str, list[str]]:
        values: set[str] = set()
        for name, text in zip(columns, fields[1:], strict=True):
            several = name in words or types[name] == "token_seq"
            values.update(text.split() if several else [f"{name}={text.strip()}"] if text.strip() else [])
        return check_id("item_id", fields[0]), sorted(values)

    header = ["item_id:token", *(f"{name}:{types.get(name, 'token')}" for name in columns)]
    return matching(path, read_rows(path, header, parse, raw.bad_lines), items)


def _types(path: Path) -> dict[str, str]:
    """Column -> type, as the header says. Raises BadLineError."""
    types: dict[str, str] = {}
    for column in read_header(path):
        name, _, kind = column.partition(":")
        if kind not in TYPES or name in types:
            raise BadLineError(path, 1, f"the column {shown(column)} is not a new name:type; types: {', '.join(TYPES)}")
        types[name] = kind
    return types


def _review(fields: list[str]) -> Review:
    user, item, time = fields
    return check_id("user_id", user), check_id("item_id", item), check_time("timestamp", whole_seconds(time))


def whole_seconds(text: str) -> int | str:
    """The whole number that a text spells, ".0" at its end included; else the text itself."""
    number, point, rest = text.partition(".")
    if point and (not rest or rest.strip("0")):
        return text
    return whole_number(number)
