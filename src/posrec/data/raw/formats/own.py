"""The format `own`: a user's own tables of reviews and items as TSV, CSV or Parquet; the study names the columns.

Text tables may be gzipped, or zipped alone. CSV fields may be quoted; TSV fields may not. A table without times is read
in the order of its rows.
"""

import csv
import datetime
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from posrec.data.raw.formats.raw import Raw
from posrec.data.raw.formats.recbole import whole_seconds
from posrec.data.raw.formats.tables import find_columns, read_rows
from posrec.data.raw.formats.text import (
    BadLineError,
    BadValueError,
    Review,
    Tolerance,
    check_id,
    check_time,
    decode,
    read_lines,
    review_table,
    shown,
)

ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?")
Row = TypeVar("Row")
Fields = list[Any]  # texts of a text table, values of Parquet


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews in the order of the rows. Raises DataError."""
    table: Mapping[str, Any] = raw.options["table"]
    columns = [table["user"], table["item"], *([table["time"]] if table["time"] else [])]
    path = raw.folder / table["path"]
    parse = _Reviews(columns, table["time_unit"])
    return review_table(path, _rows(path, table["separator"], columns, parse, raw.bad_lines))


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items` from the table of items: <column>=<value>, for each value of a cell. Raises DataError.

    An item that the table does not list has none; its first row counts.
    """
    table: Mapping[str, Any] | None = raw.options["items"]
    if table is None:
        return {}
    columns: list[str] = table["attributes"]
    parted: str | None = table["parted_by"]

    def parse(fields: Fields) -> tuple[str, list[str]]:
        names: set[str] = set()
        for column, value in zip(columns, fields[1:], strict=True):
            text = "" if value is None else str(value)
            names.update(f"{column}={part.strip()}" for part in (text.split(parted) if parted else [text]))
        return _id(table["item"], fields[0]), sorted(names - {f"{column}=" for column in columns})

    path = raw.folder / table["path"]
    result: dict[str, list[str]] = {}
    for item, names in _rows(path, table["separator"], [table["item"], *columns], parse, raw.bad_lines):
        if item in items:
            result.setdefault(item, names)
    return result


def _rows(
    path: Path, separator: str | None, columns: list[str], parse: Callable[[Fields], Row], bad_lines: int
) -> Iterator[Row]:
    endings = [ending for ending in path.suffixes if ending not in (".gz", ".zip")]
    if endings[-1:] == [".parquet"]:
        return _parquet_rows(path, columns, parse, bad_lines)
    if (separator or ("\t" if endings[-1:] == [".tsv"] else ",")) == "\t":
        return read_rows(path, columns, parse, bad_lines)
    return _csv_rows(path, separator or ",", columns, parse, bad_lines)


def _csv_rows(
    path: Path, separator: str, columns: list[str], parse: Callable[[Fields], Row], bad_lines: int
) -> Iterator[Row]:
    """What `parse` makes of the fields of `columns` in each row of a CSV; quoted fields may go over several lines."""
    tolerance = Tolerance(path, bad_lines)
    rows = _csv_fields(path, separator, tolerance)
    header = next(rows, (1, []))[1]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadLineError(path, 1, f"the column {', '.join(twice)} stands twice in the header")
    places = find_columns(path, header, columns)
    for number, fields in rows:
        try:
            if len(fields) != len(header):
                raise BadValueError(f"{len(fields)} columns, but the header has {len(header)}")
            row = parse([fields[place] for place in places])
        except BadValueError as error:
            tolerance.take(number, str(error))
            continue
        yield row
    tolerance.report()


def _csv_fields(path: Path, separator: str, tolerance: Tolerance) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line of each row, and its fields."""

    numbers: list[int] = []  # of the lines of the row that is being read

    def lines() -> Iterator[str]:
        for number, line, whole in read_lines(path):
            try:
                text = decode(line, whole)
            except BadValueError as error:
                if number == 1:
                    raise BadLineError(path, 1, str(error)) from None
                tolerance.take(number, str(error))
                continue
            numbers.append(number)
            yield text + "\n"

    reader = csv.reader(lines(), delimiter=separator, strict=True)
    while True:
        numbers.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if numbers[0] == 1:
                raise BadLineError(path, 1, f"not a row of CSV ({error})") from None
            tolerance.take(numbers[0], f"not a row of CSV ({error})")
            continue
        yield numbers[0], fields


def _parquet_rows(path: Path, columns: list[str], parse: Callable[[Fields], Row], bad_lines: int) -> Iterator[Row]:
    from posrec.data.raw.formats.parquet import read_columns  # polars is loaded only where it is needed

    tolerance = Tolerance(path, bad_lines)
    for number, fields in enumerate(read_columns(path, columns), 1):
        try:
            row = parse(list(fields))
        except BadValueError as error:
            tolerance.take(number, str(error))
            continue
        yield row
    tolerance.report()


def _id(column: str, value: object) -> str:
    """An id; whole numbers of a Parquet file are ids too."""
    return check_id(column, str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


class _Reviews:
    """Parses the fields of a row; rows without a time are counted."""

    def __init__(self, columns: list[str], unit: str) -> None:
        self.columns, self.read_time = columns, TIMES[unit]
        self.rows = 0

    def __call__(self, fields: Fields) -> Review:
        user, item = (_id(column, value) for column, value in zip(self.columns, fields[:2], strict=False))
        time = self.read_time(self.columns[2], fields[2]) if len(fields) > 2 else self.rows
        self.rows += 1
        return user, item, time


def _seconds(column: str, value: object) -> int:
    if isinstance(value, datetime.datetime):
        return _since_1970(column, value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return check_time(column, whole_seconds(value) if isinstance(value, str) else value)


def _milliseconds(column: str, value: object) -> int:
    if isinstance(value, datetime.datetime):
        return _since_1970(column, value)
    number = whole_seconds(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadValueError(f"{column} is {shown(value)}, not a whole number of milliseconds")
    return check_time(column, number // 1000)


def _iso(column: str, value: object) -> int:
    if isinstance(value, datetime.datetime):
        return _since_1970(column, value)
    if isinstance(value, str) and ISO_TIME.fullmatch(value):
        try:
            return _since_1970(column, datetime.datetime.fromisoformat(value))
        except ValueError:
            pass
    raise BadValueError(f"{column} is {shown(value)}, not a date and time such as 2024-05-31 or 2024-05-31T18:00:00Z")


def _since_1970(column: str, moment: datetime.datetime) -> int:
    """Whole seconds; a time without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return check_time(column, int(aware.timestamp() // 1))


TIMES: dict[str, Callable[[str, object], int]] = {"seconds": _seconds, "milliseconds": _milliseconds, "iso": _iso}
