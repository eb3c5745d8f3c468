"""Simultaneous intervals of mean differences: what the three-way rule reads.

A t interval with the quantile of the largest of all comparisons, and on either side an allowance for skewness: as far
as Hall's (1992) interval reaches beyond Student's. Two encodings of one shape have symmetric differences, and the
allowance is small; where a skewed encoding is also the wider one, Student's upper bound alone is missed in 6 to 10 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from posrec.analysis.stats import blocks, gaussian

SEED = 20240602
SKEWNESS = 1.5  # what the sample's is multiplied by: few seeds show too little of it


@dataclass(frozen=True)
class Intervals:
    """estimate, low, high: (m,) in the unit of the differences, NaN below three of them; seeds: (m,) differences."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: np.ndarray


def intervals(
    differences: Sequence[np.ndarray], alpha: float = 0.05, draws: int = gaussian.DRAWS, seed: int = SEED
) -> Intervals:
    """Intervals of all mean differences that hold together with probability 1 - alpha.

    differences: one array (S, m) per block, NaN where a run failed.

    >>> found = intervals([np.array([[-1.0], [0.0], [1.0]])])
    >>> found.low.round(3).tolist(), found.high.round(3).tolist()
    ([-2.484], [2.484])
    """
    return intervals_at(differences, gaussian.critical(differences, alpha, draws, seed))


def intervals_at(differences: Sequence[np.ndarray], z: float) -> Intervals:
    """The same with a normal quantile given; each comparison takes it to the t of its own seeds."""
    parts = [_block(block, z) for block in differences]
    return Intervals(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _block(block: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, bounds and seeds of one (S, m) block."""
    seeds = np.isfinite(block).sum(axis=0)
    count = np.where(seeds >= blocks.SMALLEST, seeds, np.nan)
    known = np.where(np.isnan(count), 0.0, block)
    mean = np.where(np.isnan(count), np.nan, np.nanmean(known, axis=0))
    error = np.nanstd(known, axis=0) / np.sqrt(count - 1)
    half = stats.t.isf(stats.norm.sf(z), count - 1) * error
    below, above = _allowances(known, count)
    return mean, mean - half - below * error, mean + half + above * error, seeds


def _allowances(values: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far Hall's single 95 % bounds reach beyond Student's on either side, in standard errors. values: (S, m)."""
    quantile = stats.t.isf(0.025, count - 1)
    slope = SKEWNESS * _skewness(values, count) / np.sqrt(count)
    below = _hall(quantile, slope) - quantile
    above = -_hall(-quantile, slope) - quantile
    return np.maximum(below, 0.0), np.maximum(above, 0.0)


def _skewness(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(m,) third moment (unbiased) over the cubed standard deviation; 0 where nothing varies."""
    centred = values - np.nanmean(values, axis=0)
    third = np.nanmean(centred**3, axis=0) * count**2 / ((count - 1) * (count - 2))
    deviation = np.nanstd(values, axis=0) * np.sqrt(count / (count - 1))
    safe = np.where(deviation > 0, deviation, 1.0)
    return np.where(deviation > 0, third / safe**3, 0.0)


def _hall(quantile: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Inverse of Hall's monotone transform of t that removes its skewness of order 1 / sqrt(n)."""
    safe = np.where(np.abs(slope) > 1e-9, slope, 1.0)
    bent = 3 / safe * (np.cbrt(1 + safe * (quantile - safe / 6)) - 1)
    return np.where(np.abs(slope) > 1e-9, bent, quantile)
