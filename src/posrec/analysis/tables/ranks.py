"""Mean ranks of the encodings over data sets, by level and by spread."""

from typing import Any

import pandas as pd

from posrec.analysis.stats import rankings
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import IDENTITY, PRIMARY
from posrec.analysis.tables.reading import Shown, number, text

COLUMNS = {
    "protocol": IDENTITY["protocol"],
    "settings": IDENTITY["settings"],
    "what": "level or spread of full NDCG@10",
    "encoding": IDENTITY["encoding"],
    "mean_rank": "mean rank over data sets, 1 = best (highest level, smallest spread)",
    "datasets": "data sets that have every encoding",
    "p": "p of Friedman's test (permutation of the encodings within data sets)",
    "critical_difference": "mean ranks closer than this cannot be distinguished at 5 % (Nemenyi)",
    "note": "why there is no test, or which data sets are left out",
}


def build(tables: Tables) -> pd.DataFrame:
    """One row per protocol, settings, level or spread, and encoding; columns: COLUMNS.

    Data sets that lack an encoding are left out. Subsets of one data set count as data sets of their own.
    """
    rows: list[dict[str, Any]] = []
    cells = tables["cells"]
    trained = cells[cells["kind"] == "encoding"]
    for key, group in trained.groupby(["protocol", "settings"], sort=False):
        for what, column, higher in (("level", f"{PRIMARY}_mean", True), ("spread", f"{PRIMARY}_sd", False)):
            rows += [
                {"protocol": key[0], "settings": key[1], "what": what, **row} for row in _ranks(group, column, higher)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"datasets": "Int64"})


def _ranks(group: pd.DataFrame, column: str, higher: bool) -> list[dict[str, Any]]:
    wide = group.pivot(index="dataset", columns="encoding", values=column)
    wide = wide[list(dict.fromkeys(group["encoding"]))].astype(float)
    whole = wide.dropna()
    names = [str(name) for name in wide.columns]
    ranking = rankings.friedman(whole.to_numpy(), higher) if len(whole) else None
    if ranking is None:
        note = (
            f"data sets with all {len(names)} encodings: {len(whole)}; Friedman's test needs two, and three encodings"
        )
        return [{"encoding": name, "datasets": len(whole), "note": note} for name in names]
    shared = {"datasets": ranking.datasets, "p": ranking.p, "critical_difference": ranking.critical_difference}
    left_out = ", ".join(str(name) for name in wide.index if name not in whole.index)
    note = f"left out, since not every encoding has a figure there: {left_out}" if left_out else ""
    return [
        {"encoding": name, "mean_rank": float(rank), "note": note, **shared}
        for name, rank in zip(names, ranking.mean_ranks, strict=True)
    ]


def shown(tables: Tables) -> Shown:
    """Mean ranks with Friedman's test."""
    header = ("protocol", "settings", "what", "encoding", "mean rank", "data sets", "p (Friedman)")
    rows = []
    for _, row in tables["ranks"].iterrows():
        cells = [str(row[name]) for name in ("protocol", "settings", "what", "encoding")]
        cells += [number(row["mean_rank"]), str(row["datasets"]), number(row["p"], 4)]
        rows.append((*cells, number(row["critical_difference"]), text(row["note"])))
    return (*header, "critical difference", "note"), tuple(rows)
