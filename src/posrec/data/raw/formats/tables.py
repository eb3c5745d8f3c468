"""The format `tables`: gzipped tab-separated files with a header; columns are found by name, others ignored."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from posrec.data.raw.formats.raw import Raw, matching
from posrec.data.raw.formats.text import (
    BadLineError,
    BadValueError,
    Review,
    check_id,
    check_time,
    decode,
    parse_lines,
    read_lines,
    review_table,
    whole_number,
)

INTERACTIONS, ITEMS, ATTRIBUTES = "interactions.tsv.gz", "items.tsv.gz", "attributes.tsv.gz"
ITEM_COLUMNS = ("attribute_ids", "brand", "categories")
Splitter = Callable[[str], list[str]]
Row = TypeVar("Row")


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews of interactions.tsv.gz (columns user_id, item_id, timestamp) in file order. Raises DataError."""
    path = raw.folder / INTERACTIONS
    return review_table(path, read_rows(path, ["user_id", "item_id", "timestamp"], _review, raw.bad_lines))


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Names of the attributes of `items`; an item that items.tsv.gz does not list has none. Raises DataError.

    items.tsv.gz has attribute_ids (separated by spaces, named by attributes.tsv.gz where the source has it), or brand
    and categories (separated by spaces). The first line of an item counts.
    """
    if ITEMS not in raw.files:
        return {}
    path = raw.folder / ITEMS
    header = read_header(path)
    present = [name for name in ITEM_COLUMNS if name in header]
    if not present:
        raise BadLineError(
            path, 1, f"none of the columns {', '.join(ITEM_COLUMNS)}; the header is: {', '.join(header)}"
        )
    named = ATTRIBUTES in raw.files and "attribute_ids" in present
    names = _read_names(raw.folder / ATTRIBUTES, raw.bad_lines) if named else None

    def parse(fields: list[str]) -> tuple[str, list[str]]:
        item = check_id("item_id", fields[0])
        return item, _attributes(dict(zip(present, fields[1:], strict=True)), names)

    return matching(path, read_rows(path, ["item_id", *present], parse, raw.bad_lines), items)


def read_header(path: Path, split: Splitter | None = None) -> list[str]:
    """Names of the columns; `split` splits a line into fields (default: at tabs). Raises DataError: a name twice."""
    number, line, whole = next(read_lines(path))
    try:
        text = decode(line, whole)
        header = split(text) if split else text.split("\t")
    except BadValueError as error:
        raise BadLineError(path, number, str(error)) from None
    check_header(path, header)
    return header


def check_header(path: Path, header: Sequence[str]) -> None:
    """Raise BadLineError where two columns have one name."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadLineError(path, 1, f"the header has the column {', '.join(twice)} twice")


def find_columns(path: Path, header: Sequence[str], columns: Sequence[str], hint: str = "") -> list[int]:
    """The places of columns in a header. Raises BadLineError, which ends with `hint`, when one is missing."""
    missing = [name for name in columns if name not in header]
    if missing:
        found = f"the column {', '.join(missing)} is missing; the header is: {', '.join(header)}"
        raise BadLineError(path, 1, found + hint)
    return [header.index(name) for name in columns]


def read_rows(
    path: Path,
    columns: Sequence[str],
    parse: Callable[[list[str]], Row],
    bad_lines: int = 0,
    split: Splitter | None = None,
) -> Iterator[Row]:
    """What `parse` makes of the fields of `columns` in each row. Raises DataError: missing column, wrong count."""
    header = read_header(path, split)
    places = find_columns(path, header, columns)

    def parse_line(line: str) -> Row:
        fields = split(line) if split else line.split("\t")
        if len(fields) != len(header):
            raise BadValueError(f"{len(fields)} columns, but the header has {len(header)}")
        return parse([fields[place] for place in places])

    return parse_lines(path, parse_line, bad_lines, first=2)


def _review(fields: list[str]) -> Review:
    user, item, time = fields
    return check_id("user_id", user), check_id("item_id", item), check_time("timestamp", whole_number(time))


def _read_names(path: Path, bad_lines: int) -> dict[str, str]:
    names: dict[str, str] = {}

    def parse(fields: list[str]) -> None:
        key, name = check_id("attribute_id", fields[0]), fields[1]
        if key in names:
            raise BadValueError(f"attribute_id {key} is there twice")
        names[key] = name.strip() or f"attribute={key}"  # Beauty's file has one without a name

    for _ in read_rows(path, ["attribute_id", "name"], parse, bad_lines):
        pass
    return names


def _attributes(fields: dict[str, str], names: dict[str, str] | None) -> list[str]:
    ids = fields.get("attribute_ids", "").split()
    if names is not None:
        unknown = [key for key in ids if key not in names]
        if unknown:
            raise BadValueError(f"attribute {unknown[0]} is not in {ATTRIBUTES}")
        ids = [names[key] for key in ids]
    brand = fields.get("brand", "").strip()
    found = {*ids, *fields.get("categories", "").split(), *([f"brand={brand}"] if brand else [])}
    return sorted(found)
