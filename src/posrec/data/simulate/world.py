"""The catalogue of the simulator: categories, popularity, successors, seasons and new items."""

from dataclasses import dataclass

import numpy as np

from posrec.study.settings.simulation import SimulationSettings

SUCCESSORS = 3
CATEGORY, SEASON, TREND, ANY = range(4)  # the pools of a world
FIRST_DAY = 14_610  # 2010-01-01, in days since 1970


@dataclass(frozen=True)
class Pool:
    """Items in an order in which those that are drawn together are neighbours.

    items: (I,). cumulated: (I,), their weights summed up to each. bounds: (G + 1,), that sum where each group begins.
    """

    items: np.ndarray
    cumulated: np.ndarray
    bounds: np.ndarray

    def draw(self, low: np.ndarray, high: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Items (n,) drawn by weight between two sums of weights (n,); uniform: (n,) in [0, 1)."""
        place = np.searchsorted(self.cumulated, low + (high - low) * uniform, side="right")
        drawn: np.ndarray = self.items[np.minimum(place, len(self.items) - 1)]
        return drawn


@dataclass(frozen=True)
class World:
    """A catalogue of I items in C categories.

    category: (I,). popularity: (I,), weights with sum 1. successors: (lags, I, SUCCESSORS); successors[l, i, j] is the
    j-th item that may follow l + 1 steps after item i; -1 where the category is too small. pools: by category, by
    season, by the day on which an item came out (release: (I,), those days, sorted), and all with equal weight.
    """

    category: np.ndarray
    popularity: np.ndarray
    successors: np.ndarray
    pools: tuple[Pool, Pool, Pool, Pool]
    release: np.ndarray

    @property
    def n_items(self) -> int:
        return len(self.category)

    @property
    def n_categories(self) -> int:
        return len(self.pools[CATEGORY].bounds) - 1


def draw_world(settings: SimulationSettings, rng: np.random.Generator, time_rng: np.random.Generator) -> World:
    """Draw a catalogue. Item numbers carry no information; every category has an item, so there are I at most."""
    categories = min(settings.categories, settings.items)
    category = rng.permutation(settings.items) % categories
    popularity = (1.0 + rng.permutation(settings.items)) ** -settings.popularity
    popularity /= popularity.sum()
    successors = np.stack([_draw_successors(category, categories, rng) for _ in settings.lag_weights])
    season = time_rng.permutation(settings.items) % settings.seasons
    span = round(365.25 * settings.years)
    release = time_rng.integers(FIRST_DAY - settings.trend_days, FIRST_DAY + span, settings.items)
    pools = (
        _pool(category, popularity, categories),
        _pool(season, popularity, settings.seasons),
        _pool(np.argsort(np.argsort(release, kind="stable")), popularity, settings.items),
        _pool(np.arange(settings.items), np.full(settings.items, 1 / settings.items), settings.items),
    )
    return World(category, popularity, successors, pools, np.sort(release))


def _pool(group: np.ndarray, weights: np.ndarray, groups: int) -> Pool:
    items = np.argsort(group, kind="stable")
    cumulated = np.cumsum(weights[items])
    ends = np.cumsum(np.bincount(group, minlength=groups)) - 1
    return Pool(items, cumulated, np.concatenate([[0.0], np.where(ends < 0, 0.0, cumulated[ends])]))


def _draw_successors(category: np.ndarray, categories: int, rng: np.random.Generator) -> np.ndarray:
    """The next items (I, SUCCESSORS) on a random cycle through each category, -1 behind the last different one."""
    successors = np.full((len(category), SUCCESSORS), -1, dtype=np.int64)
    for number in range(categories):
        cycle = rng.permutation(np.flatnonzero(category == number))
        for step in range(1, min(SUCCESSORS, len(cycle) - 1) + 1):
            successors[cycle, step - 1] = np.roll(cycle, -step)
    return successors
