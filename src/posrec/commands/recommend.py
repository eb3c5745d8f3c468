"""`posrec recommend`: the best items of every user in a table of histories, by an exported model."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from posrec.errors import DataError
from posrec.files import write_bytes
from posrec.serve.folder import HISTORIES, parquet_bytes
from posrec.serve.histories import read_file
from posrec.serve.recommend import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    began = time.perf_counter()
    check_name(arguments.out)
    model = load(arguments.folder)
    table = read_file(arguments.histories or _own_histories(arguments.folder))
    options = {"repeat": arguments.repeat, "at": _moment(arguments.at), "progress": sys.stderr.isatty()}
    found = model.recommend(table, arguments.top, **options)
    counted = found.attrs["counted"]
    write_table(arguments.out, pl.DataFrame({name: pl.Series(found[name].to_numpy()) for name in found.columns}))
    print(f"{arguments.out}: {len(found):,} recommendations for {counted['users']:,} users")
    for note in notes(counted):
        print(f"posrec recommend: {note}")
    print(f"posrec recommend: {time.perf_counter() - began:.1f} s")


def notes(counted: dict[str, int]) -> list[str]:
    """What was read, as sentences."""
    found = [f"{counted['rows']:,} rows read; {counted['new_users']:,} users are not of the model's training"]
    if counted["unknown_rows"]:
        found.append(
            f"{counted['unknown_rows']:,} rows name items that the model does not know ({counted['unknown_items']:,} "
            "items); they are left out"
        )
    if counted["without_history"]:
        found.append(
            f"{counted['without_history']:,} users have no item that the model knows: they get the most popular items, "
            "without a score"
        )
    return found


def check_name(out: Path) -> None:
    """Raise DataError for a file that is neither Parquet nor CSV: before any work is done."""
    if out.suffix not in (".parquet", ".csv"):
        raise DataError(f"--out {out}: name it .parquet or .csv")


def write_table(out: Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet or CSV, as its name says."""
    write_bytes(out, parquet_bytes(frame) if out.suffix == ".parquet" else frame.write_csv().encode())


def _own_histories(folder: Path) -> Path:
    path = folder / HISTORIES
    if not path.is_file():
        raise DataError(f"{path}: missing: name a table with --histories, or export the model with --with-histories")
    return path


def _moment(text: str | None) -> Any:
    return float(text) if text and text.replace(".", "", 1).isdigit() else text
