"""From which deviation or sparsity on does another encoding become best? A search over splits, with what it is worth.

For each value between two data sets, the best encoding below it and the best above are taken, by their mean advantage
over `none` there. What the best split gains over one encoding for all data sets is compared with what the same search
gains when the predictor is randomly assigned to the data sets: a search finds a split in noise, too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats import permutation
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.correlation import PREDICTORS
from posrec.analysis.tables.load import GROUP, IDENTITY

SMALLEST = 4  # data sets: two on either side
COLUMNS = {
    "protocol": IDENTITY["protocol"],
    "settings": IDENTITY["settings"],
    "predictor": "deviation (points) or sparsity of the data sets",
    "datasets": "data sets that have the predictor and every encoding",
    "best_for_all": "the encoding with the highest mean advantage over none on all of them",
    "below": "the best encoding below the split",
    "above": "the best encoding above the split",
    "from_value": "largest value of the predictor below the split",
    "to_value": "smallest value of the predictor above the split; the data say nothing between the two",
    "gain_points": "mean NDCG@10 that two encodings gain over one for all, in points",
    "p": "share of random assignments of the predictor in which the same search gains as much",
    "smallest_p": "the smallest p that these data sets allow",
    "leave_one_out_low": "lowest split when any one data set is left out",
    "leave_one_out_high": "highest split when any one data set is left out",
    "note": "what the design cannot show",
}


@dataclass(frozen=True)
class Split:
    """A split of the data sets in the order of the predictor: how many are below, the encodings, the gain."""

    below: int
    first: int
    second: int
    gain: float


def best_split(advantages: np.ndarray) -> Split | None:
    """The split of (N, K) advantages, data sets in the order of the predictor, that gains most; two data sets per side.

    The gain is the mean of the chosen encoding's advantage over that of the best single one. None below four.

    >>> best_split(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    Split(below=2, first=0, second=1, gain=0.5)
    """
    n = len(advantages)
    if n < SMALLEST:
        return None
    sums = np.cumsum(advantages, axis=0)
    places = np.arange(2, n - 1)
    lower, upper = sums[places - 1], sums[-1] - sums[places - 1]
    gains = (lower.max(1) + upper.max(1) - sums[-1].max()) / n
    best = int(gains.argmax())
    return Split(int(places[best]), int(lower[best].argmax()), int(upper[best].argmax()), float(gains[best]))


def split_p(advantages: np.ndarray) -> tuple[float, float]:
    """p of the best split's gain over random orders of the data sets, and the smallest p any order could have."""
    splits = (best_split(advantages[order]) for order in permutation.orders(len(advantages)))
    gains = np.array([split.gain for split in splits if split is not None])
    p = float(np.mean(gains >= gains[0] - permutation.ROUNDING))
    return p, float(np.mean(gains >= gains.max() - permutation.ROUNDING))


def build(tables: Tables) -> pd.DataFrame:
    """One row per protocol, settings and predictor; columns: COLUMNS."""
    cells = tables["cells"].query("kind == 'encoding' and encoding != 'none'")
    rows = []
    for key, group in tables["datasets"].groupby(["protocol", "settings"], sort=False):
        same = cells[(cells["protocol"] == key[0]) & (cells["settings"] == key[1])]
        wide = same.pivot(index="dataset", columns="encoding", values="advantage_points").astype(float)
        wide = wide[list(dict.fromkeys(same["encoding"]))]
        for predictor, column in PREDICTORS.items():
            x = group.set_index("dataset")[column].astype(float).reindex(wide.index)
            known = wide[x.notna()].dropna()
            rows.append({**dict(zip(GROUP[1:], key, strict=True)), **_row(predictor, x.loc[known.index], known)})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"datasets": "Int64"})


def _row(predictor: str, x: "pd.Series[float]", wide: pd.DataFrame) -> dict[str, Any]:
    order = np.argsort(x.to_numpy(), kind="stable")
    values, advantages, names = x.to_numpy()[order], wide.to_numpy()[order], list(wide.columns)
    row: dict[str, Any] = {"predictor": predictor, "datasets": len(values)}
    split = best_split(advantages) if len(names) > 1 else None
    if split is None:
        return {**row, "note": f"needs {SMALLEST} data sets with all encodings, and two encodings beside none"}
    row |= {"best_for_all": names[int(advantages.mean(0).argmax())], "gain_points": split.gain}
    if split.first == split.second:
        return {**row, "note": "one encoding is best on either side of every split: no threshold"}
    p, smallest = split_p(advantages)
    row |= {"below": names[split.first], "above": names[split.second], "p": p, "smallest_p": smallest}
    row |= {"from_value": values[split.below - 1], "to_value": values[split.below], **_left_out(values, advantages)}
    if smallest > ALPHA:
        return {**row, "note": f"{len(values)} data sets allow no p below {smallest:.2g}: not decidable"}
    return {**row, "note": "" if p <= ALPHA else "such a gain is found in noise, too: no threshold is shown"}


def _left_out(values: np.ndarray, advantages: np.ndarray) -> dict[str, float]:
    """Lowest and highest split (middle between two data sets) when any one data set is left out."""
    found = []
    for gone in range(len(values)):
        x, split = np.delete(values, gone), best_split(np.delete(advantages, gone, axis=0))
        if split is not None and split.first != split.second:
            found.append((x[split.below - 1] + x[split.below]) / 2)
    return {"leave_one_out_low": min(found), "leave_one_out_high": max(found)} if found else {}
