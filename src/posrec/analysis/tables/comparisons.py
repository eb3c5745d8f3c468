"""Every two encodings of a group of cells compared: level paired by seed, and spread, each with Holm in its family."""

import itertools
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats import paired, spread_tests, stability
from posrec.analysis.stats.intervals import ratio_interval
from posrec.analysis.stats.multiplicity import with_holm
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, IDENTITY, Inputs
from posrec.analysis.tables.reading import MOST_ROWS, Row, Shown, between, number
from posrec.analysis.tables.scores import adjusted_level, paired_differences, scores, some_collapsed

DOUBLED = 2.0  # the ratio of spreads whose power is printed
RATIO_BOUND = "95 % bound of this ratio (BCa bootstrap, from six seeds on, from twenty where runs collapse)"
COLUMNS = {
    **{name: IDENTITY[name] for name in (*GROUP, "encoding")},
    "against": "the encoding that it is compared with",
    "pairs": "seeds that finished with both",
    "difference_points": "mean over those seeds of full NDCG@10 minus that of the other",
    "difference_low_points": "lower bound that holds for all comparisons of the family together (t, Bonferroni)",
    "difference_high_points": "upper bound that holds for all comparisons of the family together (t, Bonferroni)",
    "p": "two-sided p of a sign-flip permutation test of the paired differences",
    "smallest_p": "smallest p that this many seeds can reach",
    "p_holm": "p after Holm over the family",
    "tests": "number of tests that Holm counts",
    "improvement": "probability that a run of it beats a run of the other",
    "seeds": "finished runs of the one with fewer",
    "sd_ratio": "standard deviation over seeds divided by that of the other",
    "sd_ratio_low": f"lower {RATIO_BOUND}",
    "sd_ratio_high": f"upper {RATIO_BOUND}",
    "sd_ratio_interval": "which interval of the ratio is shown, or why none is",
    "spread_p": "two-sided p of a permutation test of the log ratio, each cell centred on its median",
    "spread_p_holm": "the same after Holm over the family",
    "spread_tests": "number of these tests in the family",
    "brown_forsythe_p": "two-sided p of Brown-Forsythe's test of the two spreads, alone; for comparison: the verdicts "
    "use the permutation test",
    "power_doubled": "share of normal studies with as many seeds that detect a doubled spread (Brown-Forsythe)",
    "seeds_for_doubled": "seeds with which that share is 80 %",
}


def build(tables: Tables) -> pd.DataFrame:
    """The comparisons of a study; columns: COLUMNS."""
    return comparison_table(tables.inputs)


def comparison_table(inputs: Inputs) -> pd.DataFrame:
    """One row per pair of encodings that share all else; columns: COLUMNS.

    Pairs with `none` are one family of tests, the others another, in each group. The
    table is empty without stability (report.stability: false).
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
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(counts)


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


def shown(tables: Tables) -> Shown:
    """Differences of level and ratios of spread with their tests."""
    header = ("data set", "protocol", "settings", "encoding", "against", "seeds", "ahead by", "p (Holm)", "beats it")
    more = ("ratio of sd", "p of the ratio (Holm, permutation; verdicts use it)", "p (Brown-Forsythe, alone)")
    power = ("power for a doubled sd", "seeds for 80 %")
    found = tables["comparisons"].head(MOST_ROWS)
    rows = (_shown_row(row, tables.inputs.label(row["dataset"])) for _, row in found.iterrows())
    return (*header, *more, *power), tuple(rows)


def _shown_row(row: Row, dataset: str) -> tuple[str, ...]:
    ahead = between(row["difference_low_points"], row["difference_high_points"])
    ratio = between(row["sd_ratio_low"], row["sd_ratio_high"]) or _why(row["sd_ratio_interval"])
    return (
        dataset,
        *(str(row[name]) for name in ("protocol", "settings", "encoding", "against", "pairs")),
        f"{number(row['difference_points'])} {ahead}".strip(),
        number(row["p_holm"], 3),
        number(row["improvement"]),
        f"{number(row['sd_ratio'])} {ratio}".strip(),
        *(number(row[name], 3) for name in ("spread_p_holm", "brown_forsythe_p")),
        number(row["power_doubled"]),
        "-" if pd.isna(row["seeds_for_doubled"]) else str(row["seeds_for_doubled"]),
    )


def _why(reason: Any) -> str:
    """Why there is no interval, in brackets; empty where none was asked for."""
    return "" if pd.isna(reason) else f"({reason})"
