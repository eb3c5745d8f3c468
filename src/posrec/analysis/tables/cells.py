"""One row a cell: level, spread, ties, collapses, and the difference to `none` and to the best encoding."""

from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats import spread_tests, stability
from posrec.analysis.stats.intervals import spread_interval
from posrec.analysis.stats.paired import interquartile_mean
from posrec.analysis.tables.load import GROUP, KINDS, METRICS, PRIMARY, Inputs

POINTS = 100
MIN_SPREAD = 2  # finished seeds for any spread
MIN_UNFLAGGED = 3  # finished seeds below which a cell is flagged

LEVEL_COLUMNS = [f"{kind}_{metric}_mean" for kind in KINDS for metric in METRICS]
SPREAD_COLUMNS = [f"{kind}_{metric}_sd" for kind in KINDS for metric in METRICS]
CELL_COLUMNS = [
    *("kind", *GROUP, "encoding", "family", "planned", "finished", "failed", "few_seeds"),
    *("full_ndcg10_mean", "full_ndcg10_mean_low", "full_ndcg10_mean_high"),
    *(
        "full_ndcg10_sd",
        "full_ndcg10_sd_low",
        "full_ndcg10_sd_high",
        "full_ndcg10_sd_interval",
        "full_ndcg10_iqm",
        "full_ndcg10_cv",
        "full_ndcg10_mad",
        "full_ndcg10_iqr",
        "full_ndcg10_gap_p",
    ),
    *(name for name in LEVEL_COLUMNS if name != "full_ndcg10_mean"),
    *(name for name in SPREAD_COLUMNS if name != "full_ndcg10_sd"),
    *(
        "full_tie_share_mean",
        "sampled_tie_share_mean",
        "collapsed",
        "collapse_rate",
        "collapse_rate_low",
        "collapse_rate_high",
    ),
    *("pairs", "advantage_points", "advantage_low_points", "advantage_high_points"),
    *("advantage_adjusted_low_points", "advantage_adjusted_high_points", "log_sd_ratio"),
]


def cell_table(inputs: Inputs) -> pd.DataFrame:
    """The cells in the order of the study, then each data set's baselines; columns: CELL_COLUMNS.

    Only the runs of `seeds` count. Where the study shows no stability, everything that is a spread or rests on one is
    empty.
    """
    rows = [row for _, group in inputs.runs.groupby(GROUP, sort=False) for row in _group_rows(group, inputs.spread)]
    rows += [
        {
            "kind": "baseline",
            "dataset": dataset,
            "protocol": "",
            "settings": "",
            "encoding": name,
            "family": "",
            **_means(scores),
        }
        for dataset, named in inputs.baselines.items()
        for name, scores in named.items()
    ]
    counts = dict.fromkeys(("planned", "finished", "failed", "collapsed", "pairs"), "Int64")
    return pd.DataFrame(rows, columns=CELL_COLUMNS).astype(counts)


def _means(scores: dict[str, float]) -> dict[str, float]:
    return {f"{name}_mean": value for name, value in scores.items()}


def _group_rows(group: pd.DataFrame, spread: bool) -> list[dict[str, Any]]:
    """Rows of the cells that differ in the encoding alone."""
    scoring = group[group["role"] == "scoring"]
    by_encoding = {str(name): runs for name, runs in scoring.groupby("encoding", sort=False)}
    none = by_encoding.get("none")
    rows = []
    for runs in by_encoding.values():
        row = {**_identity(runs), **_level(runs), **(_spread(runs) if spread else {})}
        if none is not None and row["encoding"] != "none":
            row |= _against_none(runs, none, len(by_encoding) - 1, spread)
        rows.append(row)
    return rows


def _identity(runs: pd.DataFrame) -> dict[str, Any]:
    finished = int((runs["status"] == "finished").sum())
    return {
        "kind": "encoding",
        **{str(name): runs[name].iloc[0] for name in (*GROUP, "encoding", "family")},
        "planned": len(runs),
        "finished": finished,
        "failed": len(runs) - finished,
        "few_seeds": "yes" if finished < MIN_UNFLAGGED else "no",
    }


def scores(runs: pd.DataFrame, column: str = PRIMARY) -> np.ndarray:
    """(n,) the finished runs' scores."""
    return runs.loc[runs["status"] == "finished", column].to_numpy(float)


def some_collapsed(runs: pd.DataFrame) -> bool:
    """Whether some of the finished runs are at chance level, and some are not."""
    return runs.loc[runs["status"] == "finished", "collapsed"].nunique() > 1


def _level(runs: pd.DataFrame) -> dict[str, Any]:
    finished = runs[runs["status"] == "finished"]
    if finished.empty:
        return {"collapsed": 0}
    columns = [*(f"{kind}_{metric}" for kind in KINDS for metric in METRICS), *(f"{kind}_tie_share" for kind in KINDS)]
    collapsed = int(finished["collapsed"].sum())
    means = {f"{column}_mean": float(finished[column].mean()) for column in columns}
    return {**means, "collapsed": collapsed, "collapse_rate": collapsed / len(finished)}


def _bounds(name: str, interval: stability.Interval | None, suffix: str = "", scale: float = 1) -> dict[str, float]:
    if interval is None:
        return {}
    return {f"{name}_low{suffix}": scale * interval[0], f"{name}_high{suffix}": scale * interval[1]}


def _spread(runs: pd.DataFrame) -> dict[str, Any]:
    primary = scores(runs)
    if len(primary) < MIN_SPREAD:
        return {}
    deviations = {f"{k}_{m}_sd": stability.standard_deviation(scores(runs, f"{k}_{m}")) for k in KINDS for m in METRICS}
    collapsed = int(runs.loc[runs["status"] == "finished", "collapsed"].sum())
    interval, method = spread_interval(primary, collapsed)
    return {
        **deviations,
        **_bounds("full_ndcg10_mean", stability.mean_interval(primary)),
        **_bounds("full_ndcg10_sd", interval),
        "full_ndcg10_sd_interval": method,
        "full_ndcg10_iqm": interquartile_mean(primary),
        "full_ndcg10_cv": stability.coefficient_of_variation(primary),
        "full_ndcg10_mad": stability.median_absolute_deviation(primary),
        "full_ndcg10_iqr": stability.interquartile_range(primary),
        "full_ndcg10_gap_p": spread_tests.gap_p(primary),
        **_bounds("collapse_rate", stability.wilson_interval(collapsed, len(primary))),
    }


def paired_differences(runs: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """(n,) differences of the primary metric in points over the seeds that finished in both."""
    first, second = (r[r["status"] == "finished"].set_index("seed")[PRIMARY].astype(float) for r in (runs, others))
    common = [seed for seed in first.index if seed in second.index]
    return POINTS * (first.loc[common] - second.loc[common]).to_numpy()


def adjusted_level(comparisons: int) -> float:
    """Level of each of several intervals that hold together with 95 % (Bonferroni)."""
    return 1 - (1 - stability.LEVEL) / max(1, comparisons)


def _against_none(runs: pd.DataFrame, none: pd.DataFrame, comparisons: int, spread: bool) -> dict[str, Any]:
    differences = paired_differences(runs, none)
    if not len(differences):
        return {"pairs": 0}
    row = {"pairs": len(differences), "advantage_points": float(differences.mean())}
    if not spread:
        return row
    adjusted = stability.mean_interval(differences, adjusted_level(comparisons))
    return {
        **row,
        **_bounds("advantage", stability.mean_interval(differences), "_points"),
        **_bounds("advantage_adjusted", adjusted, "_points"),
        "log_sd_ratio": log_ratio(
            stability.standard_deviation(scores(runs)), stability.standard_deviation(scores(none))
        ),
    }


def log_ratio(first: float | None, second: float | None) -> float | None:
    """Natural logarithm of first / second; None where either is missing or 0.

    >>> log_ratio(2.0, 2.0), log_ratio(0.0, 1.0)
    (0.0, None)
    """
    return float(np.log(first / second)) if first and second else None
