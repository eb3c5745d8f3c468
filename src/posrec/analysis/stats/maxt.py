"""Max-T with the seed as block (Westfall and Young 1993): many comparisons at once, step-down.

The signs of a seed's differences are flipped for all comparisons together, which keeps what they share. In place of
Holm over sign flips, whose smallest p is multiplied by the number of comparisons; here it stays that of one comparison.

Common flips are exact where the differences of a seed are symmetric together. Differences from one skewed encoding are
symmetric one by one only, and flips then err in 7 % of studies. So the p is the larger of that of flips and that of
normal differences, which heavy tails make too large, not too small.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from posrec.analysis.stats import blocks, gaussian

DRAWS = 9_999
LABEL_DRAWS = 1_999
SEED = 20240601
ROUNDING = 1e-9


@dataclass(frozen=True)
class Adjusted:
    """p: (m,) adjusted two-sided p, NaN without a test; z: (m,) sizes of the statistics.

    smallest_p: (m,) the smallest p that each comparison could have had with its seeds, whatever the family.
    """

    p: np.ndarray
    z: np.ndarray
    smallest_p: np.ndarray


def step_down(differences: Sequence[np.ndarray], draws: int = DRAWS, seed: int = SEED) -> Adjusted:
    """Adjusted p of all mean differences, with family-wise error over all blocks and comparisons.

    differences: one array (S, m) per block, seeds by comparisons, NaN where a run failed; blocks are data sets (or
    settings) with runs of their own. All flips are counted in a single block with few seeds.

    >>> step_down([np.array([[1.0], [2.0], [3.0]])]).p.tolist()
    [0.25]
    """
    parts = blocks.flipped(differences, draws, seed)
    first = next(parts)
    observed = first[0]
    flips, patterns = _adjusted(observed, itertools.chain([first], parts))
    normal, _ = _adjusted(observed, itertools.chain([observed[None]], gaussian.maxima(differences, draws, seed)))
    seeds = np.concatenate([np.isfinite(block).sum(axis=0) for block in differences])
    return Adjusted(np.maximum(flips, normal), observed, np.maximum(2.0 ** (1 - seeds), 1 / patterns))


def alike_p(scores: Sequence[np.ndarray], draws: int = LABEL_DRAWS, seed: int = SEED) -> float:
    """p of the largest difference of any pair, where all encodings are alike: labels permuted within seeds.

    scores: one (S, E) array a block. Exact for any shape of scores; it says that some encodings differ, not which.
    """
    parts = blocks.permuted(scores, draws, seed)
    largest = np.concatenate([np.nan_to_num(part).max(axis=1) for part in parts])
    return float(np.mean(largest >= largest[0] - ROUNDING))


def _adjusted(observed: np.ndarray, chunks: Iterable[np.ndarray]) -> tuple[np.ndarray, int]:
    """Westfall and Young's step-down p and the patterns behind it: each p looks at those not yet ahead of it."""
    tested = np.flatnonzero(np.isfinite(observed))
    order = tested[np.argsort(-observed[tested], kind="stable")]
    bars, above, patterns = observed[order] - ROUNDING, np.zeros(len(order)), 0
    for part in chunks:
        above += (_from_last(part[:, order]) >= bars).sum(axis=0)
        patterns += len(part)
    p = np.full(len(observed), np.nan)
    p[order] = np.maximum.accumulate(above / patterns)
    return p, patterns


def _from_last(values: np.ndarray) -> np.ndarray:
    """Running maximum from the last column to the first; comparisons without a test count as 0."""
    return np.maximum.accumulate(np.nan_to_num(values)[:, ::-1], axis=1)[:, ::-1]
