"""The format `tables`: gzipped tab-separated files with a header; columns are found by name, others ignored."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd

from posrec.data.text import BadLineError, check_id, check_time, read_lines, review_table

INTERACTIONS, ITEMS, ATTRIBUTES = "interactions.tsv.gz", "items.tsv.gz", "attributes.tsv.gz"
WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # one spelling a number: "-0" or "007" is damage
ITEM_COLUMNS = ("attribute_ids", "brand", "categories")


def read_reviews(folder: Path, files: Collection[str]) -> pd.DataFrame:
    """Reviews of interactions.tsv.gz (columns user_id, item_id, timestamp) in file order. Raises DataError."""
    path = folder / INTERACTIONS
    return review_table(path, _reviews(path))


def read_attributes(folder: Path, files: Collection[str], items: Collection[str]) -> dict[str, list[str]]:
    """Names of the attributes of `items`; an item that items.tsv.gz does not list has none. Raises DataError.

    items.tsv.gz has attribute_ids (separated by spaces, named by attributes.tsv.gz where the source has it), or brand
    and categories (separated by spaces). The first line of an item counts.
    """
    if ITEMS not in files:
        return {}
    path = folder / ITEMS
    header = read_header(path)
    present = [name for name in ITEM_COLUMNS if name in header]
    if not present:
        raise BadLineError(
            path, 1, f"none of the columns {', '.join(ITEM_COLUMNS)}; the header is: {', '.join(header)}"
        )
    names = _read_names(folder / ATTRIBUTES) if ATTRIBUTES in files and "attribute_ids" in present else None
    result: dict[str, list[str]] = {}
    for number, (item, *fields) in read_rows(path, ["item_id", *present]):
        check_id(path, number, "item_id", item)
        attributes = _attributes(path, number, dict(zip(present, fields, strict=True)), names)
        if item in items:
            result.setdefault(item, attributes)
    return result


def read_header(path: Path) -> list[str]:
    """Names of the columns. Raises DataError when one stands twice."""
    _, line = next(read_lines(path))
    header = line.split("\t")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadLineError(path, 1, f"the column {', '.join(twice)} stands twice in the header")
    return header


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and the fields of `columns`. Raises BadLineError: missing column, other number of fields."""
    header = read_header(path)
    missing = [name for name in columns if name not in header]
    if missing:
        raise BadLineError(path, 1, f"the column {', '.join(missing)} is missing; the header is: {', '.join(header)}")
    places = [header.index(name) for name in columns]
    lines = read_lines(path)
    next(lines)
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(header):
            raise BadLineError(path, number, f"{len(fields)} columns, but the header has {len(header)}")
        yield number, [fields[place] for place in places]


def _reviews(path: Path) -> Iterator[tuple[str, str, int]]:
    for number, (user, item, time) in read_rows(path, ["user_id", "item_id", "timestamp"]):
        seconds = int(time) if WHOLE_NUMBER.fullmatch(time) else time
        yield (
            check_id(path, number, "user_id", user),
            check_id(path, number, "item_id", item),
            check_time(path, number, "timestamp", seconds),
        )


def _read_names(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, (key, name) in read_rows(path, ["attribute_id", "name"]):
        if check_id(path, number, "attribute_id", key) in names:
            raise BadLineError(path, number, f"attribute_id {key} stands twice")
        names[key] = name.strip() or f"attribute={key}"  # Beauty's file has one without a name
    return names


def _attributes(path: Path, number: int, fields: dict[str, str], names: dict[str, str] | None) -> list[str]:
    ids = fields.get("attribute_ids", "").split()
    if names is not None:
        unknown = [key for key in ids if key not in names]
        if unknown:
            raise BadLineError(path, number, f"attribute {unknown[0]} is not in {ATTRIBUTES}")
        ids = [names[key] for key in ids]
    brand = fields.get("brand", "").strip()
    found = {*ids, *fields.get("categories", "").split(), *([f"brand={brand}"] if brand else [])}
    return sorted(found)
