"""The paper's published figures: beside a study's own, and which of their spreads could be told from noise.

published.csv holds facts read from the tables of the authors' repository (researcher1741/Position_encoding_SRS) and of
a summary of arXiv 2405.10436: means and standard deviations over seeds in points, the number of runs where it is
printed. Hit@10 and NDCG@10 are theirs: sampled candidates, best of all looks at the test set, ties to the positive.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from posrec.analysis.stats.multiplicity import holm
from posrec.analysis.tables.cells import POINTS
from posrec.analysis.tables.load import Inputs

TIE_SUSPECT = 0.75  # NDCG over Hit: converged runs have 0.50 to 0.70, a random order 0.45
# Theirs are as many candidates as a history has slots, so chance varies by data set: docs/reference/released-code.md.
CANDIDATES = {"Beauty": 75, "Games": 50, "Subgames": 50} | dict.fromkeys(
    ("Men", "Submen", "Submen2", "Fashion", "Subfashion"), 35
)
OF_FIRST_TEN = {"hit10": 10.0, "ndcg10": float((1 / np.log2(np.arange(2, 12))).sum())}  # summed over ranks 1 to 10
HIGHEST = 100.0  # points
CELL = ["dataset", "head", "training", "activation", "upper_bound", "norm_order"]  # all but the encoding
PUBLISHED_COLUMNS = [
    *("dataset", "protocol", "settings", "encoding", "published_dataset", "published_activation"),
    *("published_upper_bound", "published_runs", "published_hit10_points", "published_hit10_sd_points"),
    *("published_ndcg10_points", "published_ndcg10_sd_points", "tie_suspect", "label_suspect"),
    *("hit10_difference_points", "ndcg10_difference_points", "hit10_sd_ratio"),
]


def published_cells() -> pd.DataFrame:
    """The published cells, one row each, with `tie_suspect`: NDCG so near to Hit that ties must have been won."""
    table = pd.read_csv(Path(__file__).parent / "published.csv", keep_default_na=True)
    table["tie_suspect"] = np.where(table["ndcg10"] / table["hit10"] >= TIE_SUSPECT, "yes", "no")
    return table


def published_names() -> list[str]:
    """The data sets that have published figures."""
    return list(dict.fromkeys(published_cells()["dataset"]))


def published_table(inputs: Inputs, cells: pd.DataFrame) -> pd.DataFrame:
    """Published cells beside the study's cells of the same encoding; columns: PUBLISHED_COLUMNS.

    `report.published` says which data set of the study is which of the paper. Ours are sampled metrics too, but under
    the study's own protocol and candidates: a difference is no error of either.
    """
    named = inputs.study.settings.report.published
    usual = published_cells().query("head == 'carca' and training == 'usual'")
    rows: list[dict[str, Any]] = []
    for _, cell in cells[cells["kind"] == "encoding"].iterrows():
        same = usual[(usual["dataset"] == named.get(cell["dataset"])) & (usual["encoding"] == cell["encoding"])]
        rows += [_beside(cell, row) for _, row in same.iterrows()]
    return pd.DataFrame(rows, columns=PUBLISHED_COLUMNS).astype({"published_runs": "Int64"})


def _beside(cell: "pd.Series[Any]", row: "pd.Series[Any]") -> dict[str, Any]:
    spread = cell["sampled_hit10_sd"]
    known = pd.notna(spread) and pd.notna(row["hit10_sd"]) and row["hit10_sd"] > 0
    return {
        **{name: cell[name] for name in ("dataset", "protocol", "settings", "encoding")},
        "published_dataset": row["dataset"],
        "published_activation": row["activation"],
        "published_upper_bound": row["upper_bound"],
        "published_runs": row["runs"],
        **{f"published_{name}_points": row[name] for name in ("hit10", "hit10_sd", "ndcg10", "ndcg10_sd")},
        "tie_suspect": row["tie_suspect"],
        "label_suspect": row["label_suspect"],
        "hit10_difference_points": POINTS * cell["sampled_hit10_mean"] - row["hit10"],
        "ndcg10_difference_points": POINTS * cell["sampled_ndcg10_mean"] - row["ndcg10"],
        "hit10_sd_ratio": POINTS * spread / row["hit10_sd"] if known else None,
    }


def reanalysis(metric: str = "hit10") -> pd.DataFrame:
    """Each published spread against that of `none` in the same cell, with the printed number of runs.

    Only means and standard deviations are published, so the test is that of a ratio of two normal variances (F), which
    takes scores for normal; Holm over all of them. Columns: CELL, encoding, runs, none_runs, sd, none_sd, ratio, p,
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


def _ratio(row: "pd.Series[Any]", none: "pd.Series[Any]", metric: str) -> dict[str, Any]:
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
    """Whether one run at chance, or one at 100 for winning every tie, could alone make a published spread (points).

    With one run of n at c, a mean m leaves the standard deviation no lower than |m - c| sqrt(n) / (n - 1): the others
    are then equal. Below that no run can have been there. Six runs, of which one is at 10 and the others at 58:

    >>> mean, deviation = 50.0, np.std([10, 58, 58, 58, 58, 58], ddof=1)
    >>> [one_run_suffices(mean, share * deviation, 6, 10.0) for share in (0.99, 1.01)]
    [False, True]
    """
    nearest = min(mean - chance, HIGHEST - mean)
    return bool(deviation >= nearest * np.sqrt(runs) / (runs - 1))
