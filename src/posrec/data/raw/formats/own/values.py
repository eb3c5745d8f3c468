"""Single values of a table: ids, missing cells, and the words of a cell of attributes."""

import datetime
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from posrec.data.raw.formats.text import BadValueError, check_id, shown

# A list as Python prints it: texts in single or double quotes, without backslashes.
PYTHON_LIST = re.compile(r"""\[\s*(?:(?:'[^'\\]*'|"[^"\\]*")\s*(?:,\s*(?:'[^'\\]*'|"[^"\\]*")\s*)*)?,?\s*\]""")
PYTHON_TEXT = re.compile(r"""'([^'\\]*)'|"([^"\\]*)\"""")
MAX_LIST = 2**16  # characters


def plain(value: object) -> object:
    """A float or decimal that is whole as int, a date as its first moment, and anything else as it is."""
    if isinstance(value, float | Decimal) and value == value // 1:
        return int(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime(value.year, value.month, value.day)
    return value


def is_missing(value: object) -> bool:
    """An empty cell: of a text, a null or a NaN of Parquet."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def read_id(column: str, value: object) -> str:
    """An id; whole numbers are ids too. Raises BadValueError."""
    if isinstance(value, str) and not value.strip():
        raise BadValueError(f"{column} is empty: missing: drop leaves out such rows")
    number = plain(value)
    text = check_id(column, str(number) if isinstance(number, int) and not isinstance(number, bool) else value)
    if len(text) > 1 and text[0] == text[-1] == '"':
        raise BadValueError(f"{column} is {shown(text)}, in quotes: set quoted: true")
    return text


def ids_of(columns: Sequence[str]) -> Callable[[Sequence[object]], str]:
    """Reads an id from the cells of its columns; that of several joins them by |, which is \\| inside a part.

    >>> ids_of(["shop", "customer"])(["north", 7])
    'north|7'
    """
    if len(columns) == 1:
        return _one_id(columns[0])

    def read(cells: Sequence[object]) -> str:
        parts = [read_id(column, cell) for column, cell in zip(columns, cells, strict=True)]
        return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)

    return read


def _one_id(column: str) -> Callable[[Sequence[object]], str]:
    """Reads the id of one column; texts that were read before are known."""
    known: dict[str, str] = {}

    def read(cells: Sequence[object]) -> str:
        value = cells[0]
        if not isinstance(value, str):
            return read_id(column, value)
        found = known.get(value)
        if found is None:
            found = known[value] = read_id(column, value)
        return found

    return read


def words_of(column: str, value: object, between: str | None) -> Iterator[str]:
    """The words of a cell: entries of a list (of Parquet, or JSON as text), or what is between `between` in a text.

    HTML entities are unescaped. Raises BadValueError for an object, and for bytes.
    """
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]":
        value = _list_in(value)
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        value = value["name"]
    if isinstance(value, list | tuple):
        for entry in value:
            yield from words_of(column, entry, None)
        return
    if isinstance(value, dict | bytes):
        raise BadValueError(f"{column} is {shown(value)}, neither a value nor a list of values")
    text = "" if is_missing(value) else html.unescape(str(plain(value)))
    yield from filter(None, (word.strip() for word in (text.split(between) if between else [text])))


def _list_in(text: str) -> object:
    """The list that a text spells in JSON, or as Python prints texts; else the text itself. Nothing is evaluated."""
    if len(text) > MAX_LIST:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    return [one or other for one, other in PYTHON_TEXT.findall(text)] if PYTHON_LIST.fullmatch(text) else text
