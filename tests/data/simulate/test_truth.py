"""The best that can be achieved: by hand on a tiny catalogue, against what users then did, and what carries it."""

from typing import Any

import numpy as np
import pytest

from posrec.data.simulate.simulate import draw_simulation
from posrec.data.simulate.truth import (
    best_achievable,
    expected_metrics,
    item_probabilities,
    known_of_last,
    recent_chance,
)
from posrec.study.settings.simulation import SimulationSettings

SETTINGS = SimulationSettings(users=3000, items=60, mean_length=6, categories=3, seed=5)


def test_metrics_of_a_ranking_by_hand() -> None:
    chances = np.array([0.0, 0.5, 0.3, 0.2] + [0.0] * 8)
    history = np.array([0])
    hit, ndcg = expected_metrics(chances, chances, history)
    assert (hit, ndcg) == pytest.approx((1.0, 0.5 + 0.3 / np.log2(3) + 0.2 / 2))
    hit, ndcg = expected_metrics(chances, np.arange(12.0), history)  # items 11 .. 2 are the top 10
    assert (hit, ndcg) == pytest.approx((0.5, 0.2 / np.log2(10) + 0.3 / np.log2(11)))


def model(changes: dict[str, Any], user: int) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of a user's last item, and its history."""
    settings = SETTINGS.model_copy(update=changes)
    world, walks, _ = draw_simulation(settings)
    known = known_of_last(settings, world, walks, user)
    return item_probabilities(settings, world, known), known.history


@pytest.mark.parametrize(
    "changes", [{}, {"season": 0.4, "trend": 0.3, "noise": 0.2}, {"order": 0.0}, {"order": 0.1, "recency": 0.7}]
)
def test_probabilities_sum_to_one_and_leave_out_what_was_met(changes: dict[str, Any]) -> None:
    chances, history = model(changes, user=7)
    assert chances.sum() == pytest.approx(1.0)
    assert (chances[history] == 0).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"order": 0.7},
        {"order": 0.2, "season": 0.6, "noise": 0.2},
        {"order": 0.1, "trend": 0.9},
        {"order": 0.0, "recency": 0.9},
        {"order": 0.7, "follows": "gap"},
        {"order": 0.7, "follows": "both"},
    ],
)
def test_users_do_what_the_model_expects(changes: dict[str, Any]) -> None:
    """The share of last items among the model's top ten is the expected Hit@10, within four standard errors."""
    settings = SETTINGS.model_copy(update=changes)
    world, walks, _ = draw_simulation(settings)
    hits, expected = [], []
    for user in range(1000):
        known = known_of_last(settings, world, walks, user)
        chances = item_probabilities(settings, world, known)
        expected.append(expected_metrics(chances, chances, known.history)[0])
        hits.append(walks.items[user, walks.lengths[user] - 1] in np.argsort(-chances)[:10])
    assert np.mean(hits) == pytest.approx(np.mean(expected), abs=4 * 0.5 / 1000**0.5)
    assert best_achievable(settings, world, walks)["best_achievable"]["knowing_all"]["Hit@10"] == pytest.approx(
        np.mean(expected)
    )


def test_how_often_the_last_item_is_recent() -> None:
    settings = SETTINGS.model_copy(update={"recency": 0.5, "recency_days": 20})
    walks = draw_simulation(settings)[1]
    gaps = np.diff(walks.days, axis=1)[walks.items[:, 1:] >= 0]
    assert recent_chance(settings) == pytest.approx((gaps <= 20).mean(), abs=0.02)


@pytest.mark.parametrize(
    ("changes", "carriers"),
    [
        ({"order": 0.8, "lag_weights": [1.0]}, ["position"]),
        ({"order": 0.0, "season": 0.8}, ["time"]),
        ({"order": 0.5, "trend": 0.8, "lag_weights": [1.0]}, ["position", "time"]),
        ({"order": 0.0, "recency": 1.0, "tied_days": 0.5}, ["position", "time"]),
        ({"order": 0.0}, []),
        ({"order": 0.8, "follows": "gap", "mean_length": 10, "items": 200, "categories": 1}, ["time"]),
        ({"order": 0.8, "follows": "both", "mean_length": 10, "items": 200, "categories": 1}, ["position", "time"]),
    ],
)
def test_what_carries_the_next_item(changes: dict[str, Any], carriers: list[str]) -> None:
    settings = SETTINGS.model_copy(update=changes)
    world, walks, _ = draw_simulation(settings)
    truth = best_achievable(settings, world, walks)
    assert truth["carried_by"] == carriers
    means = truth["best_achievable"]
    assert all(means["knowing_all"][metric] >= other[metric] - 1e-12 for other in means.values() for metric in other)
