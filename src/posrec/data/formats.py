"""Readers of raw reviews: whatever the format, one plain table of reviews and the items' attributes by name."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from posrec.data import amazon2018, tables
from posrec.errors import DataError


class Format(Protocol):
    """What a format's module offers."""

    def read_reviews(self, folder: Path, files: Collection[str]) -> pd.DataFrame: ...

    def read_attributes(self, folder: Path, files: Collection[str], items: Collection[str]) -> dict[str, list[str]]: ...


FORMATS: dict[str, Format] = {"tables": tables, "amazon2018": amazon2018}


def read_reviews(folder: Path, source: dict[str, Any]) -> pd.DataFrame:
    """Reviews in the order of the file: user, item (text), time (int64, seconds since 1970 UTC).

    The first line that cannot be used raises DataError, which names the file, the line and the reason.
    """
    return _format(source).read_reviews(folder, list(source["files"]))


def read_attributes(folder: Path, source: dict[str, Any], items: Collection[str]) -> dict[str, list[str]]:
    """Names of the attributes of `items`; items without any may be left out. Raises DataError as `read_reviews`."""
    return _format(source).read_attributes(folder, list(source["files"]), items)


def _format(source: dict[str, Any]) -> Format:
    if source["format"] not in FORMATS:
        raise DataError(f"the format '{source['format']}' is not known; known: {', '.join(FORMATS)}")
    return FORMATS[source["format"]]
