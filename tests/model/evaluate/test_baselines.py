"""Baselines on a small table worked out by hand."""

import dataclasses

import numpy as np
import pytest
import torch

from posrec.data.prepare.prepared import Prepared
from posrec.data.prepare.repeats import new_targets
from posrec.model.evaluate import baselines
from posrec.model.evaluate.score import rank_requests, requests_of
from posrec.model.evaluate.sparse_ranks import SparseScores, rank_sparse
from tests.model.conftest import make_candidates, make_data

DAY = 86_400


def table() -> Prepared:
    """Two users. Training: 1 2 3 2 (January, January, March, March) and 2 3 (January, March); held out: 4 1 and 1 4."""
    january, march, april = (int(np.datetime64(f"2014-{m}-05", "s").astype(np.int64)) for m in ("01", "03", "04"))
    return dataclasses.replace(
        make_data(users=2, items=5, longest=1, attributes=0),
        offsets=np.array([0, 6, 10]),
        items=np.array([1, 2, 3, 2, 4, 1, 2, 3, 1, 4], np.int32),
        times=np.array(
            [january, january, march, march, april, january + 365 * DAY, january, march, april, march + 365 * DAY]
        ),
        train_length=np.array([4, 2], np.int32),
        validation=np.array([4, 8]),
        test=np.array([5, 9]),
    )


def dense(scores: SparseScores) -> np.ndarray:
    """All scores as dense rows: (R, I + 1)."""
    base = scores.base[scores.group]
    return base if scores.rows is None else scores.rows(np.arange(len(base))).toarray() + base


def test_popularity_counts_training_only() -> None:
    data = table()
    found = dense(baselines.popularity_scores(data, requests_of(data.test)))
    assert found.tolist() == [[0, 1, 3, 2, 0, 0]] * 2


def test_month_popularity_takes_the_calendar_month_of_the_request() -> None:
    data = table()
    found = dense(baselines.month_popularity_scores(data, requests_of(data.test)))
    assert np.floor(found).tolist() == [[0, 1, 2, 0, 0, 0], [0, 0, 1, 2, 0, 0]]  # January; March
    assert found[0, 3] > found[0, 4]  # equal counts are ordered by overall popularity


def test_markov_counts_what_followed_the_last_item() -> None:
    data = table()
    found = dense(baselines.markov_scores(data, requests_of(data.test)))
    # the histories end in the validation items 4 and 1; nothing follows 4 in training, 2 follows 1 once
    assert np.floor(found).tolist() == [[0] * 6, [0, 0, 1, 0, 0, 0]]
    at_validation = dense(baselines.markov_scores(data, requests_of(data.validation)))
    # they end in 2 and 3: after 2 came 3 twice, after 3 came 2 once
    assert np.floor(at_validation).tolist() == [[0, 0, 0, 2, 0, 0], [0, 0, 1, 0, 0, 0]]


def test_knn_by_hand() -> None:
    """Sequences 1 2 3 2 and 2 3. Pair (1, 2) is 1 and 3 steps apart: 1 + 1/3 forward, half of it backwards."""
    data = table()
    found = dense(baselines.knn_scores(data, requests_of(data.validation))) - baselines._tie_break(data)
    forward = np.zeros((6, 6))
    forward[1, 2], forward[1, 3], forward[2, 3], forward[3, 2], forward[2, 2] = 1 + 1 / 3, 1 / 2, 2, 1, 1 / 2
    both = forward + forward.T / 2
    # the first history is 1 2 3 2, the last item first; the second 2 3
    expected = [both[2] + 0.7 * both[3] + 0.49 * both[2] + 0.343 * both[1], both[3] + 0.7 * both[2]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_chance_is_each_users_own() -> None:
    data = table()
    requests = requests_of(data.test)
    ranks = rank_sparse(baselines.chance_scores(data, requests), data, requests, np.array([[5, 0, 0], [5, 1, 0]]))
    assert ranks.sampled_tied.tolist() == [1, 2]
    assert ranks.full_tied.tolist() == [1, 1]  # of 5 items: minus 3 met or the 4th as validation, minus the target


@pytest.mark.parametrize("name", list(baselines.SCORERS))
def test_sparse_ranks_are_those_of_dense_scores(name: str) -> None:
    """On histories that repeat items, targets among them, and candidates that are in the history or missing."""
    data = make_data(users=700, items=30, longest=12)
    requests, candidates = requests_of(data.test), make_candidates(data).test
    candidates[::3, :4] = 0
    scores = baselines.SCORERS[name](data, requests)
    found = rank_sparse(scores, data, requests, candidates)
    block = [(np.arange(len(requests.users)), torch.from_numpy(dense(scores)))]
    expected = rank_requests(iter(block), data, requests, candidates)
    for counts in vars(expected):
        np.testing.assert_array_equal(getattr(found, counts), getattr(expected, counts))


def test_a_scorer_that_prefers_the_history_finds_repeated_targets_and_no_new_one() -> None:
    """The first user's target was in the history, where no other item is a candidate; the second's was not."""
    data = dataclasses.replace(table(), items=np.array([1, 2, 3, 2, 4, 1, 2, 3, 1, 4], np.int32))
    requests = requests_of(data.test)
    history = np.zeros((2, 6), np.float32)
    for row, (user, target) in enumerate(zip(requests.users, requests.targets, strict=True)):
        history[row, data.items[data.offsets[user] : target]] = 1
    block = torch.from_numpy(history)
    negatives = np.array([[5, 0, 0], [5, 0, 0]])
    ranks = rank_requests(iter([(np.arange(2), block)]), data, requests, negatives)
    found = baselines.with_new(ranks, new_targets(data, requests.targets))
    assert found["full"]["MRR"] == (1 + 0.75) / 2  # the new target ties with item 5
    assert (found["new_full"]["MRR"], found["new_sampled"]["MRR"]) == (0.75, 0.75)
    assert baselines.with_new(ranks, None) == baselines.summary(ranks)
    assert baselines.with_new(ranks, np.zeros(2, bool)) == baselines.summary(ranks)


def test_summary_has_both_rankings() -> None:
    data = table()
    requests = requests_of(data.test)
    ranks = rank_sparse(baselines.chance_scores(data, requests), data, requests, np.array([[5, 0, 0], [5, 1, 0]]))
    found = baselines.summary(ranks)
    assert found["full"]["Hit@10"] == 1.0
    assert set(found) == {"sampled", "full"}
