"""Users crossed with seeds: how far a lead would move with other seeds and with other users.

The same test users are scored in every seed. A bootstrap of users inside seeds treats them as fresh ones each time,
which leaves the users' own noise out: measured, its interval holds 73 % where users differ. Here both are resampled
together (Owen's pigeonhole bootstrap, 2007), and the two noises are shown beside each other.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 999
SEED = 20240606
CHUNK = 50  # resamples at a time: each holds a count for every user


@dataclass(frozen=True)
class Components:
    """Standard deviations of a lead between seeds, between users, and of what is left (a user in a seed).

    seed_error, user_error: what each adds to the standard error of the mean lead; df: of their sum (Satterthwaite).
    """

    seeds: float
    users: float
    rest: float
    seed_error: float
    user_error: float
    df: float


@dataclass(frozen=True)
class Lead:
    """A mean difference over users and seeds, its interval, and where its uncertainty comes from."""

    mean: float
    low: float
    high: float
    components: Components


def components(differences: np.ndarray) -> Components | None:
    """Variance components of (S, U) per-user paired differences, by mean squares (two-way, no replicates).

    None below two seeds or two users. Negative estimates of a variance count as 0.
    """
    seeds, users = differences.shape
    if min(seeds, users) < 2:
        return None
    by_seed, by_user = differences.mean(axis=1), differences.mean(axis=0)
    left = differences - by_seed[:, None] - by_user + differences.mean()
    rest = float((left**2).sum() / ((seeds - 1) * (users - 1)))
    seed_square, user_square = users * float(by_seed.var(ddof=1)), seeds * float(by_user.var(ddof=1))
    seed, user = max(seed_square - rest, 0.0) / users, max(user_square - rest, 0.0) / seeds
    df = _satterthwaite((seed_square, seeds - 1), (user_square, users - 1), (-rest, (seeds - 1) * (users - 1)))
    errors = np.sqrt(seed_square / (seeds * users)), np.sqrt(user / users)
    return Components(seed**0.5, user**0.5, rest**0.5, float(errors[0]), float(errors[1]), max(df, seeds - 1.0))


def _satterthwaite(*squares: tuple[float, int]) -> float:
    """Degrees of freedom of a sum of mean squares, each with its own."""
    total = sum(square for square, _ in squares)
    parts = sum(square**2 / df for square, df in squares)
    return total**2 / parts if parts else float("inf")


def lead(differences: np.ndarray, alpha: float = 0.05, seed: int = SEED) -> Lead | None:
    """Mean of (S, U) per-user paired differences with a crossed interval; None below two seeds or users.

    The bootstrap's percentiles are widened from a normal's to those of t with the components' degrees of freedom, and
    by S / (S - 1): few seeds resampled differ less than seeds do.
    """
    found = components(differences)
    if found is None:
        return None
    mean = float(differences.mean())
    drawn = _resampled(differences, np.random.default_rng(seed)) - mean
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    seeds = len(differences)
    wider = float(stats.t.isf(alpha / 2, found.df) / stats.norm.isf(alpha / 2)) * (seeds / (seeds - 1)) ** 0.5
    return Lead(mean, mean + wider * float(low), mean + wider * float(high), found)


def _resampled(differences: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(RESAMPLES,) means with seeds and users drawn with replacement, the users the same for all drawn seeds."""
    seeds, users = differences.shape
    means = []
    for start in range(0, RESAMPLES, CHUNK):
        rows = min(CHUNK, RESAMPLES - start)
        of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), rows)
        of_users = generator.multinomial(users, np.full(users, 1 / users), rows)
        means.append(((of_seeds @ differences) * of_users).sum(axis=1) / (seeds * users))
    return np.concatenate(means)
