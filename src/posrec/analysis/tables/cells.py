"""One row per cell: level, spread, ties, collapses, and the difference to `none`."""

from typing import Any

import pandas as pd

from posrec.analysis.stats import outcomes, spread_tests, stability
from posrec.analysis.stats.intervals import spread_interval
from posrec.analysis.stats.paired import interquartile_mean
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.duels import health
from posrec.analysis.tables.load import GROUP, IDENTITY, KINDS, METRICS, TITLES
from posrec.analysis.tables.reading import Row, Shown, between, number, points, points_with_interval
from posrec.analysis.tables.scores import POINTS, log_ratio, paired_differences, scores

MIN_SPREAD = 2  # finished seeds for any spread
MIN_UNFLAGGED = 3  # finished seeds below which a cell is flagged

MEANS = {f"{name}_mean": f"mean {title} over the finished seeds (a baseline's value)" for name, title in TITLES.items()}
SPREADS = {f"{name}_sd": f"sample standard deviation (n - 1) of {title} over seeds" for name, title in TITLES.items()}
TIES = {
    f"{kind}_tie_share_mean": f"mean share of test users whose item ties {KINDS[kind]}" for kind in ("full", "sampled")
}
COLUMNS = {
    "kind": "encoding: a trained cell; baseline: a rule without training",
    **IDENTITY,
    "encoding": "positional encoding, or the baseline's name",
    "planned": "runs planned",
    "finished": "runs finished",
    "failed": "runs failed",
    "still_rising": "runs above chance whose training ended while the score was still rising",
    "bad": "runs without a usable model: failed, or collapsed to chance",
    "bad_rate": "share of the planned runs that is bad",
    "bad_rate_low": "lower 95 % bound of this share (Wilson)",
    "bad_rate_high": "upper 95 % bound of this share (Wilson)",
    "healthy_mean_points": "mean full NDCG@10 of the healthy runs (not bad), in points",
    "healthy_sd_points": "sample standard deviation of the healthy runs, in points: the spread beside the rate of bad "
    "ones",
    "worst_seed_points": "full NDCG@10 that one run in ten doesn't reach, bad runs counted as lowest, in points; empty "
    "where that run is a bad one",
    "few_seeds": "yes: fewer than three finished runs",
    "full_ndcg10_mean": MEANS["full_ndcg10_mean"],
    "full_ndcg10_mean_low": "lower 95 % bound of the mean (Student's t)",
    "full_ndcg10_mean_high": "upper 95 % bound of the mean (Student's t)",
    "full_ndcg10_sd": SPREADS["full_ndcg10_sd"],
    "full_ndcg10_sd_low": "lower 95 % bound of the standard deviation",
    "full_ndcg10_sd_high": "upper 95 % bound of the standard deviation",
    "full_ndcg10_sd_interval": "which interval of the standard deviation is shown (exact: chi-square), or why none is",
    "full_ndcg10_iqm": "interquartile mean: mean of the middle half of the scores",
    "full_ndcg10_cv": "coefficient of variation: standard deviation over mean",
    "full_ndcg10_mad": "median absolute deviation, not rescaled",
    "full_ndcg10_iqr": "interquartile range",
    "full_ndcg10_gap_p": "p of the largest gap between neighbouring scores, against normal scores: a small p says that "
    "the seeds fall into groups (from four seeds on; a large p does not show a single group)",
    **{name: meaning for name, meaning in MEANS.items() if name != "full_ndcg10_mean"},
    **{name: meaning for name, meaning in SPREADS.items() if name != "full_ndcg10_sd"},
    **TIES,
    "collapsed": "finished runs at chance level",
    "collapse_rate": "share of the finished runs at chance level",
    "collapse_rate_low": "lower 95 % bound of this share (Wilson)",
    "collapse_rate_high": "upper 95 % bound of this share (Wilson)",
    "pairs": "seeds that finished both here and with none",
    "advantage_points": "mean over those seeds of full NDCG@10 minus that of none",
    "advantage_low_points": "lower 95 % bound of the advantage (paired t)",
    "advantage_high_points": "upper 95 % bound of the advantage (paired t)",
    "log_sd_ratio": "natural logarithm of the standard deviation of full NDCG@10 over that of none",
}


def build(tables: Tables) -> pd.DataFrame:
    """The cells in the order of the study, then each data set's baselines; columns: COLUMNS.

    Only the runs of `seeds` count. In a study without stability every spread, and all that depends on one, is empty.
    """
    inputs = tables.inputs
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
    counts = dict.fromkeys(("planned", "finished", "failed", "collapsed", "still_rising", "bad", "pairs"), "Int64")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(counts)


def _means(scores: dict[str, float]) -> dict[str, float]:
    return {f"{name}_mean": value for name, value in scores.items()}


def _group_rows(group: pd.DataFrame, spread: bool) -> list[dict[str, Any]]:
    """Rows of the cells that differ in the encoding alone."""
    scoring = group[group["role"] == "scoring"]
    by_encoding = {str(name): runs for name, runs in scoring.groupby("encoding", sort=False)}
    none = by_encoding.get("none")
    rows = []
    for runs in by_encoding.values():
        row = {**_identity(runs), **_level(runs), **_outcomes(runs, spread), **(_spread(runs) if spread else {})}
        if none is not None and row["encoding"] != "none":
            row |= _against_none(runs, none, spread)
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


def _level(runs: pd.DataFrame) -> dict[str, Any]:
    finished = runs[runs["status"] == "finished"]
    if finished.empty:
        return {"collapsed": 0}
    columns = [*(f"{kind}_{metric}" for kind in KINDS for metric in METRICS), *(f"{kind}_tie_share" for kind in KINDS)]
    collapsed = int(finished["collapsed"].sum())
    means = {f"{column}_mean": float(finished[column].mean()) for column in columns}
    return {**means, "collapsed": collapsed, "collapse_rate": collapsed / len(finished)}


def _outcomes(runs: pd.DataFrame, spread: bool) -> dict[str, Any]:
    """How many runs are bad or still rising, and the core of the healthy ones."""
    found = health(runs)
    kept = runs[(runs["status"] == "finished") & ~runs["collapsed"].astype(bool)]
    values = POINTS * scores(kept)
    row: dict[str, Any] = {"still_rising": found.rising, "bad": found.bad, "bad_rate": found.bad / found.planned}
    if len(values):
        row["healthy_mean_points"] = float(values.mean())
    if not spread:
        return row
    row |= _bounds("bad_rate", stability.wilson_interval(found.bad, found.planned))
    row["healthy_sd_points"] = stability.standard_deviation(values)
    return {**row, "worst_seed_points": outcomes.worst_seed(values, found.bad)}


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


def _against_none(runs: pd.DataFrame, none: pd.DataFrame, spread: bool) -> dict[str, Any]:
    differences = paired_differences(runs, none)
    if not len(differences):
        return {"pairs": 0}
    row = {"pairs": len(differences), "advantage_points": float(differences.mean())}
    if not spread:
        return row
    return {
        **row,
        **_bounds("advantage", stability.mean_interval(differences), "_points"),
        "log_sd_ratio": log_ratio(
            stability.standard_deviation(scores(runs)), stability.standard_deviation(scores(none))
        ),
    }


def shown(tables: Tables) -> Shown:
    """Level, spread, lead and ties of the cells, data sets together."""
    header = ("data set", "protocol", "settings", "encoding", "family", "seeds", "mean", "sd", "cv", "ahead of none")
    more = ("p of one group", "full Hit@10", "sampled Hit@10", "sampled NDCG@10", "useless", "rising", "ties", "note")
    order = {name: place for place, name in enumerate(tables.inputs.study.settings.datasets)}
    cells = tables["cells"].sort_values("dataset", key=lambda names: names.map(order), kind="stable")
    return (*header, *more), tuple(_shown_row(row, tables.inputs.label(row["dataset"])) for _, row in cells.iterrows())


def _shown_row(row: Row, dataset: str) -> tuple[str, ...]:
    trained = row["kind"] == "encoding"
    advantage = between(row["advantage_low_points"], row["advantage_high_points"])
    return (
        dataset,
        *(row[name] for name in ("protocol", "settings", "encoding")),
        row["family"] if trained else "baseline",
        f"{row['finished']}/{row['planned']}" if trained else "",
        points_with_interval(row, "full_ndcg10_mean"),
        points_with_interval(row, "full_ndcg10_sd", 3),
        number(row["full_ndcg10_cv"], 3),
        f"{number(row['advantage_points'])} {advantage}".strip(),
        number(row["full_ndcg10_gap_p"], 3) if trained else "",
        *(_with_sd(row, name) for name in ("full_hit10", "sampled_hit10", "sampled_ndcg10")),
        *(str(row[name]) if trained else "" for name in ("bad", "still_rising")),
        number(row["full_tie_share_mean"], 3),
        _note(row),
    )


def _with_sd(row: Row, name: str) -> str:
    mean, spread = points(row, f"{name}_mean"), points(row, f"{name}_sd")
    return mean if spread == "-" else f"{mean} (sd {spread})"


def _note(row: Row) -> str:
    notes = [f"{row['failed']} failed"] if pd.notna(row["failed"]) and row["failed"] else []
    notes += ["fewer than 3 finished"] if row["few_seeds"] == "yes" else []
    return ", ".join(notes)
