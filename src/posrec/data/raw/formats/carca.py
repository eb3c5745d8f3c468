"""The format `carca`: CARCA's own files (Rashed et al., RecSys 2022), numbered users and items, separated by spaces.

<Name>.txt has "user item" in the order of time, <Name>_cxt.txt "user item timestamp" in the same order. <Name>_feat.dat
or <Name>_imgs.dat is a pickled matrix whose row i - 1 belongs to item i, or row i where row 0 is the padding's.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from posrec.data.raw.formats.pickled import read_matrix
from posrec.data.raw.formats.raw import Raw
from posrec.data.raw.formats.text import (
    BadValueError,
    Review,
    check_time,
    parse_lines,
    review_table,
    shown,
    whole_number,
)
from posrec.errors import DataError

CONTEXT, FEATURES = ("_cxt.txt", "_cxt.txt.gz"), ("_feat.dat", "_imgs.dat")


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews in the order of the file; without a _cxt file the time is the number of the row. Raises DataError."""
    with_times = [name for name in raw.files if name.endswith(CONTEXT)]
    plain = [name for name in raw.files if name.endswith((".txt", ".txt.gz")) and name not in with_times]
    path = raw.only("interactions", with_times or plain)
    parse = _Lines(with_times=bool(with_times))
    return review_table(path, parse_lines(path, parse, raw.bad_lines))


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """None: CARCA's items have a matrix of features without names."""
    return {}


def read_features(raw: Raw) -> tuple[list[str], np.ndarray] | None:
    """Item ids (I,) and float32 features (I, F) of the pickled matrix; None where the source has none.

    Raises DataError for anything but a matrix of finite numbers with a row for each item.
    """
    names = [name for name in raw.files if name.endswith(FEATURES)]
    if not names:
        return None
    path = raw.only("features", names)
    matrix = read_matrix(path)
    items = read_reviews(raw)["item"].astype("int64").max()
    if len(matrix) not in (items, items + 1):
        raise DataError(
            f"{path}: {len(matrix):,} rows for items numbered 1 to {items:,}; expected a row for each, or one more"
        )
    matrix = matrix[len(matrix) - items :]  # without the padding's row
    check_finite(path, matrix)
    return [str(number) for number in range(1, items + 1)], matrix


def check_finite(path: Path, matrix: np.ndarray) -> None:
    """Raise DataError, which names the row, unless all numbers of a matrix are finite."""
    good = np.isfinite(matrix).all(axis=1)
    if not good.all():
        raise DataError(f"{path}: row {int(good.argmin()) + 1} holds a number that is not finite; fetch the file again")


class _Lines:
    """Parses a line; without times, the time is the number of the row."""

    def __init__(self, with_times: bool) -> None:
        self.columns = ("user", "item", "timestamp")[: 3 if with_times else 2]
        self.rows = 0

    def __call__(self, line: str) -> Review:
        fields = line.rstrip(" ").split(" ")
        if len(fields) != len(self.columns):
            raise BadValueError(f"{len(fields)} columns, not the {len(self.columns)} of {' '.join(self.columns)}")
        user, item = (self._number(key, text) for key, text in zip(self.columns, fields[:2], strict=False))
        time = check_time("timestamp", whole_number(fields[2])) if len(fields) > 2 else self.rows
        self.rows += 1
        return user, item, time

    @staticmethod
    def _number(key: str, text: str) -> str:
        number = whole_number(text)
        if not isinstance(number, int) or number < 1:
            raise BadValueError(f"{key} is {shown(text)}, not a whole number from 1")
        return text
