"""The same maxima for normal differences: what t statistics of m comparisons that share seeds reach together.

Like Hothorn, Bretz and Westfall (2008), with the variance of each comparison of its own. Their correlation is the
sample's, shrunk to none, which only widens.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from posrec.analysis.stats import blocks

DRAWS = 4_999
CHUNK = 500
FEWEST = 25  # draws beyond a quantile: with fewer it's taken from independent comparisons


def maxima(differences: Sequence[np.ndarray], draws: int, seed: int) -> Iterator[np.ndarray]:
    """(draws, sum of m) |z| of normal differences with the same seeds, gaps and correlations; in chunks.

    differences: one (S, m) array a block.
    """
    generator = np.random.default_rng(seed)
    factors = [_factor(block).astype(np.float32) for block in differences]
    for start in range(0, draws, CHUNK):
        rows = min(CHUNK, draws - start)
        parts = zip(differences, factors, strict=True)
        yield np.abs(np.hstack([_z(block, factor, rows, generator) for block, factor in parts]))


def _z(block: np.ndarray, factor: np.ndarray, rows: int, generator: np.random.Generator) -> np.ndarray:
    """(rows, m) z of normal differences with the gaps of one (S, m) block."""
    known = np.isfinite(block)
    count = known.sum(axis=0).astype(float)
    count[count < blocks.SMALLEST] = np.nan
    drawn = generator.standard_normal((rows * len(block), len(factor)), np.float32) @ factor
    drawn = drawn.reshape(rows, *block.shape)
    if not known.all():
        drawn *= known
    return blocks.z_of(drawn.sum(axis=1), np.einsum("rsm,rsm->rm", drawn, drawn), count, 0.0)


def _factor(block: np.ndarray) -> np.ndarray:
    """(m, m) that gives independent normals the shrunk correlation of a block's differences."""
    known = np.isfinite(block)
    seeds, comparisons = block.shape
    centred = np.where(known, block - np.nanmean(np.where(known.any(axis=0), block, 0.0), axis=0), 0.0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(lengths > 0, lengths, 1.0)
    kept = seeds / (seeds + comparisons)
    correlation = kept * (unit.T @ unit)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def critical(differences: Sequence[np.ndarray], alpha: float, draws: int, seed: int) -> float:
    """z that the largest of all comparisons exceeds with probability alpha; never above that of independent ones.

    >>> round(critical([np.array([[1.0], [2.0], [3.0]])], 0.05, 99, 1), 2)
    1.96
    """
    comparisons = sum(int((np.isfinite(block).sum(axis=0) >= blocks.SMALLEST).sum()) for block in differences)
    alone = -np.expm1(np.log1p(-alpha) / max(comparisons, 1))
    independent = float(stats.norm.isf(alone / 2))
    if comparisons <= 1 or alpha * draws < FEWEST:
        return independent
    largest = np.concatenate([np.nan_to_num(part).max(axis=1) for part in maxima(differences, draws, seed)])
    return min(independent, float(np.quantile(largest, 1 - alpha, method="higher")))
