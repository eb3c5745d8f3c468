"""Rows of a table, whatever holds it: text, JSON lines, sequences or Parquet; one file or many parts."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from posrec.data.raw.archives import DAMAGED, read_chunks
from posrec.data.raw.formats.json_lines import parse_record
from posrec.data.raw.formats.own.bad_rows import BadRows
from posrec.data.raw.formats.own.delimited import cells
from posrec.data.raw.formats.own.lines import text_lines
from posrec.data.raw.formats.own.seen import Seen
from posrec.data.raw.formats.text import BadLineError, BadValueError
from posrec.errors import DataError
from posrec.plan.hashes import parts_of
from posrec.study.settings.table import ItemTableSettings, TableSettings

Table = TableSettings | ItemTableSettings
Fields = Sequence[Any]  # texts of a text table, values of Parquet and JSON
Row = tuple[Path, int, Fields]  # the part, the number of the row or of its first line, and its fields
MAGIC = b"PAR1"
LOOKED_AT = 100  # records that show which keys there are
WORKBOOKS = (".xlsx", ".xls", ".ods")


def read_rows(path: Path, table: Table, columns: Sequence[str], seen: Seen, bad: BadRows) -> Iterator[Row]:
    """The fields of `columns` in each row of all parts, in the order of their names. Raises DataError."""
    parts = parts_of(path)
    seen.parts = len(parts)
    for part in parts:
        kind = table.kind or kind_of(part)
        seen.note(_name_of(kind, part))
        for number, fields in _rows_of(kind, part, table, columns, seen, bad):
            yield part, number, fields


def _rows_of(
    kind: str, part: Path, table: Table, columns: Sequence[str], seen: Seen, bad: BadRows
) -> Iterator[tuple[int, Fields]]:
    if kind == "parquet":
        from posrec.data.raw.formats.parquet import read_columns  # polars is loaded only where it is needed

        yield from enumerate(read_columns(part, columns, _of_folders(part)), 1)
        return
    lines = text_lines(part, table.encoding, seen, bad)
    if kind == "json_lines":
        yield from _records(part, lines, columns, seen, bad)
    elif kind == "sequences":
        yield from _sequences(part, lines, table, seen, bad)
    else:
        yield from cells(part, lines, table, columns, seen, bad)


def kind_of(part: Path) -> str:
    """parquet, json_lines or text, as the content of a file says. Raises DataError for a file of no such kind."""
    if part.suffix == ".parquet":
        return "parquet"
    if part.suffix.lower() in WORKBOOKS:
        raise DataError(f"{part}: a workbook: save its sheet as 'CSV UTF-8', and name that file")
    try:
        first = next(iter(read_chunks(part)), b"")
    except DAMAGED:
        return "text"  # whose reader says what is wrong
    if first.startswith(MAGIC):
        return "parquet"
    start = first[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith(b"[") and ".json" in part.name:
        raise DataError(f"{part}: one JSON list: write one object per line (JSON lines), as `jq -c '.[]'` does")
    return "json_lines" if start.startswith(b"{") else "text"


def _name_of(kind: str, part: Path) -> str:
    return {"parquet": "Parquet", "json_lines": "JSON lines", "sequences": "a sequence per line"}.get(kind, "text")


def _of_folders(part: Path) -> dict[str, str]:
    """Columns that the folders of a part name, such as day=2024-05-31."""
    pairs = (name.partition("=") for name in part.parent.parts)
    return {name: value for name, equals, value in pairs if equals and name}


def _records(
    part: Path, lines: Iterable[tuple[int, str]], columns: Sequence[str], seen: Seen, bad: BadRows
) -> Iterator[tuple[int, Fields]]:
    """The values of `columns` in each JSON object; a.b is the key b of the object a; a key that is missing is null."""
    records = parsed_records(part, lines, seen, bad)
    first = list(islice(records, LOOKED_AT))
    keys = dict.fromkeys(key for _, record in first for key in record)
    missing = [name for name in columns if name not in keys and name.partition(".")[0] not in keys]
    if first and missing:
        raise BadLineError(
            part, first[0][0], f"the key {', '.join(missing)} is missing; the keys are: {', '.join(keys)}"
        )
    for number, record in chain(first, records):
        yield number, [_value(record, name) for name in columns]


def parsed_records(
    part: Path, lines: Iterable[tuple[int, str]], seen: Seen, bad: BadRows
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of the lines, with their numbers."""
    for number, text in lines:
        if not text.strip():
            seen.blank_lines += 1
            continue
        try:
            record = parse_record(text)
        except BadValueError as error:
            bad.take(part, number, str(error))
            continue
        yield number, record


def _value(record: dict[str, Any], name: str) -> Any:
    if name in record or "." not in name:
        return record.get(name)
    key, _, rest = name.partition(".")
    inner = record.get(key)
    return _value(inner, rest) if isinstance(inner, dict) else None


def _sequences(
    part: Path, lines: Iterable[tuple[int, str]], table: Table, seen: Seen, bad: BadRows
) -> Iterator[tuple[int, Fields]]:
    """A user and an item for each item of a line "user item item ...", between spaces, tabs, commas or `separator`."""
    for number, text in lines:
        words = text.split(table.separator) if table.separator else text.replace(",", " ").split()
        user, *items = words or [""]
        if not words:
            seen.blank_lines += 1
        elif not items:
            bad.take(part, number, f"{user[:60]!r} alone, without an item: a line is a user and the items in order")
        for item in items:
            yield number, [user, item]
