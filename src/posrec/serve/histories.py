"""Histories to recommend for: a table of pandas, polars or pyarrow, or a file, as the arrays that the model reads."""

import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from posrec.data.raw.formats.own.times import BOUNDS, UNITS
from posrec.errors import DataError

KINDS = ("user", "item", "time")
Moment = str | float | datetime.datetime  # ISO 8601, seconds since 1970, or a datetime; without a zone: UTC


@dataclass(frozen=True)
class Counted:
    """What was read. rows: all; unknown_rows: of items that the model does not know (unknown_items), left out."""

    rows: int
    users: int
    new_users: int
    unknown_rows: int
    unknown_items: int
    without_history: int


@dataclass(frozen=True)
class Histories:
    """Interactions of U users with known items, each user's in the order of time; N in all.

    users: (U,) ids as given, in the order in which they first occur; offsets: (U + 1,); items: (N,) numbers 1 .. I;
    times: (N,) seconds since 1970.
    """

    users: np.ndarray
    offsets: np.ndarray
    items: np.ndarray
    times: np.ndarray
    counted: Counted
    whole_items: bool  # the table has the items' ids as whole numbers


def read_file(path: str | Path) -> pl.DataFrame:
    """A table of a Parquet, CSV or TSV file (text may be gzipped), ids as they are written. Raises DataError."""
    name = str(path).removesuffix(".gz")
    try:
        if name.endswith(".parquet"):
            return pl.read_parquet(path)
        if name.endswith((".csv", ".tsv", ".txt")):
            separator = "\t" if name.endswith(".tsv") else ","
            return pl.read_csv(path, separator=separator, infer_schema=False, encoding="utf8")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    raise DataError(f"{path}: is neither .parquet, .csv nor .tsv (text may end in .gz); save it as one of them")


def build(
    table: Any,
    items: Mapping[str, int],
    known_users: frozenset[str],
    columns: Mapping[str, Any],
    needs_times: bool,
    where: str = "histories",
) -> Histories:
    """The histories in a table with the columns user, item and, where the model needs it, time.

    items: id -> number; columns: how the columns are called and times are written in the data of the training
    (`export.columns_of`); these names are understood as well. Rows of one user are ordered by time, those of one time
    by their order in the table. Raises DataError naming the column and what it lacks.
    """
    given = {kind: _column(table, kind, columns, where, optional=kind == "time" and not needs_times) for kind in KINDS}
    users, items_given = given["user"], given["item"]
    assert users is not None
    assert items_given is not None
    for kind, column in (("user", users), ("item", items_given)):
        if missing := int(pd.isna(column).sum()):
            raise DataError(f"{where}: {missing} rows have no {kind}; remove them")
    times = np.zeros(len(users), np.int64) if given["time"] is None else seconds(given["time"], columns, where)
    user_codes, user_ids = pd.factorize(users)
    item_codes, item_ids = pd.factorize(items_given)
    numbers = np.array([items.get(text(each), 0) for each in item_ids], np.int64)[item_codes]
    known = numbers > 0
    by = [numbers] if columns.get("tied_times") == "item" else []
    order = np.lexsort((*by, times, user_codes))
    order = order[known[order]]
    length = np.bincount(user_codes[order], minlength=len(user_ids))
    counted = Counted(
        rows=len(users),
        users=len(user_ids),
        new_users=sum(text(each) not in known_users for each in user_ids),
        unknown_rows=int((~known).sum()),
        unknown_items=len({text(each) for each in item_ids} - items.keys()),
        without_history=int((length == 0).sum()),
    )
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    whole = np.issubdtype(items_given.dtype, np.integer)
    return Histories(np.asarray(user_ids), offsets, numbers[order].astype(np.int32), times[order], counted, whole)


def text(value: Any) -> str:
    """An id as the id maps have it: whole numbers without a point.

    >>> text(12), text(12.0), text("012")
    ('12', '12', '012')
    """
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value)


def seconds(column: np.ndarray | Sequence[Any], columns: Mapping[str, Any], where: str = "histories") -> np.ndarray:
    """Times as whole seconds since 1970 UTC, int64: numbers, dates, or texts of either, as the training's are written.

    Raises DataError for a time that cannot be read.
    """
    values = pd.Series(column).infer_objects()
    if values.isna().any():
        raise DataError(f"{where}: {int(values.isna().sum())} rows have no time; remove them")
    if not pd.api.types.is_datetime64_any_dtype(values):
        is_text = pd.api.types.infer_dtype(values) == "string"
        numbers = pd.to_numeric(values, errors="coerce") if is_text else values
        if pd.api.types.is_numeric_dtype(numbers) and not numbers.isna().any():
            return _of_numbers(numbers.to_numpy(), columns, where)
        written = columns.get("time_format") or "ISO8601"
        try:
            values = pd.to_datetime(values, format=written, utc=not columns.get("time_zone"))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{where}: time: {error}; write times as seconds since 1970 or as 2024-05-31T18:00:00Z"
            ) from None
    if values.dt.tz is None:
        values = values.dt.tz_localize(columns.get("time_zone") or "UTC", ambiguous=True, nonexistent="shift_forward")
    return values.dt.tz_convert("UTC").to_numpy("datetime64[s]").astype(np.int64)


def _of_numbers(numbers: np.ndarray, columns: Mapping[str, Any], where: str) -> np.ndarray:
    """Numbers since 1970 in the training's unit, or where it names none in the one that their size says."""
    largest = numbers.max(initial=0)
    unit = columns.get("time_unit")
    if unit not in UNITS:
        unit = next((name for name, bound in BOUNDS.items() if largest < bound), "seconds")
    if numbers.min(initial=0) < 0 or largest >= BOUNDS[unit]:
        raise DataError(
            f"{where}: time: {largest:g} {unit} since 1970 are not a time of today; write times in {unit}, or as dates"
        )
    return np.floor_divide(numbers, UNITS[unit]).astype(np.int64)


def moment(value: Moment) -> int:
    """A moment as seconds since 1970. Raises DataError."""
    return int(seconds([value], {}, "--at")[0])


def now() -> int:
    """This moment in seconds since 1970."""
    return int(time.time())


def _column(table: Any, kind: str, columns: Mapping[str, Any], where: str, optional: bool = False) -> np.ndarray | None:
    """A column of a table of pandas, polars or pyarrow, by its kind or by its name in the data of the training."""
    names = list(getattr(table, "column_names", None) or table.columns)
    wanted = list(dict.fromkeys([kind, *([columns[kind]] if columns.get(kind) else [])]))
    found = next((name for name in wanted if name in names), None)
    if found is None:
        if optional:
            return None
        why = ", which this model needs" if kind == "time" else ""
        raise DataError(
            f"{where}: has the columns {', '.join(map(str, names))}, and none named {' or '.join(wanted)}{why}; "
            "rename one"
        )
    values = table[found] if hasattr(table, "columns") and not hasattr(table, "column_names") else table.column(found)
    return np.asarray(values.to_numpy())
