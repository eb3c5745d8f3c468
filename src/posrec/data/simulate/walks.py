"""The users of the simulator: which items they review, in which order and on which days."""

from dataclasses import dataclass

import numpy as np

from posrec.data.simulate.world import ANY, CATEGORY, FIRST_DAY, SEASON, TREND, World
from posrec.study.settings.simulation import SimulationSettings

SUCCESSOR_WEIGHTS = (0.5, 0.3, 0.2)
RULES = ("popularity", "category", "order", "season", "trend", "noise", "recency")
POOL_OF = {"season": SEASON, "trend": TREND, "noise": ANY}  # of the rules that leave the user's taste aside
SHARED = (*POOL_OF, "recency")  # rules whose shares are knobs, in the order in which they are dealt out
MIN_LENGTH = 3
TWO_FAVOURITES = 0.5  # share of users with two favourite categories
MEAN_GAP = 30  # days between reviews that are not on the same day
TRIES = 16
NEVER = 10**6  # days since the last item where there is none
MOST_WITHIN = 7.0  # items that a user reviews in gap_days, on average, where gaps matter: between 0 and so many


@dataclass(frozen=True)
class Walks:
    """Reviews of U users, at most T each: lengths (U,); items, days and rules (U, T), -1 behind the last review.

    days count from 1970-01-01; rules index RULES, by which each item was drawn. favourites: (U, 2) categories, -1 where
    a user has one alone.
    """

    lengths: np.ndarray
    items: np.ndarray
    days: np.ndarray
    rules: np.ndarray
    favourites: np.ndarray


@dataclass(frozen=True)
class Segments:
    """From where R items are drawn, (R,) each: a pool of the world, and the sums of weights between which."""

    pool: np.ndarray
    low: np.ndarray
    high: np.ndarray


def draw_walks(
    settings: SimulationSettings, world: World, rng: np.random.Generator, time_rng: np.random.Generator
) -> Walks:
    """Draw all users' reviews, a step of all users at once."""
    lengths = MIN_LENGTH + rng.geometric(1 / (settings.mean_length - MIN_LENGTH + 1), settings.users) - 1
    favourites = rng.integers(0, world.n_categories, (settings.users, 2))
    favourites[rng.random(settings.users) >= TWO_FAVOURITES, 1] = -1
    real = np.arange(lengths.max()) < lengths[:, None]
    items, rules = (np.full(real.shape, -1, dtype=np.int64) for _ in range(2))
    timed = settings.season + settings.trend + settings.recency > 0 or settings.follows != "order"
    # Where time says nothing, days are drawn last: as they were before there were seasons.
    days = _draw_days(settings, real, time_rng) if timed else np.zeros_like(items)
    for step in range(int(lengths.max())):
        active = np.flatnonzero(lengths > step)
        items[active, step], rules[active, step] = _draw_step(
            settings, world, items[active, :step], favourites[active], days[active, : step + 1], rng
        )
    return Walks(lengths, items, days if timed else _draw_days(settings, real, rng), rules, favourites)


def _draw_step(
    settings: SimulationSettings,
    world: World,
    history: np.ndarray,
    favourites: np.ndarray,
    dated: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The next item and its rule, (R,) each, after the histories (R, t), on the days (R, t + 1), the last its own."""
    days, gaps = dated[:, -1], dated[:, -1] - dated[:, -2] if history.shape[1] else np.full(len(history), NEVER)
    chosen = _draw_successor(settings, world, history, dated[:, :-1], rng)
    chosen[rng.random(len(history)) >= settings.order] = -1
    rules = np.where(chosen >= 0, RULES.index("order"), RULES.index("popularity"))
    rest = np.flatnonzero(chosen < 0)
    category = np.where(rng.random(len(rest)) < settings.category_loyalty, _draw_favourite(favourites[rest], rng), -1)
    rules[rest] = _draw_rules(settings, len(rest), rng)
    recent = rules[rest] == RULES.index("recency")
    category[recent] = recent_category(settings, world, history[rest[recent]], gaps[rest[recent]])
    segments = category_segments(world, category)
    for rule, pool in POOL_OF.items():
        own = np.flatnonzero(rules[rest] == RULES.index(rule))
        segments.low[own], segments.high[own] = bounds_on(settings, world, pool, days[rest[own]])
        segments.pool[own] = pool
    chosen[rest] = _draw_new(world, history[rest], segments, rng)
    loyal = (category >= 0) & (segments.pool == CATEGORY) & ~recent & (world.category[chosen[rest]] == category)
    rules[rest[loyal]] = RULES.index("category")
    return chosen, rules


def _draw_rules(settings: SimulationSettings, size: int, rng: np.random.Generator) -> np.ndarray:
    """Which of the rules season, trend, noise and recency holds, or else popularity, (n,)."""
    rules = np.full(size, RULES.index("popularity"))
    shares = np.array([getattr(settings, rule) for rule in SHARED])
    if not shares.any():
        return rules
    number = np.searchsorted(shares.cumsum(), rng.random(size), side="right")
    numbers = np.array([*(RULES.index(rule) for rule in SHARED), RULES.index("popularity")])
    found: np.ndarray = numbers[number]
    return found


def recent_category(settings: SimulationSettings, world: World, history: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """The category (n,) of the last items of histories (n, t) so many days (n,) ago; -1 where that is not recent."""
    if not history.shape[1]:
        return np.full(len(history), -1)
    return np.where(gaps <= settings.recency_days, world.category[history[:, -1]], -1)


def _draw_successor(
    settings: SimulationSettings, world: World, history: np.ndarray, days: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A successor that the user has not met, (R,); -1 where there is none. history, its days: (R, t)."""
    lags = source_lags(settings, days)
    weights = np.outer(lag_weights(settings), SUCCESSOR_WEIGHTS)  # (lags, SUCCESSORS)
    race = rng.exponential(size=(len(history), *weights.shape))
    options = np.full(race.shape, -1, dtype=np.int64)
    for number in range(min(len(weights), history.shape[1])):
        sources = np.take_along_axis(history, history.shape[1] - 1 - lags[:, [number]], axis=1)[:, 0]
        options[:, number] = world.successors[number, sources]
    allowed = (options >= 0) & ~(history[:, :, None, None] == options[:, None]).any(axis=1) & (weights > 0)
    # The first to finish of exponential clocks with these rates is a draw with these weights among the allowed.
    finish = np.where(allowed, race / np.where(weights > 0, weights, 1.0), np.inf).reshape(len(history), -1)
    winner = finish.argmin(axis=1)[:, None]
    found = np.isfinite(np.take_along_axis(finish, winner, axis=1)[:, 0])
    return np.where(found, np.take_along_axis(options.reshape(finish.shape), winner, axis=1)[:, 0], -1)


def lag_weights(settings: SimulationSettings) -> list[float]:
    """Weights of the items that the next one may succeed; one alone where their gap to the last item counts."""
    return settings.lag_weights if settings.follows == "order" else [1.0]


def source_lags(settings: SimulationSettings, days: np.ndarray) -> np.ndarray:
    """How far before the last item those are that the next one may succeed. days: (R, t). Returns (R, lags).

    gap: the item whose days before the last one are nearest to gap_days, the later of two. both: three before if that
    is within gap_days, else one. The last item itself is neither while there is another.
    """
    rows, length = days.shape
    if settings.follows == "order":
        return np.tile(np.arange(min(len(settings.lag_weights), length)), (rows, 1))
    if length < 2:
        return np.zeros((rows, 1), dtype=np.int64)
    gaps = (days[:, -1:] - days)[:, -2::-1]  # (R, t - 1), the one before the last first
    if settings.follows == "gap":
        return 1 + np.abs(gaps - settings.gap_days).argmin(axis=1)[:, None]
    return 1 + 2 * (gaps[:, 2:3] <= settings.gap_days) if length > 3 else np.ones((rows, 1), dtype=np.int64)


def _draw_favourite(favourites: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of each user's one or two favourite categories."""
    second = (rng.random(len(favourites)) < 0.5) & (favourites[:, 1] >= 0)
    return np.where(second, favourites[:, 1], favourites[:, 0])


def category_segments(world: World, category: np.ndarray) -> Segments:
    """The items of each category (R,), -1: all of the catalogue, drawn by popularity."""
    bounds = world.pools[CATEGORY].bounds
    low = np.where(category >= 0, bounds[category], 0.0)
    high = np.where(category >= 0, bounds[category + 1], bounds[-1])
    return Segments(np.full(len(category), CATEGORY), low, high)


def bounds_on(settings: SimulationSettings, world: World, pool: int, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between which sums of weights a pool's items of each day (n,) are: of the season, new, or all.

    Where no item is new, the pool is the whole catalogue.
    """
    bounds = world.pools[pool].bounds
    if pool == SEASON:
        season = season_of(days, settings.seasons)
        return bounds[season], bounds[season + 1]
    if pool == TREND:
        first = np.searchsorted(world.release, days - settings.trend_days, side="right")
        last = np.searchsorted(world.release, days, side="right")
        return np.where(first < last, bounds[first], 0.0), np.where(first < last, bounds[last], bounds[-1])
    return np.zeros(len(days)), np.full(len(days), bounds[-1])


def season_of(days: np.ndarray, seasons: int) -> np.ndarray:
    """The season (n,), from 0, of days (n,) since 1970: whole months, divided as evenly as possible."""
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    found: np.ndarray = months * seasons // 12
    return found


def _draw_new(world: World, history: np.ndarray, segments: Segments, rng: np.random.Generator) -> np.ndarray:
    """An item of each segment, not met before where that is possible; (R,)."""
    chosen = np.full(len(history), -1, dtype=np.int64)
    for _ in range(TRIES):
        open_rows = np.flatnonzero(chosen < 0)
        if not len(open_rows):
            return chosen
        drawn = _draw_from(world, segments, open_rows, rng.random(len(open_rows)))
        new = ~(history[open_rows] == drawn[:, None]).any(axis=1)
        chosen[open_rows[new]] = drawn[new]
    for row in np.flatnonzero(chosen < 0):
        chosen[row] = _draw_unmet(world, history[row], rng)
    return chosen


def _draw_from(world: World, segments: Segments, rows: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    drawn = np.zeros(len(rows), dtype=np.int64)
    for number in np.unique(segments.pool[rows]):
        own = segments.pool[rows] == number
        drawn[own] = world.pools[number].draw(segments.low[rows[own]], segments.high[rows[own]], uniform[own])
    return drawn


def _draw_unmet(world: World, history: np.ndarray, rng: np.random.Generator) -> int:
    """Any item that was not met, by popularity; where all were, any but the last."""
    met = history if len(np.unique(history)) < world.n_items else history[-1:]
    weights = world.popularity.copy()
    weights[met] = 0.0
    return int(rng.choice(world.n_items, p=weights / weights.sum()))


def _draw_days(settings: SimulationSettings, real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Days (U, T): the first uniform over the years, then gaps of none or geometric days; -1 where not `real`.

    Where gaps to the last item matter, each user has a pace, so that an item's place says little of its gap.
    """
    first = FIRST_DAY + rng.integers(0, round(365.25 * settings.years), len(real))
    pace: float | np.ndarray = 1 / MEAN_GAP
    if settings.follows != "order":
        pace = np.minimum(1.0, MOST_WITHIN * rng.uniform(0.02, 1, (len(real), 1)) / settings.gap_days)
    gaps = rng.geometric(pace, real.shape)
    gaps[rng.random(real.shape) < settings.tied_days] = 0
    gaps[:, 0] = 0
    return np.where(real, first[:, None] + gaps.cumsum(axis=1), -1)
