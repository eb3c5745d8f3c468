"""Every two encodings of a cell group compared: level paired by seed, and spread, each with Holm over its family."""

import itertools
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats import paired, rankings, spread_tests, stability
from posrec.analysis.stats.intervals import ratio_interval
from posrec.analysis.stats.multiplicity import with_holm
from posrec.analysis.tables.cells import adjusted_level, paired_differences, scores, some_collapsed
from posrec.analysis.tables.load import GROUP, PRIMARY, Inputs

DOUBLED = 2.0  # the ratio of spreads whose power is printed
COMPARISON_COLUMNS = [
    *(*GROUP, "encoding", "against", "pairs", "difference_points", "difference_low_points", "difference_high_points"),
    *("p", "smallest_p", "p_holm", "tests", "improvement"),
    *("seeds", "sd_ratio", "sd_ratio_low", "sd_ratio_high", "sd_ratio_interval"),
    *("spread_p", "spread_p_holm", "spread_tests", "brown_forsythe_p", "power_doubled", "seeds_for_doubled"),
]
RANK_COLUMNS = ["protocol", "settings", "what", "encoding", "mean_rank", "datasets", "p", "critical_difference", "note"]


def comparison_table(inputs: Inputs) -> pd.DataFrame:
    """One row a pair of encodings that share all else; columns: COMPARISON_COLUMNS.

    Pairs with `none` are one family of tests, the others another, in each group. Without stability (report.stability:
    false) the table is empty.
    """
    rows: list[dict[str, Any]] = []
    groups = inputs.runs[inputs.runs["role"] == "scoring"].groupby(GROUP, sort=False) if inputs.spread else ()
    for _, group in groups:
        by_encoding = {str(name): runs for name, runs in group.groupby("encoding", sort=False)}
        pairs = [_ordered(pair) for pair in itertools.combinations(by_encoding, 2)]
        for family in (
            [pair for pair in pairs if pair[1] == "none"],
            [pair for pair in pairs if pair[1] != "none"],
        ):
            compared = [_compare(by_encoding[a], by_encoding[b], len(family)) for a, b in family]
            rows += with_holm(with_holm(compared, "p", "tests"), "spread_p", "spread_tests")
    counts = dict.fromkeys(("pairs", "tests", "seeds", "spread_tests", "seeds_for_doubled"), "Int64")
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS).astype(counts)


def _ordered(pair: tuple[str, str]) -> tuple[str, str]:
    return (pair[1], pair[0]) if pair[0] == "none" else pair


def _compare(runs: pd.DataFrame, others: pd.DataFrame, family: int) -> dict[str, Any]:
    row = {str(name): runs[name].iloc[0] for name in (*GROUP, "encoding")} | {"against": others["encoding"].iloc[0]}
    collapsed = some_collapsed(runs) or some_collapsed(others)
    return {**row, **_levels(runs, others, family), **_spreads(scores(runs), scores(others), collapsed)}


def _levels(runs: pd.DataFrame, others: pd.DataFrame, family: int) -> dict[str, Any]:
    differences = paired_differences(runs, others)
    row: dict[str, Any] = {"pairs": len(differences)}
    if not len(differences):
        return row
    interval = stability.mean_interval(differences, adjusted_level(family))
    if interval is not None:
        row |= {"difference_low_points": interval[0], "difference_high_points": interval[1]}
    return {
        **row,
        "difference_points": float(differences.mean()),
        "p": paired.sign_flip_p(differences),
        "smallest_p": paired.smallest_sign_flip_p(len(differences)),
        "improvement": paired.probability_of_improvement(scores(runs), scores(others)),
    }


def _spreads(first: np.ndarray, second: np.ndarray, collapsed: bool) -> dict[str, Any]:
    n = min(len(first), len(second))
    row: dict[str, Any] = {"seeds": n}
    test = spread_tests.log_ratio_test(first, second)
    if test is None:
        return row
    row |= {"sd_ratio": float(np.exp(test.log_ratio)), "spread_p": test.p}
    row["brown_forsythe_p"] = spread_tests.brown_forsythe(first, second)
    interval, row["sd_ratio_interval"] = ratio_interval(first, second, collapsed)
    if interval is not None:
        row |= {"sd_ratio_low": interval[0], "sd_ratio_high": interval[1]}
    needed = spread_tests.seeds_needed(DOUBLED)
    return {**row, "power_doubled": spread_tests.power(n, DOUBLED), "seeds_for_doubled": needed}


def rank_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Mean ranks of the encodings over data sets, by level and by spread; columns: RANK_COLUMNS.

    Data sets that lack an encoding are left out. Subsets of one data set are counted as they stand: the note of the
    design is the reader's.
    """
    rows: list[dict[str, Any]] = []
    trained = cells[cells["kind"] == "encoding"]
    for key, group in trained.groupby(["protocol", "settings"], sort=False):
        for what, column, higher in (("level", f"{PRIMARY}_mean", True), ("spread", f"{PRIMARY}_sd", False)):
            rows += [
                {"protocol": key[0], "settings": key[1], "what": what, **row} for row in _ranks(group, column, higher)
            ]
    return pd.DataFrame(rows, columns=RANK_COLUMNS).astype({"datasets": "Int64"})


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
