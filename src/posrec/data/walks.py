"""The users of the simulator: which items they review, in which order and on which days."""

from dataclasses import dataclass

import numpy as np

from posrec.data.world import SUCCESSORS, World
from posrec.settings import SimulationSettings

LAG_WEIGHTS = (0.7, 0.3)  # successors of the item before, of the item two before
SUCCESSOR_WEIGHTS = (0.5, 0.3, 0.2)
RULES = ("popularity", "category", "order")
MIN_LENGTH = 3
TWO_FAVOURITES = 0.5  # share of users with two favourite categories
MEAN_GAP = 30  # days between reviews that are not on the same day
FIRST_DAY = 14_610  # 2010-01-01, in days since 1970
TRIES = 16


@dataclass(frozen=True)
class Walks:
    """Reviews of U users, at most T each: lengths (U,); items, days and rules (U, T), -1 behind the last review.

    days count from 1970-01-01; rules index RULES, by which each item was drawn.
    """

    lengths: np.ndarray
    items: np.ndarray
    days: np.ndarray
    rules: np.ndarray


def draw_walks(settings: SimulationSettings, world: World, rng: np.random.Generator) -> Walks:
    """Draw all users' reviews, a step of all users at once."""
    lengths = MIN_LENGTH + rng.geometric(1 / (settings.mean_length - MIN_LENGTH + 1), settings.users) - 1
    favourites = rng.integers(0, world.n_categories, (settings.users, 2))
    favourites[rng.random(settings.users) >= TWO_FAVOURITES, 1] = -1
    items = np.full((settings.users, lengths.max()), -1, dtype=np.int64)
    rules = np.full(items.shape, -1, dtype=np.int64)
    for step in range(items.shape[1]):
        active = np.flatnonzero(lengths > step)
        items[active, step], rules[active, step] = _draw_step(
            settings, world, items[active, :step], favourites[active], rng
        )
    return Walks(lengths, items, _draw_days(settings, items, rng), rules)


def _draw_step(
    settings: SimulationSettings, world: World, history: np.ndarray, favourites: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The next item and its rule, (R,) each, after the histories (R, t)."""
    chosen = _draw_successor(world, history, rng)
    chosen[rng.random(len(history)) >= settings.order] = -1
    rules = np.where(chosen >= 0, RULES.index("order"), RULES.index("popularity"))
    rest = np.flatnonzero(chosen < 0)
    category = np.where(rng.random(len(rest)) < settings.category_loyalty, _draw_favourite(favourites[rest], rng), -1)
    chosen[rest] = _draw_new(world, history[rest], category, rng)
    loyal = (category >= 0) & (world.category[chosen[rest]] == category)
    rules[rest[loyal]] = RULES.index("category")
    return chosen, rules


def _draw_successor(world: World, history: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A successor that the user has not met, (R,); -1 where there is none."""
    race = rng.exponential(size=(len(history), len(LAG_WEIGHTS), SUCCESSORS))
    options = np.full(race.shape, -1, dtype=np.int64)
    for lag in range(min(len(LAG_WEIGHTS), history.shape[1])):
        options[:, lag] = world.successors[lag, history[:, -1 - lag]]
    allowed = (options >= 0) & ~(history[:, :, None, None] == options[:, None]).any(axis=1)
    # The first to finish of exponential clocks with these rates is a draw with these weights among the allowed.
    finish = np.where(allowed, race / np.outer(LAG_WEIGHTS, SUCCESSOR_WEIGHTS), np.inf).reshape(len(history), -1)
    winner = finish.argmin(axis=1)[:, None]
    found = np.isfinite(np.take_along_axis(finish, winner, axis=1)[:, 0])
    return np.where(found, np.take_along_axis(options.reshape(finish.shape), winner, axis=1)[:, 0], -1)


def _draw_favourite(favourites: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of each user's one or two favourite categories."""
    second = (rng.random(len(favourites)) < 0.5) & (favourites[:, 1] >= 0)
    return np.where(second, favourites[:, 1], favourites[:, 0])


def _draw_new(world: World, history: np.ndarray, category: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An item by popularity within `category` (-1: all), not met before where that is possible; (R,)."""
    chosen = np.full(len(history), -1, dtype=np.int64)
    for _ in range(TRIES):
        open_rows = np.flatnonzero(chosen < 0)
        if not len(open_rows):
            return chosen
        drawn = _draw_popular(world, category[open_rows], rng)
        new = ~(history[open_rows] == drawn[:, None]).any(axis=1)
        chosen[open_rows[new]] = drawn[new]
    for row in np.flatnonzero(chosen < 0):
        chosen[row] = _draw_unmet(world, history[row], rng)
    return chosen


def _draw_popular(world: World, category: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low = np.where(category >= 0, world.bounds[category], 0.0)
    high = np.where(category >= 0, world.bounds[category + 1], world.bounds[-1])
    place = np.searchsorted(world.cumulated, low + (high - low) * rng.random(len(category)), side="right")
    drawn: np.ndarray = world.by_category[np.minimum(place, world.n_items - 1)]
    return drawn


def _draw_unmet(world: World, history: np.ndarray, rng: np.random.Generator) -> int:
    """Any item that was not met, by popularity; where all were, any but the last."""
    met = history if len(np.unique(history)) < world.n_items else history[-1:]
    weights = world.popularity.copy()
    weights[met] = 0.0
    return int(rng.choice(world.n_items, p=weights / weights.sum()))


def _draw_days(settings: SimulationSettings, items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Days (U, T): the first uniform over the years, then gaps of none or geometric days; -1 behind the last."""
    first = FIRST_DAY + rng.integers(0, round(365.25 * settings.years), len(items))
    gaps = rng.geometric(1 / MEAN_GAP, items.shape)
    gaps[rng.random(items.shape) < settings.tied_days] = 0
    gaps[:, 0] = 0
    return np.where(items >= 0, first[:, None] + gaps.cumsum(axis=1), -1)
