"""One effect over several data sets: random effects with sources as clusters, and what a new data set would show.

Data sets cut from one source aren't independent. Each source counts once: its data sets are averaged, and their errors
are taken as fully correlated. Between sources: normal-normal model, Paule and Mandel's (1982) variance, the interval of
Hartung, Knapp (2001) and Sidik, Jonkman, never narrower than the plain one. The prediction interval carries the
uncertainty of that variance (Nagashima, Noma and Furukawa 2019): the usual t interval holds 91 % at 6 to 10 sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

SMALLEST = 3  # sources: with fewer there is no interval between sources
DRAWS = 9_999
SEED = 20240608


@dataclass(frozen=True)
class Pooled:
    """Mean effect over sources with its interval, the interval of a new source's true effect, and tau between them.

    All in the unit of the effects. sources: how many. The intervals are NaN below SMALLEST sources.
    """

    mean: float
    low: float
    high: float
    new_low: float
    new_high: float
    tau: float
    sources: int


def by_source(effects: np.ndarray, errors: np.ndarray, sources: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(k,) mean effect of each source and its standard error, in order of name. effects, errors: (N,), of data sets.

    >>> [part.tolist() for part in by_source(np.array([1.0, 3.0, 5.0]), np.array([0.1, 0.3, 0.2]), ["a", "a", "b"])]
    [[2.0, 5.0], [0.2, 0.2]]
    """
    names = np.array(sources)
    groups = [names == name for name in sorted(set(sources))]
    return np.array([effects[group].mean() for group in groups]), np.array([errors[group].mean() for group in groups])


def pooled(effects: np.ndarray, errors: np.ndarray, sources: Sequence[str], alpha: float = 0.05) -> Pooled:
    """The random-effects mean of (N,) effects with standard errors (N,), one source name each."""
    y, error = by_source(np.asarray(effects, float), np.asarray(errors, float), sources)
    k, variances = len(y), np.maximum(error**2, 1e-300)
    tau2 = _paule_mandel(y, variances)
    weights = 1 / (variances + tau2)
    mean = float(weights @ y / weights.sum())
    if k < SMALLEST:
        nan = float("nan")
        return Pooled(mean, nan, nan, nan, nan, tau2**0.5, k)
    scale = max(1.0, float(weights @ (y - mean) ** 2) / (k - 1))
    squared = scale / float(weights.sum())
    half = float(stats.t.isf(alpha / 2, k - 1)) * squared**0.5
    new_low, new_high = np.quantile(_new_effects(y, variances), [alpha / 2, 1 - alpha / 2])
    return Pooled(mean, mean - half, mean + half, float(new_low), float(new_high), tau2**0.5, k)


def _new_effects(y: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """(DRAWS,) true effects that a new source might have, from the confidence distribution of tau^2.

    The weighted squares at the true tau^2 are chi-square on k - 1 degrees of freedom: each draw of it gives a tau^2.
    """
    generator = np.random.default_rng(SEED)
    scale = max(float(variances.mean()), float(np.ptp(y)) ** 2)
    grid = np.append(0.0, scale * np.geomspace(1e-5, 1e5, 500))
    weights = 1 / (variances + grid[:, None])
    total, mean = weights.sum(axis=1), (weights @ y) / weights.sum(axis=1)
    squares = (weights * (y - mean[:, None]) ** 2).sum(axis=1)
    drawn = generator.chisquare(len(y) - 1, DRAWS)
    tau2 = np.interp(drawn, squares[::-1], grid[::-1])
    error = generator.standard_t(len(y) - 1, DRAWS) / np.sqrt(np.interp(tau2, grid, total))
    return np.asarray(np.interp(tau2, grid, mean) + error + np.sqrt(tau2) * generator.standard_normal(DRAWS))


def _paule_mandel(y: np.ndarray, variances: np.ndarray) -> float:
    """tau^2 at which the weighted squares are what they are expected to be, k - 1; 0 where they are fewer at 0."""

    def excess(tau2: float) -> float:
        weights = 1 / (variances + tau2)
        mean = weights @ y / weights.sum()
        return float(weights @ (y - mean) ** 2) - (len(y) - 1)

    if len(y) < 2 or excess(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(excess, 0.0, len(y) * float(np.ptp(y)) ** 2 + 1e-300))
