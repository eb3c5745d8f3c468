"""Strict reading of text, plain, gzipped or zipped: every error names the file, the line and the reason."""

import re
import sys
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pandas as pd

from posrec.data.raw.archives import read_chunks
from posrec.errors import DataError

END_OF_TIME = 253_402_300_800  # seconds from 1970 to the year 10000: beyond what a date can show
MAX_LINE = 2**24  # bytes: a longer line is not a review
WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # one spelling per number: "-0" or "007" is damage
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # tabs, line ends and the like
SURROGATE = re.compile("[\ud800-\udfff]")
SHOWN = 5  # bad lines that a report names
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # which UTF-8 never contains
Row = TypeVar("Row")
Convert = Callable[[Iterable[bytes]], Iterator[bytes]]
Review = tuple[str, str, int]  # user, item, seconds since 1970 UTC


class BadLineError(DataError):
    """A line that cannot be used; unless a tolerance is set, the first one stops the reading."""

    def __init__(self, path: Path, number: int, reason: str) -> None:
        super().__init__(f"{path}, line {number}: {reason}; correct or fetch the file again")


class BadValueError(ValueError):
    """What is wrong with a value; `parse_lines` adds the file and the line."""


class Tolerance:
    """Counts the lines of a file that cannot be used, and stops at the first one beyond those allowed."""

    def __init__(self, path: Path, allowed: int) -> None:
        self.path, self.allowed = path, allowed
        self.found: list[tuple[int, str]] = []

    def take(self, number: int, reason: str) -> None:
        """Count a bad line. Raises BadLineError when there are more than allowed."""
        self.found.append((number, reason))
        if len(self.found) > self.allowed:
            beyond = f" (bad line {len(self.found)}, and bad_lines allows {self.allowed})" if self.allowed else ""
            raise BadLineError(self.path, number, reason + beyond)

    def report(self) -> None:
        """Say on stderr how many lines were left out, and why the first of them were."""
        if self.found:
            shown = "; ".join(f"line {number}: {reason}" for number, reason in self.found[:SHOWN])
            more = f"; and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
            count = f"bad lines left out: {len(self.found)} (bad_lines allows {self.allowed})"
            print(f"posrec: {self.path}: {count}: {shown}{more}", file=sys.stderr)


def read_lines(path: Path, convert: Convert = iter) -> Iterator[tuple[int, bytes, bool]]:
    """Line numbers (from 1), lines without their ends, and whether the line had an end. Raises DataError.

    convert: changes the chunks of bytes first, from UTF-16 for example. A byte order mark (BOM), with which Excel
    begins a file, is left out.
    """
    number = 0
    try:
        for number, (line, whole) in enumerate(_split(convert(read_chunks(path))), 1):
            if len(line) > MAX_LINE:
                raise BadLineError(path, number, f"longer than {MAX_LINE:,} bytes")
            yield number, line.removeprefix(BOM) if number == 1 else line, whole
    except FileNotFoundError:
        raise DataError(f"{path}: missing; fetch or simulate the raw reviews first") from None
    except EOFError:
        raise DataError(f"{path}: the file ends early, after line {number} or a few more; fetch it again") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: not a readable zip file ({error}); fetch it again") from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: not a readable gzip file ({error}); fetch it again") from None
    if number == 0:
        raise DataError(f"{path}: the file is empty; fetch it again")


def _split(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line, True
        if len(rest) > MAX_LINE:
            break
    if rest:
        yield rest, False


def decode(line: bytes, whole: bool = True, encoding: str = "utf-8", hint: str = "") -> str:
    """A line as text, without a carriage return at its end. Raises BadValueError, which ends with `hint`."""
    if not whole:
        raise BadValueError("the last line has no line end, so it may have been cut off")
    if line.startswith(UTF16):
        raise BadValueError("UTF-16: save it as UTF-8, as Excel does with 'CSV UTF-8'")
    try:
        return line.decode(encoding).removesuffix("\r")
    except UnicodeDecodeError as error:
        reason = f"not {encoding.upper()} ({error.reason} at byte {error.start + 1})"
        raise BadValueError(f"{reason}: save it as UTF-8, as Excel does with 'CSV UTF-8'{hint}") from None


def parse_lines(path: Path, parse: Callable[[str], Row], bad_lines: int = 0, first: int = 1) -> Iterator[Row]:
    """What `parse` makes of every line from `first` on; it raises BadValueError for a line that cannot be used.

    Up to `bad_lines` such lines are left out, counted and reported on stderr. Raises DataError.
    """
    tolerance = Tolerance(path, bad_lines)
    for number, line, whole in read_lines(path):
        if number < first:
            continue
        try:
            row = parse(decode(line, whole))
        except BadValueError as error:
            tolerance.take(number, str(error))
            continue
        yield row
    tolerance.report()


def shown(value: object) -> str:
    """A value as errors show it, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "..."


def check_id(key: str, value: object) -> str:
    """A user's or an item's id: a text that is not blank and holds no control character. Raises BadValueError."""
    if not isinstance(value, str):
        raise BadValueError(f"{key} is {shown(value)}, not a text")
    if not value.strip():
        raise BadValueError(f"{key} is empty")
    if not value.isprintable():
        if SURROGATE.search(value):
            raise BadValueError(f"{key} is {shown(value)}, which is not valid Unicode")
        if CONTROL.search(value):
            raise BadValueError(f"{key} is {shown(value)}: a tab, a line end or another control character is in it")
    return value


def check_time(key: str, value: object) -> int:
    """A time in whole seconds since 1970 UTC. Raises BadValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValueError(f"{key} is {shown(value)}, not a whole number of seconds")
    if value < 0:
        raise BadValueError(f"{key} is {shown(value)}, before 1970")
    if value >= END_OF_TIME:
        raise BadValueError(f"{key} is {shown(value)}, after the year 9999 (milliseconds? seconds are wanted)")
    return value


def whole_number(text: str) -> int | str:
    """The number that a text spells, or the text itself where it is not one: `check_time` then names it."""
    return int(text) if WHOLE_NUMBER.fullmatch(text) else text


def review_table(path: Path, rows: Iterable[Review]) -> pd.DataFrame:
    """Reviews in the order of the file: user and item (text), time (int64 seconds). Raises DataError: none.

    Equal ids share one object, so that a row takes 24 bytes however long its ids are.
    """
    pool: dict[str, str] = {}
    users: list[str] = []
    items: list[str] = []
    times = array("q")
    for user, item, time in rows:
        users.append(pool.setdefault(user, user))
        items.append(pool.setdefault(item, item))
        times.append(time)
    if not users:
        raise DataError(f"{path}: holds no reviews; fetch it again")
    return pd.DataFrame({"user": users, "item": items, "time": pd.Series(times, dtype="int64")})
