"""Which of the paper's published spreads differ from that of `none`, with the paper's own numbers of runs.

Holm, not max-T: only means and standard deviations are published, so there are no runs to exchange between encodings.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from posrec.analysis.stats.multiplicity import holm
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.published import published_cells
from posrec.analysis.tables.reading import Row, Shown

METRICS = {"hit10": "Hit@10", "ndcg10": "NDCG@10"}
# Theirs are as many candidates as a history has slots: chance depends on the data set (docs/reference/released-code.md)
CANDIDATES = {"Beauty": 75, "Games": 50, "Subgames": 50} | dict.fromkeys(
    ("Men", "Submen", "Submen2", "Fashion", "Subfashion"), 35
)
OF_FIRST_TEN = {"hit10": 10.0, "ndcg10": float((1 / np.log2(np.arange(2, 12))).sum())}  # summed over ranks 1 to 10
HIGHEST = 100.0  # points
CELL = ["dataset", "head", "training", "activation", "upper_bound", "norm_order"]  # all but the encoding
HEADER = (
    *("data set", "activation", "upper bound", "norm order", "encoding", "runs", "sd", "sd of none", "ratio"),
    *("p (Holm)", "ties", "one run"),
)
METHOD = (
    "Each encoding's standard deviation over seeds against that of none in the same cell (data set, activation, "
    "upper bound, norm order), where the number of runs is printed for both: an F test, Holm over all tests. Only "
    "means and standard deviations are published, and an F test holds for normal scores alone: where 15 % of the "
    "runs collapse it errs in 18 to 46 % of studies (docs/measured/statistics-checked.md). The last column says where "
    "a single run, at chance or winning every tie, would be enough to make one of the two spreads: there the test "
    "decides nothing. A difference that is not found may still exist."
)


def reanalysis(metric: str = "hit10") -> pd.DataFrame:
    """Each published spread against that of `none` in the same cell, with the printed number of runs.

    Only means and standard deviations are published, so the test is that of a ratio of two normal variances (F), which
    assumes normal scores; Holm covers all tests. Columns: CELL, encoding, runs, none_runs, sd, none_sd, ratio, p,
    p_holm, tie_suspect, one_run (yes: see `one_run_suffices`, in either cell).
    """
    table = published_cells().dropna(subset=["runs", f"{metric}_sd"])
    rows: list[dict[str, Any]] = []
    for key, group in table.groupby(CELL, dropna=False, sort=False):
        for _, none in group[group["encoding"] == "none"].head(1).iterrows():
            others = group[group["encoding"] != "none"]
            rows += [{**dict(zip(CELL, key, strict=True)), **_ratio(row, none, metric)} for _, row in others.iterrows()]
    found = pd.DataFrame(rows)
    return found.assign(p_holm=holm(found["p"].to_numpy(float)))


def _ratio(row: Row, none: Row, metric: str) -> dict[str, Any]:
    n, m = int(row["runs"]), int(none["runs"])
    ratio = row[f"{metric}_sd"] / none[f"{metric}_sd"]
    below = stats.f.cdf(ratio**2, n - 1, m - 1)
    either = "yes" if "yes" in (row["tie_suspect"], none["tie_suspect"]) else "no"
    chance = HIGHEST * OF_FIRST_TEN[metric] / CANDIDATES[row["dataset"]]
    one_run = any(
        one_run_suffices(cell[metric], cell[f"{metric}_sd"], int(cell["runs"]), chance) for cell in (row, none)
    )
    return {
        "encoding": row["encoding"],
        "runs": n,
        "none_runs": m,
        "sd": row[f"{metric}_sd"],
        "none_sd": none[f"{metric}_sd"],
        "ratio": float(ratio),
        "p": float(2 * min(below, 1 - below)),
        "tie_suspect": either,
        "one_run": "yes" if one_run else "no",
    }


def one_run_suffices(mean: float, deviation: float, runs: int, chance: float) -> bool:
    """Whether a single run at chance, or at 100 for winning every tie, is enough to make a published spread (points).

    With one run of n at c, a mean m leaves the standard deviation no lower than |m - c| sqrt(n) / (n - 1): the others
    are then equal. Below that no run can have been there. Six runs, of which one is at 10 and the others at 58:

    >>> mean, deviation = 50.0, np.std([10, 58, 58, 58, 58, 58], ddof=1)
    >>> [one_run_suffices(mean, share * deviation, 6, 10.0) for share in (0.99, 1.01)]
    [False, True]
    """
    nearest = min(mean - chance, HIGHEST - mean)
    return bool(deviation >= nearest * np.sqrt(runs) / (runs - 1))


def found(tests: pd.DataFrame) -> str:
    """How many of the published spreads differ from that of `none`, from the rows of `reanalysis`."""
    different = tests[tests["p_holm"] <= ALPHA]
    left = different[different["one_run"] == "no"]
    steadier = int((left["ratio"] < 1).sum())
    doubt = f"A single run is enough to make {'each' if left.empty else len(different) - len(left)} of these"
    return (
        f"of {len(tests)} comparisons {int((tests['p'] <= ALPHA).sum())} are below 5 % one by one, and "
        f"{len(different)} after Holm. {doubt}"
        + ("." if left.empty else f"; in {steadier} of the other {len(left)} the encoding is steadier than none.")
    )


def rows_below(tests: pd.DataFrame) -> Shown:
    """Header and rows of the differences below 5 % after Holm, the clearest first."""
    rows = []
    for _, row in tests[tests["p_holm"] <= ALPHA].sort_values("p_holm").iterrows():
        bound, order = ("none" if pd.isna(row[name]) else f"{row[name]:g}" for name in ("upper_bound", "norm_order"))
        cell = (row["dataset"], row["activation"], bound, order, row["encoding"], f"{row['runs']} / {row['none_runs']}")
        figures = (f"{row['sd']:.2f}", f"{row['none_sd']:.2f}", f"{row['ratio']:.2f}", f"{row['p_holm']:.3f}")
        doubts = ("suspect" if row["tie_suspect"] == "yes" else "", "suffices" if row["one_run"] == "yes" else "")
        rows.append((*(str(part) for part in cell), *figures, *doubts))
    return HEADER, tuple(rows)
