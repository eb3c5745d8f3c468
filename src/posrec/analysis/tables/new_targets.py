"""Where users buy again: every metric on all test targets, and on those alone that were not in the history.

A scorer that only prefers the history finds a repeated target, because no other item of the history is a candidate.
"""

from typing import Any

import pandas as pd

from posrec.analysis.stats import stability
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, IDENTITY, NEW, TITLES
from posrec.analysis.tables.reading import Shown, number
from posrec.analysis.tables.scores import POINTS, scores

COLUMNS = {
    "kind": "encoding: a trained cell; baseline: a rule without training",
    **{name: IDENTITY[name] for name in GROUP},
    "encoding": "positional encoding, or the baseline's name",
    "repeated_share": "share of the data set's test targets that were in the history",
    "finished": "finished runs; empty for a baseline",
    "metric": "the metric",
    "all_mean_points": "mean over the finished runs, all test targets",
    "all_sd_points": "its sample standard deviation (n - 1) over seeds",
    "new_mean_points": "the same on new targets alone",
    "new_sd_points": "its sample standard deviation (n - 1) over seeds",
}


def build(tables: Tables) -> pd.DataFrame:
    """A row per metric of each cell, and of each baseline, of data sets whose results have both; columns: COLUMNS."""
    runs = tables.inputs.runs
    runs = runs[(runs["role"] == "scoring") & runs[f"{NEW}{next(iter(TITLES))}"].notna()]
    rows = []
    for key, of_cell in runs.groupby([*GROUP, "encoding"], sort=False):
        about = {"kind": "encoding", **dict(zip([*GROUP, "encoding"], key, strict=True))}
        rows += _rows(tables, about | {"finished": len(scores(of_cell))}, of_cell)
    for dataset, named in tables.inputs.baselines.items():
        for name, values in named.items():
            if f"{NEW}{next(iter(TITLES))}" in values:
                about = {"kind": "baseline", **dict.fromkeys(GROUP, ""), "dataset": dataset, "encoding": name}
                rows += _rows(tables, about, pd.DataFrame([{"status": "finished", **values}]))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"finished": "Int64"})


def _rows(tables: Tables, about: dict[str, Any], runs: pd.DataFrame) -> list[dict[str, Any]]:
    """A row per metric. runs: its runs, with a column per metric of both kinds."""
    share = repeated_share(tables, about["dataset"])
    rows = []
    for metric, title in TITLES.items():
        row = {**about, "repeated_share": share, "metric": title}
        for kind, name in (("all", metric), ("new", f"{NEW}{metric}")):
            values = POINTS * scores(runs, name)
            row[f"{kind}_mean_points"] = values.mean()
            if tables.inputs.spread:
                row[f"{kind}_sd_points"] = stability.standard_deviation(values)
        rows.append(row)
    return rows


def repeated_share(tables: Tables, dataset: str) -> float:
    """Share of a data set's test targets that were in the history; 0 where its card does not say."""
    return float((tables.inputs.cards[dataset].get("repeated_targets") or {}).get("test", 0.0))


def shown(tables: Tables) -> Shown:
    """Means of all metrics, all targets and new ones."""
    header = ("data set", *GROUP[1:], "encoding", "repeated targets", "metric", "all targets", "new targets")
    rows = tuple(
        (
            tables.inputs.label(row["dataset"]),
            *(str(row[name]) for name in (*GROUP[1:], "encoding")),
            number(row["repeated_share"]),
            row["metric"],
            number(row["all_mean_points"]),
            number(row["new_mean_points"]),
        )
        for _, row in tables["new_targets"].iterrows()
    )
    return header, rows
