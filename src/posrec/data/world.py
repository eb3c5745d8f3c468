"""The catalogue of the simulator: categories, popularity and successors of the items."""

from dataclasses import dataclass

import numpy as np

from posrec.settings import SimulationSettings

SUCCESSORS = 3
LAGS = 2


@dataclass(frozen=True)
class World:
    """A catalogue of I items in C categories.

    category: (I,). popularity: (I,), weights with sum 1. successors: (LAGS, I, SUCCESSORS); successors[l, i, j] is the
    j-th item that may follow l + 1 steps after item i; -1 where the category is too small.
    by_category: (I,), the items sorted by category. bounds: (C + 1,), cumulated popularity in that order where each
    category begins, and cumulated: (I,), the same behind each item.
    """

    category: np.ndarray
    popularity: np.ndarray
    successors: np.ndarray
    by_category: np.ndarray
    bounds: np.ndarray
    cumulated: np.ndarray

    @property
    def n_items(self) -> int:
        return len(self.category)

    @property
    def n_categories(self) -> int:
        return len(self.bounds) - 1


def draw_world(settings: SimulationSettings, rng: np.random.Generator) -> World:
    """Draw a catalogue. Item numbers tell nothing; every category has an item, so there are at most I categories."""
    categories = min(settings.categories, settings.items)
    category = rng.permutation(settings.items) % categories
    popularity = (1.0 + rng.permutation(settings.items)) ** -settings.popularity
    popularity /= popularity.sum()
    successors = np.stack([_draw_successors(category, categories, rng) for _ in range(LAGS)])
    by_category = np.argsort(category, kind="stable")
    cumulated = np.cumsum(popularity[by_category])
    ends = np.cumsum(np.bincount(category, minlength=categories)) - 1
    bounds = np.concatenate([[0.0], cumulated[ends]])
    return World(category, popularity, successors, by_category, bounds, cumulated)


def _draw_successors(category: np.ndarray, categories: int, rng: np.random.Generator) -> np.ndarray:
    """The next items (I, SUCCESSORS) on a random cycle through each category, -1 behind the last different one."""
    successors = np.full((len(category), SUCCESSORS), -1, dtype=np.int64)
    for number in range(categories):
        cycle = rng.permutation(np.flatnonzero(category == number))
        for step in range(1, min(SUCCESSORS, len(cycle) - 1) + 1):
            successors[cycle, step - 1] = np.roll(cycle, -step)
    return successors
