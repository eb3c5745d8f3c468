"""A study of a data frame: `posrec.study(df, user=..., item=..., time=...)`."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from posrec.errors import PosrecError, StudyError
from posrec.files import write_stream
from posrec.study.study import Study, load
from posrec.study.written import write_study

if TYPE_CHECKING:
    import polars as pl

TABLES, STUDIES = Path("data"), Path("studies")


@runtime_checkable
class Frame(Protocol):
    """A data frame of pandas or polars, or a table of pyarrow: whatever exports its columns as Arrow or one by one."""

    @property
    def columns(self) -> Any: ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True)
class StudyFile:
    """A study file on disk. `path` can be read and changed, and given to every command."""

    path: Path

    def load(self) -> Study:
        """The study, checked. Raises StudyError."""
        return load(str(self.path))

    def run(self, cores: int | None = None, target: str = "all") -> Path:
        """Run the workflow in the working folder, the root of the checkout, and return the report's path.

        cores: how many to use at most; None: all. A run that was stopped is continued. Raises StudyError where the
        workflow is not there, PosrecError where it failed.
        """
        program = shutil.which("snakemake")
        if program is None or not Path("workflow/Snakefile").exists():
            raise StudyError(f"{self.path}: run this in the root of a checkout of posrec, with snakemake installed")
        command = [program, "--cores", str(cores or "all"), target, "--configfile", str(self.path)]
        if subprocess.run(command, check=False).returncode:
            raise PosrecError(f"{self.path}: the workflow failed; what it printed names the log; run it again to go on")
        return Path("results/studies") / self.load().name / "report.html"

    def __fspath__(self) -> str:
        return str(self.path)


def study(
    df: Frame,
    *,
    user: str | Sequence[str],
    item: str | Sequence[str],
    time: str | Sequence[str] | None = None,
    items: Frame | None = None,
    attributes: Sequence[str] | None = None,
    name: str = "mine",
    table: Mapping[str, Any] | None = None,
    dataset: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> StudyFile:
    """Write a data frame as a table, and a study of it; returns the study file, which can be run.

    df: one review per row; of pandas, polars or pyarrow. user, item: columns of the ids. time: column of the times
    (numbers since 1970, dates, timestamps with or without a zone, or texts); None: the order of the rows is used.
    items: one item per row, with the column `item` and attributes (all other columns, or those in `attributes`). name:
    of the data set and the study. table, dataset, settings: more keys of the table's block, such as {"where": "rating
    >= 4"}, of the data set's, such as {"k_core": 3}, and of the study, such as encodings=["none", "rope"].

    Writes data/<name>.parquet, data/<name>.items.parquet and studies/<name>.yaml in the working folder. Equal data give
    equal files, so that nothing is trained twice. Raises StudyError: a column that is missing, settings that are wrong,
    a study file that exists (unless `overwrite`).
    """
    path, base = STUDIES / f"{name}.yaml", TABLES / name
    columns = [*_names(user), *_names(item), *_names(time)]
    frame = _polars(df, "df")
    _check(frame, columns, "df")
    block: dict[str, Any] = {
        "path": f"{base}.parquet",
        "user": _plain(user),
        "item": _plain(item),
        "time": _plain(time),
    }
    if items is not None:
        described = _polars(items, "items")
        own = list(attributes) if attributes is not None else [c for c in described.columns if c not in _names(item)]
        _check(described, [*_names(item), *own], "items")
        block["items"] = {"path": f"{base}.items.parquet", "item": _plain(item), **_kinds(described, own)}
        _write(described.select([*_names(item), *own]), Path(f"{base}.items.parquet"))
    _write(frame, Path(f"{base}.parquet"))
    if overwrite:
        path.unlink(missing_ok=True)
    write_study(path, name, {"table": {**block, **(table or {})}, **(dataset or {})}, **settings)
    return StudyFile(path)


def _names(columns: str | Sequence[str] | None) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns or [])


def _plain(columns: str | Sequence[str] | None) -> str | list[str] | None:
    return columns if columns is None or isinstance(columns, str) else list(columns)


def _check(frame: "pl.DataFrame", columns: Sequence[str], what: str) -> None:
    if missing := [name for name in columns if name not in frame.columns]:
        raise StudyError(f"{what}: has no column {', '.join(missing)}; its columns are: {', '.join(frame.columns)}")


def _polars(frame: Frame, what: str) -> "pl.DataFrame":
    """The frame in polars. Raises StudyError for anything else than a data frame, and for mixed columns."""
    import polars as pl  # `study` is light: it is loaded only where a frame comes

    try:
        if isinstance(frame, pl.DataFrame):
            return frame
        if type(frame).__module__.startswith("pandas"):
            return pl.DataFrame({str(name): _series(frame[name]) for name in frame.columns})
        if hasattr(frame, "__arrow_c_stream__"):
            return pl.DataFrame(cast(Any, frame))
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise StudyError(f"{what}: cannot be written as a table: {str(error).splitlines()[0]}") from None
    raise StudyError(f"{what}: is a {type(frame).__name__}, not a data frame of pandas or polars or a table of pyarrow")


def _series(column: Any) -> Any:
    """A column of pandas: numbers and naive times as arrays, everything else value by value, and nulls as None."""
    import numpy as np

    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufbM":
        return column.to_numpy()
    values = column.astype(object).where(column.notna(), None)
    return values.to_list()


def _kinds(frame: "pl.DataFrame", columns: Sequence[str]) -> dict[str, list[str]]:
    """Columns of the items by what they become: floats are numbers in bins, everything else is words."""
    floats = [name for name in columns if frame.schema[name].is_float()]
    words = [name for name in columns if name not in floats]
    return {key: names for key, names in (("attributes", words), ("binned", floats)) if names}


def _write(frame: "pl.DataFrame", path: Path) -> None:
    """Write a frame as Parquet, under another name first."""
    import io

    content = io.BytesIO()
    frame.write_parquet(content)
    write_stream(path, [content.getvalue()])
