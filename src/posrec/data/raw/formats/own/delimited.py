"""Fields of a text table: separator, header and quotes are recognised where the study does not say them."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from posrec.data.raw.formats.own.bad_rows import BadRows
from posrec.data.raw.formats.own.seen import Seen
from posrec.data.raw.formats.recbole import TYPES
from posrec.data.raw.formats.tables import check_header, find_columns
from posrec.data.raw.formats.text import BadLineError
from posrec.study.settings.table import ItemTableSettings, TableSettings, separator_of

SEPARATORS = (",", ";", "\t", "|", "::", " ")
LOOKED_AT = 20  # lines from which the separator is recognised
Table = TableSettings | ItemTableSettings
Numbered = Iterator[tuple[int, list[Any]]]  # the number of the first line of each row, and its fields
Lines = Iterable[tuple[int, str]]


def cells(part: Path, lines: Lines, table: Table, columns: Sequence[str], seen: Seen, bad: BadRows) -> Numbered:
    """The fields of `columns` in each row. Raises DataError: a column that is missing, a row of another length."""
    lines = iter(lines)
    start = list(islice(lines, LOOKED_AT))
    start, said = _without_sep_line(start)
    separator = table.separator or said or recognise(part, [text for _, text in start], table, columns)
    seen.separated(separator)
    quoted = table.quoted
    if quoted is None:
        first = next((text for _, text in start if text), "")
        tabs = any(len(name) > 1 and name[0] == name[-1] == '"' for name in first.split("\t"))
        quoted = tabs if separator == "\t" else len(separator) == 1
    rows = (quoted_rows if quoted else plain_rows)(part, chain(start, lines), separator, seen, bad)
    header, several, rows = _header(part, rows, table, columns, seen)
    places = find_columns(part, header, columns, _hint(part, header, columns, separator))
    lists = {place for place in places if place in several}
    for number, fields in rows:
        if len(fields) == len(header):
            yield number, [fields[place].split() if place in lists else fields[place] for place in places]
        else:
            bad.take(part, number, f"{len(fields)} columns, but the header has {len(header)}")


def _without_sep_line(start: list[tuple[int, str]]) -> tuple[list[tuple[int, str]], str | None]:
    """Without the first line "sep=;" that tells Excel the separator, which is then known."""
    match = re.fullmatch(r'"?sep=(.)"?', start[0][1]) if start else None
    return (start[1:], match[1]) if match else (start, None)


def recognise(part: Path, lines: Sequence[str], table: Table, columns: Sequence[str]) -> str:
    """What separates the columns: what the file's ending says, unless only another one finds those that are wanted.

    Without a header, the one that gives as many fields as `columns` names.
    """
    usual = separator_of(part.name, None) or ","
    lines = [line for line in lines if line.strip()]
    for separator in (usual, *(other for other in SEPARATORS if other != usual)):
        if lines and _fits(lines, separator, table, columns):
            return separator
    return usual


def _fits(lines: Sequence[str], separator: str, table: Table, columns: Sequence[str]) -> bool:
    if table.columns:
        return all(len(split_line(line, separator)) == len(table.columns) for line in lines)
    return set(columns) <= {*(header := split_line(lines[0], separator)), *untyped(header)}


def split_line(line: str, separator: str) -> list[str]:
    """The fields of one line, with or without quotes."""
    if len(separator) > 1:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def untyped(header: Sequence[str]) -> list[str]:
    """The names of a header without spaces around them, and without RecBole's types ("user_id:token").

    >>> untyped(["user_id:token", "timestamp:float"]), untyped(["user", " item"])
    (['user_id', 'timestamp'], ['user', 'item'])
    """
    names = [name.strip() for name in header]
    pairs = [name.rpartition(":") for name in names]
    return [name for name, _, _ in pairs] if all(kind in TYPES and name for name, _, kind in pairs) else names


def _header(
    part: Path, rows: Numbered, table: Table, columns: Sequence[str], seen: Seen
) -> tuple[Sequence[str], set[int], Numbered]:
    """The names of the columns, which of them hold several words by RecBole's types, and the rows after the header."""
    first = next(rows, None)
    found = first[1] if first else []
    several: set[int] = set()
    if table.columns is None:
        header: Sequence[str] = found
        if not set(columns) <= set(found) and (header := untyped(found)) != found:
            several = {place for place, name in enumerate(found) if name.endswith(":token_seq")}
        seen.note("with a header")
    else:
        header = table.columns
        named = table.header if table.header is not None else untyped(found) == list(header)
        seen.note("with a header that is not used" if named else "without a header")
        rows = rows if named or first is None else chain([first], rows)
    check_header(part, header)
    return header, several, rows


def _hint(part: Path, header: Sequence[str], columns: Sequence[str], separator: str) -> str:
    """What helps where a header lacks columns."""
    line = separator.join(header)
    for other in SEPARATORS:
        if other != separator and set(columns) <= set(untyped(split_line(line, other))):
            return f'; they are separated by {other!r}: set separator: "{other}"'.replace("\t", r"\t")
    if {f'"{column}"' for column in columns} & set(header):
        return "; its fields are quoted: set quoted: true"
    if any(re.fullmatch(r"[\d.,:/ -]+", field) for field in header):
        return f"; this looks like data: the first line must name the columns, or columns: [...] does{_look(part)}"
    return f"; name those that hold the user, item and time{_look(part)}"


def _look(part: Path) -> str:
    return f" (`posrec look {part}` writes the table: block)"


def plain_rows(part: Path, lines: Lines, separator: str, seen: Seen, bad: BadRows) -> Numbered:
    """Rows whose fields are as they are between the separators."""
    for number, text in lines:
        fields = text.split(separator)
        if any(fields):
            yield number, fields
        else:
            seen.blank_lines += 1


def quoted_rows(part: Path, lines: Lines, separator: str, seen: Seen, bad: BadRows) -> Numbered:
    """Rows of a CSV, whose quoted fields may extend over several lines."""
    numbers: list[int] = []  # of the lines of the row that is being read

    def ended() -> Iterator[str]:
        for number, text in lines:
            numbers.append(number)
            yield text + "\n"

    reader = csv.reader(ended(), delimiter=separator, strict=True)
    while True:
        numbers.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if numbers[0] == 1:
                raise BadLineError(part, 1, f"not a row of CSV ({error})") from None
            bad.take(part, numbers[0], f"not a row of CSV ({error})")
            continue
        if any(fields):
            yield numbers[0], fields
        else:
            seen.blank_lines += 1
