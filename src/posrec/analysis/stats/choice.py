"""Which encoding to take: probability of being best, of being within the margin of the best, and expected loss.

Draws of the encodings' true means, on one data set from its seeds, and overall or on a new data set from the sources.
They are of a Bayesian bootstrap (Rubin 1981) widened to t: with S seeds the mean of a single encoding has the spread
that its t interval has. Seeds (or sources) are drawn for all encodings together, which keeps what they share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 4_000
SEED = 20240607


@dataclass(frozen=True)
class Choice:
    """(E,) each: P(best), P(within the margin of the best), and the expected loss against the best, in score units."""

    best: np.ndarray
    within: np.ndarray
    loss: np.ndarray


def mean_draws(scores: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """(draws, E) plausible true means from (S, E) scores of seeds by encodings; seeds with a NaN are left out.

    ValueError below three whole seeds.
    """
    whole = scores[np.isfinite(scores).all(axis=1)]
    count = len(whole)
    if count < 3:
        raise ValueError(f"three seeds with a score of every encoding are needed, not {count}")
    return whole.mean(axis=0) + _noise(whole - whole.mean(axis=0), draws, np.random.default_rng(seed))


def _noise(rows: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """(draws, E) of the mean's uncertainty from (S, E) centred rows: t on S - 1 degrees of freedom in each column."""
    count = len(rows)
    weights = generator.dirichlet(np.ones(count), draws)
    wider = np.sqrt((count + 1) / generator.chisquare(count - 1, (draws, 1)))
    return np.asarray(weights @ rows * wider)


def over_sources(draws: Sequence[np.ndarray], seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """(draws, E) of the overall means and of those of a new source, from the draws (draws, E) of each source.

    Effects should be relative (say, over the mean of `none`), so that sources have one scale. ValueError below three.
    """
    if len(draws) < 3:
        raise ValueError(f"three sources are needed, not {len(draws)}")
    generator = np.random.default_rng(seed)
    stacked = np.stack(draws)  # (k, draws, E)
    centre = stacked.mean(axis=0)
    deviations = stacked - centre
    count, rows = stacked.shape[:2]
    weights = generator.dirichlet(np.ones(count), rows)
    wider = np.sqrt((count + 1) / generator.chisquare(count - 1, rows))
    overall = centre + np.einsum("dk,kde->de", weights, deviations) * wider[:, None]
    picked = deviations[generator.integers(0, count, rows), np.arange(rows)]
    return overall, overall + picked * np.sqrt(count / generator.chisquare(count - 1, (rows, 1)))


def choose(draws: np.ndarray, margin: float) -> Choice:
    """What (draws, E) of true means say about the choice; margin: in their unit.

    >>> found = choose(np.array([[1.0, 0.0], [1.0, 0.9], [0.0, 1.0], [1.0, 0.0]]), 0.2)
    >>> found.best.tolist(), found.within.tolist(), found.loss.tolist()
    ([0.75, 0.25], [0.75, 0.5], [0.25, 0.525])
    """
    short = draws.max(axis=1, keepdims=True) - draws
    tied = short == 0
    return Choice((tied / tied.sum(axis=1, keepdims=True)).mean(0), (short <= margin).mean(0), short.mean(0))
