"""Paired scores by seed, their contrasts, and the t statistics of these under common sign flips or permuted labels.

The seed is the block. A block of data is one data set with seeds of its own: an array (S, m) of paired differences,
NaN where a run failed. Several blocks are side by side, each with sign flips of its own.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

SMALLEST = 3  # differences of a comparison: with fewer there is no test
FLOOR = 0.05  # of the family's median deviation: what a tiny one is raised by
CHUNK = 2_000  # patterns at a time
SMALL_CHUNK = 250  # where each is a whole table


def against(scores: np.ndarray, column: int) -> np.ndarray:
    """(S, E - 1) differences of every other encoding from `column`. scores: (S, E), seeds by encodings.

    >>> against(np.array([[1.0, 3.0, 7.0]]), 0).tolist()
    [[2.0, 6.0]]
    """
    return np.delete(scores, column, axis=1) - scores[:, [column]]


def pairs(encodings: int) -> list[tuple[int, int]]:
    """All pairs of encodings, in the order of `pair_differences`."""
    return list(itertools.combinations(range(encodings), 2))


def pair_differences(scores: np.ndarray) -> np.ndarray:
    """(S, E (E - 1) / 2) differences, first minus second, of all pairs. scores: (S, E).

    >>> pair_differences(np.array([[1.0, 3.0, 7.0]])).tolist()
    [[-2.0, -6.0, -4.0]]
    """
    first, second = np.array(pairs(scores.shape[1])).T
    return scores[:, first] - scores[:, second]


def signs(seeds: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """(patterns, seeds) of 1 and -1, the first all 1, the first seed always 1: flipping all changes no |mean|.

    All 2^(seeds - 1) patterns where these are no more than draws + 1, else so many random ones.
    """
    if 2 ** (seeds - 1) <= draws + 1:
        return np.array([(1.0, *rest) for rest in itertools.product((1.0, -1.0), repeat=seeds - 1)])
    drawn = generator.choice((1.0, -1.0), (draws + 1, seeds))
    drawn[0] = 1.0
    return drawn * drawn[:, :1]


def t_like(differences: np.ndarray, patterns: np.ndarray, floor: float) -> np.ndarray:
    """(patterns, m) signed z values of the mean differences, each row of (S, m) flipped by (patterns, S) signs.

    z is the t statistic brought to a normal scale (Wallace 1959), so that comparisons with unequal seeds are on one
    scale. Under flips the sum of squares is fixed, and 1 + t^2 / df is 1 / (1 - mean^2 / mean square). floor: see
    `floor_of`; it's added to the mean square. NaN below SMALLEST differences.
    """
    known = np.isfinite(differences)
    count = known.sum(axis=0).astype(float)
    count[count < SMALLEST] = np.nan
    values = np.where(known, differences, 0.0)
    return z_of(patterns @ values, (values**2).sum(axis=0), count, floor)


def z_of(sums: np.ndarray, squares: np.ndarray, count: np.ndarray, floor: float) -> np.ndarray:
    """(patterns, m) signed z from the sums and sums of squares of `count` (m,) differences each."""
    means, mean_squares = sums / count, squares / count + floor**2
    return np.sign(means) * wallace(means**2 / np.where(mean_squares > 0, mean_squares, 1.0), count - 1)


def wallace(share: np.ndarray, df: np.ndarray | float) -> np.ndarray:
    """|z| with the tail of |t| on df degrees of freedom; share: t^2 / (t^2 + df), from 0 to 1."""
    factor = (8 * df + 1) / (8 * df + 3)
    return factor * np.sqrt(-df * np.log1p(-np.minimum(share, 1 - 1e-15)))


def floor_of(differences: np.ndarray) -> float:
    """What is added to every mean square (as a square): FLOOR times the median deviation of (S, m) differences.

    Without it a comparison whose differences hardly vary is as extreme as can be, whatever its size.
    """
    enough = differences[:, np.isfinite(differences).sum(axis=0) >= SMALLEST]
    return FLOOR * float(np.median(np.nanstd(enough, axis=0))) if enough.size else 0.0


def flipped(blocks: Sequence[np.ndarray], draws: int, seed: int) -> Iterator[np.ndarray]:
    """(patterns, sum of m) |z| of all blocks side by side, in chunks; the first row of the first is the observed one.

    Exact for a single block whose patterns are all counted; several blocks are drawn independently of each other.
    """
    generator = np.random.default_rng(seed)
    limit = draws if len(blocks) == 1 else 0
    several = [signs(len(block), limit or draws, generator) for block in blocks]
    if len(blocks) > 1:
        several = [_as_many(patterns, draws + 1, generator) for patterns in several]
    floors = [floor_of(block) for block in blocks]
    for start in range(0, len(several[0]), CHUNK):
        parts = zip(blocks, several, floors, strict=True)
        yield np.abs(np.hstack([t_like(block, rows[start : start + CHUNK], floor) for block, rows, floor in parts]))


def _as_many(patterns: np.ndarray, rows: int, generator: np.random.Generator) -> np.ndarray:
    """`rows` random ones of the patterns, the first kept first."""
    chosen = generator.integers(0, len(patterns), rows)
    chosen[0] = 0
    return patterns[chosen]


def permuted(scores: Sequence[np.ndarray], draws: int, seed: int) -> Iterator[np.ndarray]:
    """(patterns, sum of pairs) |z| of all pairs, labels permuted within seeds; observed first.

    scores: one (S, E) array a block. Exact under the hypothesis that all encodings are alike, whatever the shape. A
    failed run (NaN) moves with its label: a failure is an outcome that any encoding might have had.
    """
    generator = np.random.default_rng(seed)
    floors = [floor_of(pair_differences(block)) for block in scores]
    for start in range(0, draws + 1, SMALL_CHUNK):
        rows = min(SMALL_CHUNK, draws + 1 - start)
        several = [generator.permuted(np.broadcast_to(block, (rows, *block.shape)), axis=2) for block in scores]
        if start == 0:
            several = [np.concatenate([block[None], drawn[1:]]) for block, drawn in zip(scores, several, strict=True)]
        parts = zip(several, floors, strict=True)
        yield np.hstack([np.abs(t_of(_pairs_of_each(drawn), floor)) for drawn, floor in parts])


def _pairs_of_each(scores: np.ndarray) -> np.ndarray:
    first, second = np.array(pairs(scores.shape[2])).T
    return scores[:, :, first] - scores[:, :, second]


def t_of(differences: np.ndarray, floor: float) -> np.ndarray:
    """(patterns, m) signed z of the mean over seeds. differences: (patterns, S, m), NaN where missing."""
    known = np.isfinite(differences)
    count = known.sum(axis=1).astype(float)
    count[count < SMALLEST] = np.nan
    values = np.where(known, differences, 0.0)
    return z_of(values.sum(axis=1), (values**2).sum(axis=1), count, floor)
