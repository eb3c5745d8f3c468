"""Columns of a Parquet file, batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException

from posrec.data.raw.archives import MAX_RATIO
from posrec.errors import DataError

BATCH = 200_000  # rows


def read_columns(path: Path, columns: Sequence[str], constant: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    """The values of `columns` in each row; `constant` gives those of columns that the file lacks.

    Raises DataError: no Parquet, a column missing, too many rows.
    """
    names = list(dict.fromkeys(columns))
    places = [names.index(name) for name in columns]
    try:
        header = list(pl.read_parquet_schema(path))
        missing = [name for name in names if name not in header and name not in constant]
        if missing:
            raise DataError(f"{path}: the column {', '.join(missing)} is missing; its columns are: {', '.join(header)}")
        lacking = [pl.lit(constant[name]).alias(name) for name in names if name not in header]
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False).with_columns(lacking).select(names)
        rows = int(table.select(pl.len()).collect().item())
        _check_size(path, rows)
        for start in range(0, rows, BATCH):
            for values in table.slice(start, BATCH).collect().iter_rows():
                yield tuple(values[place] for place in places)
    except FileNotFoundError:
        raise DataError(f"{path}: missing; put the file there, or correct its path in the study") from None
    except (pl.exceptions.PolarsError, OSError, PanicException) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{path}: not a readable Parquet file ({reason}); write it again") from None


def _check_size(path: Path, rows: int) -> None:
    packed = path.stat().st_size
    if rows > max(2**20, MAX_RATIO * packed):
        raise DataError(
            f"{path}: claims {rows:,} rows in {packed:,} bytes: it looks like a decompression bomb, and was not read"
        )
