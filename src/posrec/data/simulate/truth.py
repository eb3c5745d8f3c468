"""What the simulator knows: how well its own model ranks the next item, and whether position or time carries that.

A user's last review is the target. The generating model knows the user's favourite categories, so nobody who must
learn them is expected to do better. Scores are expectations under the model, not counts of hits: little is left to
chance. Ties in time do not matter here; prepared data lose some order to them. The model that is blind to order takes
every order of the history as equally likely; a clever one can guess some of it from which items are there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from posrec.data.simulate.walks import (
    MEAN_GAP,
    POOL_OF,
    SUCCESSOR_WEIGHTS,
    Segments,
    Walks,
    bounds_on,
    category_segments,
    lag_weights,
    source_lags,
)
from posrec.data.simulate.world import FIRST_DAY, World
from posrec.study.settings.simulation import SimulationSettings

USERS = 1000  # the first of them are scored
TOP = 10
MOMENTS = 48  # sample of days that represents all of them
CARRIES = 0.05  # share of NDCG@10 that must be lost without a thing for it to carry something
CARRIERS = {"position": "order", "time": "time"}
DISCOUNTS = 1 / np.log2(np.arange(2, TOP + 2))


@dataclass(frozen=True)
class Known:
    """What a model knows of a request: the user's history (t,) and favourite categories; days (n,) on which it may be;
    weights (I,) of what may follow, see `successor_weights`; the items (m,) that may be the last, each as likely, and
    how likely it is that the last one is recent.
    """

    history: np.ndarray
    favourites: np.ndarray
    days: np.ndarray
    following: np.ndarray
    last: np.ndarray
    recent: float


def best_achievable(settings: SimulationSettings, world: World, walks: Walks) -> dict[str, Any]:
    """Expected Hit@10 and NDCG@10 on the full catalogue of the model itself, and of one blind to order or to time."""
    users = range(min(USERS, len(walks.lengths)))
    places = sources_of_all(settings, walks)
    rows = np.array([_scores_of(settings, world, walks, user, places) for user in users])  # (U, 3, 2)
    names = ("knowing_all", "blind_to_order", "blind_to_time")
    means = {name: {"Hit@10": hit, "NDCG@10": ndcg} for name, (hit, ndcg) in zip(names, rows.mean(axis=0), strict=True)}
    best = means["knowing_all"]["NDCG@10"]
    # Where gaps count, a model that is blind to order lacks these too: what order itself gives is what is added to it.
    without_time = means["blind_to_time"]["NDCG@10"] if settings.follows != "order" else best
    whole = {"position": without_time, "time": best}
    lost = {name: (whole[name] - means[f"blind_to_{blind}"]["NDCG@10"]) / best for name, blind in CARRIERS.items()}
    return {
        "users": len(users),
        "best_achievable": means,
        "carried_by": [carrier for carrier, share in lost.items() if share > CARRIES],
    }


def _scores_of(
    settings: SimulationSettings, world: World, walks: Walks, user: int, places: np.ndarray
) -> list[tuple[float, float]]:
    moments = np.linspace(FIRST_DAY, FIRST_DAY + 365.25 * settings.years, MOMENTS, endpoint=False).astype(np.int64)
    everything = known_of_last(settings, world, walks, user)
    history = everything.history
    as_set = successor_weights(world, history, _anywhere(settings, len(history)))
    untimed = everything.following
    if settings.follows != "order":
        untimed = successor_weights(world, history, places[None, len(history) - 1 :: -1])
    models = (
        everything,
        replace(everything, following=as_set, last=history),
        replace(everything, following=untimed, days=moments, recent=recent_chance(settings)),
    )
    now, disordered, ever = (item_probabilities(settings, world, known) for known in models)
    return [expected_metrics(now, scores, history) for scores in (now, disordered, ever)]


def known_of_last(settings: SimulationSettings, world: World, walks: Walks, user: int) -> Known:
    """All that can be known of a user's last review before it is made."""
    last = walks.lengths[user] - 1
    history, days = walks.items[user, :last], walks.days[user]
    following = successor_weights(world, history, known_sources(settings, days[:last]))
    recent = float(days[last] - days[last - 1] <= settings.recency_days)
    return Known(history, walks.favourites[user], days[last : last + 1], following, history[-1:], recent)


def recent_chance(settings: SimulationSettings) -> float:
    """How likely it is that the review before is at most recency_days old, whatever the day."""
    later = 1 - (1 - 1 / MEAN_GAP) ** settings.recency_days
    return settings.tied_days + (1 - settings.tied_days) * later


def successor_weights(world: World, history: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Weights (I,) of the items that may follow a history (t,), with sum 1, or 0 where none may.

    shares: (lags, t), how likely each item of the history is the one that a lag's next item succeeds.
    """
    weights = np.zeros(world.n_items)
    for lag, of_items in enumerate(shares):
        for number, weight in enumerate(SUCCESSOR_WEIGHTS):
            found = world.successors[lag, history, number]
            np.add.at(weights, found[found >= 0], weight * of_items[found >= 0])
    weights[history] = 0.0
    return weights / weights.sum() if weights.any() else weights


def known_sources(settings: SimulationSettings, days: np.ndarray) -> np.ndarray:
    """Shares (lags, t) of the items of a history on these days (t,), where their order and days are known."""
    lags, weights = source_lags(settings, days[None])[0], lag_weights(settings)
    shares = np.zeros((len(lags), len(days)))
    shares[np.arange(len(lags)), len(days) - 1 - lags] = weights[: len(lags)]
    return shares


def _anywhere(settings: SimulationSettings, length: int) -> np.ndarray:
    """Shares where every item of the history may be at every lag."""
    weights = np.array(lag_weights(settings)[:length])
    return np.tile(weights[:, None] / length, length)


def sources_of_all(settings: SimulationSettings, walks: Walks) -> np.ndarray:
    """How often each place before the last item (T,) is that of the source, over all users' last reviews."""
    found = np.zeros(walks.items.shape[1])
    for user, length in enumerate(walks.lengths):
        found[source_lags(settings, walks.days[[user], : length - 1])[0, 0]] += 1
    return found / len(walks.lengths)


def item_probabilities(settings: SimulationSettings, world: World, known: Known) -> np.ndarray:
    """Probabilities (I,) of the next item, the mean over what is not known. One that was met has 0, unless all were."""
    rest = 1 - settings.order if known.following.any() else 1.0
    result = settings.order * known.following
    for share, segments in _parts(settings, world, known):
        if share:
            result = result + rest * share * _segment_mean(world, segments, known.history)
    return result


def _parts(settings: SimulationSettings, world: World, known: Known) -> Iterator[tuple[float, Segments]]:
    left = 1.0
    for rule, pool in POOL_OF.items():
        share = getattr(settings, rule)
        left -= share
        yield share, Segments(np.full(len(known.days), pool), *bounds_on(settings, world, pool, known.days))
    left -= settings.recency
    yield settings.recency * known.recent, category_segments(world, world.category[known.last])
    anything = left * (1 - settings.category_loyalty) + settings.recency * (1 - known.recent)
    yield left * settings.category_loyalty, category_segments(world, known.favourites[known.favourites >= 0])
    yield anything, category_segments(world, np.array([-1]))


def _segment_mean(world: World, segments: Segments, history: np.ndarray) -> np.ndarray:
    """The mean over segments of the probabilities (I,) of their items that were not met."""
    result = np.zeros(world.n_items)
    for number, low, high in zip(segments.pool, segments.low, segments.high, strict=True):
        pool = world.pools[number]
        first = np.searchsorted(pool.cumulated, low, side="right")
        last = np.searchsorted(pool.cumulated, high, side="left") + 1
        chances = np.zeros(world.n_items)
        chances[pool.items[first:last]] = np.diff(pool.cumulated[first:last], prepend=low)
        chances[history] = 0.0
        if not chances.any():  # all of the segment was met
            chances = world.popularity.copy()
            chances[history] = 0.0
        result += chances / max(chances.sum(), np.finfo(float).tiny) / len(segments.pool)
    return result


def expected_metrics(chances: np.ndarray, scores: np.ndarray, history: np.ndarray) -> tuple[float, float]:
    """Hit@10 and NDCG@10 that are expected of ranking by `scores` (I,) when an item comes with `chances` (I,)."""
    ranked = np.where(np.isin(np.arange(len(scores)), history), -1.0, scores)
    size = min(TOP, len(ranked))
    top = np.argpartition(-ranked, size - 1)[:size]
    top = top[np.argsort(-ranked[top], kind="stable")]
    return float(chances[top].sum()), float((chances[top] * DISCOUNTS[:size]).sum())
