"""What the trained models do with positions: the diagnostics of the run files, by cell."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, IDENTITY

COLUMNS = {
    **IDENTITY,
    "measure": "what was measured of the trained models (docs/reference/science.md)",
    "place": "where: encoder block, steps or days between two items, vectors that a probe reads, length of the history",
    "runs": "finished scoring runs that hold it",
    "mean": "mean over these runs",
    "sd": "sample standard deviation (n - 1) over these runs",
    "reference": "what it is compared with: chance of a probe, uniform attention, value at the start, a random layer",
}
PLACES = {"content": "items", "encoded": "encoded items", "first_block": "first block"}
SATURATED = {"zero": "saturated_at_0", "one": "saturated_at_1"}
OF_ENCODING = {"angle_spread": "angle_spread_at_start"}  # a measure of the encoding's own -> what it is compared with
OVERLAP_AT_RANDOM = 0.5  # of the halves of a random layer
Measured = tuple[str, str, float, float]  # measure, place, value, reference


def build(tables: Tables) -> pd.DataFrame:
    """One row per cell, measure and place, over the finished scoring runs that hold it; columns: COLUMNS.

    sd is empty for one run, and in a study that shows no spread.
    """
    keys = [*GROUP, "encoding", "family", "measure", "place"]
    inputs = tables.inputs
    scoring = inputs.runs[(inputs.runs["role"] == "scoring") & (inputs.runs["status"] == "finished")]
    rows = [
        {
            **{name: run[name] for name in keys[:5]},
            **dict(zip(("measure", "place", "value", "reference"), one, strict=True)),
        }
        for run in scoring.to_dict("records")
        for one in measures(run["diagnostics"])
    ]
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    grouped = pd.DataFrame(rows).groupby(keys, sort=False, dropna=False)
    table = grouped.agg(
        runs=("value", "size"), mean=("value", "mean"), sd=("value", "std"), reference=("reference", "mean")
    )
    table = table.reset_index()
    return table.assign(sd=table["sd"] if inputs.spread else np.nan)[list(COLUMNS)]


def measures(found: dict[str, Any]) -> Iterator[Measured]:
    """A run's diagnostics as rows, without undefined ones."""
    for row in _all_measures(found):
        if row[2] is not None:
            yield row[0], row[1], float(row[2]), np.nan if row[3] is None else float(row[3])


def _all_measures(found: dict[str, Any]) -> Iterator[tuple[str, str, float | None, float | None]]:
    attention = found.get("attention", {})
    for measure, uniform in (("entropy", 1.0), ("distance_share", None), ("gap_share", None)):
        for number, value in enumerate(attention.get(measure, []), 1):
            yield f"attention_{measure}", f"block {number}", value, uniform
    for measure in ("by_distance", "by_gap"):
        for number, curve in enumerate(attention.get(measure, []), 1):
            for where, value in curve.items():
                yield f"attention_{measure}", f"block {number}, {where}", value, 1.0
    for place, values in found.get("position", {}).items():
        for way in ("from_end", "from_begin"):
            yield f"position_{way}", PLACES[place], values[way], values[f"chance_{way}"]
        if "gap_before" in values:
            yield "gap_before", PLACES[place], values["gap_before"], values["chance_gap_before"]
    own = found.get("encoding", {})
    for name, value in own.items():
        if name not in OF_ENCODING.values():
            reference = own.get(OF_ENCODING.get(name, ""), OVERLAP_AT_RANDOM if name == "halves_overlap" else None)
            yield name, "", value, reference
    for name, (start, end) in found.get("norms", {}).items():
        yield f"norm_of_{name}", "", end, start
    for bound, value in found.get("saturation", {}).items():
        yield SATURATED[bound], "", value, None
    yield from _gradient(found.get("gradient_norm", {}))
    for kind, shares in found.get("tie_share_by_history", {}).items():
        for length in sorted(shares, key=lambda name: int(name.rstrip("+").split("-")[0])):
            yield f"{kind}_ties", f"history of {length}", shares[length], None


def _gradient(found: dict[str, float | None]) -> Iterator[tuple[str, str, float | None, None]]:
    mean, variance = found.get("mean"), found.get("variance")
    yield "gradient_norm", "", mean, None
    yield "gradient_variation", "", None if not mean or variance is None else variance**0.5 / mean, None


def value_of(table: pd.DataFrame, encoding: str, measure: str, place: str = "", column: str = "mean") -> float:
    """One value of a group's diagnostics; NaN where there is none."""
    wanted = (table["encoding"] == encoding) & (table["measure"] == measure) & (table["place"] == place)
    found = table.loc[wanted, column]
    return float(found.iloc[0]) if len(found) else np.nan


def group_of(table: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    """The rows of one data set, protocol and settings."""
    return table[np.logical_and.reduce([table[name] == value for name, value in zip(GROUP, key, strict=True)])]
