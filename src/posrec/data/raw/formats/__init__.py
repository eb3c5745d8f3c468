"""Readers of raw reviews: whatever the format, one plain table of reviews and the items' attributes or features."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from posrec.data.raw.formats import amazon2014, amazon2018, amazon2023, carca, images, own, recbole, tables
from posrec.data.raw.formats.raw import Raw
from posrec.errors import DataError

Attributes = dict[str, list[str]]


class Format(Protocol):
    """What a format's module offers."""

    def read_reviews(self, raw: Raw) -> pd.DataFrame: ...

    def read_attributes(self, raw: Raw, items: Collection[str]) -> Attributes: ...


FORMATS: dict[str, Format] = {
    "tables": tables,
    "amazon2014": amazon2014,
    "amazon2018": amazon2018,
    "amazon2023": amazon2023,
    "recbole": recbole,
    "carca": carca,
    "own": own,
}


def read_reviews(folder: Path, source: dict[str, Any]) -> pd.DataFrame:
    """Reviews in the order of the file: user, item (text), time (int64, seconds since 1970 UTC).

    A source without times counts the rows instead, 0, 1, 2, ...: their order is all that it says. The first line that
    cannot be used raises DataError, which names the file, the line and the reason; source["bad_lines"] of a file are
    left out, counted and reported.
    """
    return _format(source).read_reviews(_raw(folder, source))


def read_attributes(folder: Path, source: dict[str, Any], items: Collection[str]) -> Attributes:
    """Names of the attributes of `items`; items without any may be left out. Raises DataError as `read_reviews`."""
    return _format(source).read_attributes(_raw(folder, source), items)


def read_features(folder: Path, source: dict[str, Any]) -> tuple[list[str], np.ndarray] | None:
    """Dense features of items: ids (I,) and float32 rows (I, F), memory-mapped where the file allows it.

    None for a source without any. The rows are those of the file: items without reviews may be among them, and items
    with reviews may be missing. Raises DataError: damaged file, an item twice, a number that is not finite.
    """
    raw = _raw(folder, source)
    own_features = {"carca": carca.read_features, "own": own.read_features}
    return own_features.get(source["format"], images.read_features)(raw)


def _raw(folder: Path, source: dict[str, Any]) -> Raw:
    return Raw(folder, tuple(source["files"]), source.get("bad_lines", 0), source.get("options", {}))


def _format(source: dict[str, Any]) -> Format:
    if source["format"] not in FORMATS:
        raise DataError(f"the format '{source['format']}' is not known; known: {', '.join(FORMATS)}")
    return FORMATS[source["format"]]
