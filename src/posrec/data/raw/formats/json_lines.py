"""Lines of JSON, or of Python dictionaries as in the Amazon meta data of 2014: read, never evaluated."""

import ast
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from posrec.data.raw.formats.text import BadValueError, parse_lines, shown

MAX_LITERAL = 2**20  # characters of a Python literal: parsing takes some 100 times as many bytes
Row = TypeVar("Row")
Record = dict[str, Any]


def read_json_lines(path: Path, parse: Callable[[Record], Row], bad_lines: int = 0) -> Iterator[Row]:
    """What `parse` makes of each line's JSON object. Raises DataError: not such an object, a key twice, NaN."""
    return parse_lines(path, lambda line: parse(parse_record(line)), bad_lines)


def parse_record(line: str) -> Record:
    """The JSON object of a line. Raises BadValueError: not such an object, a key twice, NaN."""
    try:
        record = DECODER.decode(line)
    except BadValueError:
        raise
    except (ValueError, RecursionError) as error:
        raise BadValueError(f"not valid JSON ({error})") from None
    if not isinstance(record, dict):
        raise BadValueError("not a JSON object")
    return record


def read_literal_lines(path: Path, parse: Callable[[Record], Row], bad_lines: int = 0) -> Iterator[Row]:
    """What `parse` makes of each line's Python dictionary: literals only, nothing is evaluated. Raises DataError."""

    def parse_line(line: str) -> Row:
        if len(line) > MAX_LITERAL:
            raise BadValueError(f"longer than {MAX_LITERAL:,} characters")
        return parse(_literal(line))

    with warnings.catch_warnings():
        for kind in (SyntaxWarning, DeprecationWarning):  # descriptions hold backslashes
            warnings.simplefilter("ignore", kind)
        yield from parse_lines(path, parse_line, bad_lines)


def _literal(line: str) -> Record:
    try:
        tree = ast.parse(line.strip(), mode="eval").body
        if not isinstance(tree, ast.Dict):
            raise BadValueError("not a Python dictionary")
        record: Record = ast.literal_eval(tree)
    except BadValueError:
        raise
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:  # nested or long beyond reason
        raise BadValueError(f"not a Python dictionary of plain values ({str(error)[:100]})") from None
    if len(record) != len(tree.keys):
        raise BadValueError("a key is there twice")
    return record


def value_of(record: Record, key: str) -> Any:
    """The value of a key. Raises BadValueError when it is missing."""
    if key not in record:
        raise BadValueError(f"the key {key} is missing")
    return record[key]


def text_of(record: Record, key: str) -> str:
    """The text of a key, without spaces around it; "" where it is missing or null. Raises BadValueError."""
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise BadValueError(f"{key} is {shown(value)}, not a text")
    return (value or "").strip()


def texts_of(record: Record, key: str) -> list[str]:
    """The list of texts of a key; [] where it is missing or null. Raises BadValueError."""
    value = record.get(key) or []
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise BadValueError(f"{key} is not a list of texts")
    return value


def _reject(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _whole(text: str) -> int:
    if text == "-0":
        raise ValueError("-0 is not a usual way to write a number")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise BadValueError("a key is there twice")
    return record


DECODER = json.JSONDecoder(parse_int=_whole, parse_constant=_reject, object_pairs_hook=_unique)
