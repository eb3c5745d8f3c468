"""Strict reading of gzipped text: every complaint names the file, the line and the reason."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from posrec.errors import DataError

END_OF_TIME = 253_402_300_800  # seconds from 1970 to the year 10000: beyond what a date can show


class BadLineError(DataError):
    """A line that cannot be used; the first one stops the reading."""

    def __init__(self, path: Path, number: int, reason: str) -> None:
        super().__init__(f"{path}, line {number}: {reason}; correct or fetch the file again")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and lines, without their ends, of a gzipped UTF-8 text. Raises DataError."""
    number, line = 0, b"\n"
    try:
        with gzip.open(path, "rb") as handle:
            for number, line in enumerate(handle, 1):
                yield number, line.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise BadLineError(path, number, f"not UTF-8 ({error.reason} at byte {error.start + 1})") from None
    except EOFError:
        raise DataError(f"{path}: the file ends early, after line {number} or a few more; fetch it again") from None
    except FileNotFoundError:
        raise DataError(f"{path}: missing; fetch or simulate the raw reviews first") from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: not a readable gzip file ({error}); fetch it again") from None
    if number == 0:
        raise DataError(f"{path}: the file is empty; fetch it again")
    if not line.endswith(b"\n"):
        raise BadLineError(path, number, "the last line has no line end, so it may have been cut off")


def check_id(path: Path, number: int, key: str, value: object) -> str:
    """A user's or an item's id: a text that is not blank. Raises BadLineError."""
    if not isinstance(value, str):
        raise BadLineError(path, number, f"{key} is {value!r}, not a text")
    if not value.strip():
        raise BadLineError(path, number, f"{key} is empty")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadLineError(path, number, f"{key} is {value!r}, which is no valid Unicode")
    return value


def check_time(path: Path, number: int, key: str, value: object) -> int:
    """A time in whole seconds since 1970 UTC. Raises BadLineError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadLineError(path, number, f"{key} is {value!r}, not a whole number of seconds")
    if value < 0:
        raise BadLineError(path, number, f"{key} is {value}, before 1970")
    if value >= END_OF_TIME:
        raise BadLineError(path, number, f"{key} is {value}, after the year 9999 (milliseconds? seconds are wanted)")
    return value


def review_table(path: Path, rows: Iterable[tuple[str, str, int]]) -> pd.DataFrame:
    """Reviews in the order of the file: user and item (text), time (int64 seconds). Raises DataError: none."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        raise DataError(f"{path}: holds no reviews; fetch it again")
    users, items, times = columns
    return pd.DataFrame({"user": users, "item": items, "time": pd.Series(times, dtype="int64")})
