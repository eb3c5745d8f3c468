"""The format `own`: a user's own tables of reviews and items as CSV, TSV or Parquet; the study names the columns.

Text tables may be gzipped, or zipped alone. Blank lines are skipped, and the last line needs no line end. A table
without times is read in the order of its rows.
"""

import csv
import datetime
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from posrec.data.raw.formats.raw import Raw, matching
from posrec.data.raw.formats.recbole import whole_seconds
from posrec.data.raw.formats.tables import check_header, find_columns
from posrec.data.raw.formats.text import (
    END_OF_TIME,
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
from posrec.study.settings import separator_of

ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?")
FIRST = 31_536_000  # seconds to 1971: a number below it counts something else than seconds since 1970
SEPARATORS = (",", ";", "\t", "|", "::", " ")
DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%m/%d/%y", "%d %b %Y", "%b %d, %Y")
COMMON_FORMATS = [day + clock for day in DAYS for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p")]
Row = TypeVar("Row")
Fields = list[Any]  # texts of a text table, values of Parquet
Numbered = Iterator[tuple[int, list[str]]]  # the number of the first line of each row, and its fields


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews in the order of the rows. Raises DataError."""
    table: Mapping[str, Any] = raw.options["table"]
    columns = [table["user"], table["item"], *([table["time"]] if table["time"] else [])]
    path = raw.folder / table["path"]
    reviews = _Reviews(columns, table)
    found = review_table(path, filter(None, _rows(path, table, columns, reviews, raw.bad_lines)))
    if reviews.without:
        print(f"posrec: {path}: rows without {columns[0]} or {columns[1]} left out: {reviews.without}", file=sys.stderr)
    return found


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items` from the table of items: <column>=<value>, for each value of a cell. Raises DataError.

    An item that the table does not list has none; its first row counts.
    """
    table: Mapping[str, Any] | None = raw.options["items"]
    if table is None:
        return {}
    columns: list[str] = table["attributes"]

    def parse(fields: Fields) -> tuple[str, list[str]]:
        cells = zip(columns, fields[1:], strict=True)
        names = {f"{column}={word}" for column, value in cells for word in _words(column, value, table["parted_by"])}
        return _id(table["item"], fields[0]), sorted(names)

    path = raw.folder / table["path"]
    return matching(path, _rows(path, table, [table["item"], *columns], parse, raw.bad_lines), items)


def _words(column: str, value: object, between: str | None) -> Iterator[str]:
    """The words of a cell: the entries of a list of Parquet, or what a text has between the separators `between`."""
    if isinstance(value, list):
        for entry in value:
            yield from _words(column, entry, None)
        return
    if isinstance(value, dict | bytes):
        raise BadValueError(f"{column} is {shown(value)}, neither a value nor a list of values")
    text = "" if value is None else str(_plain(value))
    yield from filter(None, (word.strip() for word in (text.split(between) if between else [text])))


def _rows(
    path: Path, table: Mapping[str, Any], columns: list[str], parse: Callable[[Fields], Row], bad_lines: int
) -> Iterator[Row]:
    """What `parse` makes of the fields of `columns` in each row. Raises DataError."""
    tolerance = Tolerance(path, bad_lines)
    separator = separator_of(table["path"], table["separator"])
    if separator is None:
        from posrec.data.raw.formats.parquet import read_columns  # polars is loaded only where it is needed

        rows: Iterator[tuple[int, Fields]] = ((n, list(row)) for n, row in enumerate(read_columns(path, columns), 1))
    else:
        rows = _text_rows(path, separator, table, columns, tolerance)
    for number, fields in rows:
        try:
            row = parse(fields)
        except BadValueError as error:
            tolerance.take(number, str(error))
            continue
        yield row
    tolerance.report()


def _text_rows(
    path: Path, separator: str, table: Mapping[str, Any], columns: list[str], tolerance: Tolerance
) -> Numbered:
    """The fields of `columns` in each row of a text table. Raises DataError."""
    plain = separator == "\t" or len(separator) > 1
    rows = (_unquoted if plain else _quoted)(path, separator, table["encoding"], tolerance)
    header: list[str] = table["columns"] or next(rows, (1, []))[1]
    check_header(path, header)
    places = find_columns(path, header, columns, _hint(header, columns, separator))
    for number, fields in rows:
        if len(fields) != len(header):
            tolerance.take(number, f"{len(fields)} columns, but the header has {len(header)}")
            continue
        yield number, [fields[place] for place in places]


def _hint(header: list[str], columns: list[str], separator: str) -> str:
    """What helps where a header lacks columns."""
    line = separator.join(header)
    for other in SEPARATORS:
        names = [name.strip('"') for name in line.split(other)]
        if other != separator and set(columns) <= set(names):
            return f'; they are separated by {other!r}: set separator: "{other}"'.replace("\t", r"\t")
    if {f'"{column}"' for column in columns} & set(header):
        return "; its fields are quoted, which those of a TSV are not: remove the quotes, or save the table as CSV"
    if any(re.fullmatch(r"[\d.,:/ -]+", field) for field in header):
        return "; this looks like data: the first line must name the columns, or columns: [...] does"
    return ""


def _lines(path: Path, encoding: str, tolerance: Tolerance) -> Iterator[tuple[int, str]]:
    """The lines of a text, as text. Raises DataError."""
    hint = ", or set encoding: cp1252 (older programs on Windows)" if encoding == "utf-8" else ""
    for number, line, _ in read_lines(path):
        try:
            text = decode(line, encoding=encoding, hint=hint)
        except BadValueError as error:
            if number == 1:
                raise BadLineError(path, 1, str(error)) from None
            tolerance.take(number, str(error))
            continue
        yield number, text


def _unquoted(path: Path, separator: str, encoding: str, tolerance: Tolerance) -> Numbered:
    for number, text in _lines(path, encoding, tolerance):
        if text:
            yield number, text.split(separator)


def _quoted(path: Path, separator: str, encoding: str, tolerance: Tolerance) -> Numbered:
    """Rows of a CSV, whose quoted fields may extend over several lines."""
    numbers: list[int] = []  # of the lines of the row that is being read

    def lines() -> Iterator[str]:
        for number, text in _lines(path, encoding, tolerance):
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
        if fields:
            yield numbers[0], fields


def _id(column: str, value: object) -> str:
    """An id; whole numbers of a Parquet file are ids too. Raises BadValueError."""
    if isinstance(value, str) and not value.strip():
        raise BadValueError(f"{column} is empty: missing: drop leaves out such rows")
    number = _plain(value)
    text = check_id(column, str(number) if isinstance(number, int) and not isinstance(number, bool) else value)
    if len(text) > 1 and text[0] == text[-1] == '"':
        raise BadValueError(f"{column} is {shown(text)}, in quotes: remove them, or save the table as CSV")
    return text


def _plain(value: object) -> object:
    """A float or decimal that is whole as int, a date as its first moment, and anything else as it is."""
    if isinstance(value, float | Decimal) and value == value // 1:
        return int(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime(value.year, value.month, value.day)
    return value


def _is_missing(value: object) -> bool:
    """An empty cell: of a text, a null or a NaN of Parquet."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


class _Reviews:
    """Parses the fields of a row; without times, the time is the number of the row."""

    def __init__(self, columns: list[str], table: Mapping[str, Any]) -> None:
        self.columns = columns
        self.read_time: Callable[[str, object], int] = TIMES[table["time_unit"]]
        if table["time_format"]:
            self.read_time = partial(_formatted, table["time_format"])
        self.rows = self.without = 0
        self.drops = table["missing"] == "drop"

    def __call__(self, fields: Fields) -> Review | None:
        if self.drops and any(_is_missing(value) for value in fields[:2]):
            self.without += 1
            return None
        user, item = (_id(column, value) for column, value in zip(self.columns, fields[:2], strict=False))
        time = self._time(fields[2]) if len(fields) > 2 else self.rows
        self.rows += 1
        return user, item, time

    def _time(self, value: object) -> int:
        value = _plain(value)
        if isinstance(value, datetime.datetime):
            return _since_1970(self.columns[2], value)
        return self.read_time(self.columns[2], value)


def _seconds(column: str, value: object, in_a_second: int = 1, unit: str = "seconds") -> int:
    number = whole_seconds(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool):
        hint = _way_to_read(value) if isinstance(value, str) and value else ""
        raise BadValueError(f"{column} is {shown(value)}, not a whole number of {unit}{hint}")
    seconds = number // in_a_second
    if 0 <= seconds < FIRST:
        raise BadValueError(
            f"{column} is {number}, in 1970 as {unit}: set time_unit or time_format to how times are written, or "
            "time: null where the order of the rows is all there is"
        )
    if seconds >= END_OF_TIME:
        raise BadValueError(f"{column} is {number}, after the year 9999 as {unit}: set time_unit to what it counts")
    return check_time(column, seconds)


def _way_to_read(text: str) -> str:
    """The setting that reads a date; where day and month could be either, both ways."""
    if ISO_TIME.fullmatch(text):
        return ": set time_unit: iso"
    fitting = [pattern for pattern in COMMON_FORMATS if _fits(pattern, text)]
    shown_ = " or ".join(f"'{pattern}'" for pattern in fitting) or "'%d.%m.%Y %H:%M'"
    return f": a date needs time_unit: iso or its own time_format, such as {shown_}"


def _fits(pattern: str, text: str) -> bool:
    try:
        datetime.datetime.strptime(text, pattern)
    except ValueError:
        return False
    return True


def _iso(column: str, value: object) -> int:
    try:
        moment = datetime.datetime.fromisoformat(value if isinstance(value, str) and ISO_TIME.fullmatch(value) else "")
    except ValueError:
        raise BadValueError(
            f"{column} is {shown(value)}, not a date and time such as 2024-05-31 or 2024-05-31T18:00:00Z; time_format "
            "reads other ways to write them"
        ) from None
    return _since_1970(column, moment)


def _formatted(pattern: str, column: str, value: object) -> int:
    try:
        moment = datetime.datetime.strptime(str(value), pattern)
    except ValueError:
        raise BadValueError(f"{column} is {shown(value)}, which time_format: {pattern!r} does not read") from None
    return _since_1970(column, moment)


def _since_1970(column: str, moment: datetime.datetime) -> int:
    """Whole seconds; a time without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    seconds = (aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(seconds=1)
    if seconds < 0:
        raise BadValueError(f"{column} is {shown(str(moment))}, before 1970")
    return check_time(column, seconds)


TIMES: dict[str, Callable[[str, object], int]] = {
    "seconds": _seconds,
    "milliseconds": partial(_seconds, in_a_second=1000, unit="milliseconds"),
    "iso": _iso,
}
