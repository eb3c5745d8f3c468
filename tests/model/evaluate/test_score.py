"""Ranks and ties: chance is chance, perfect is 1, order and place of candidates change nothing, NaN raises."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model.carca import Carca
from posrec.model.evaluate.metrics import mean_metrics
from posrec.model.evaluate.score import Ranks, Requests, ScoreError, model_scores, rank_requests, requests_of
from posrec.model.train import build_model
from posrec.study.encodings import ENCODINGS
from tests.model.conftest import make_candidates, make_cell, make_data, rank_test_users

MANY = make_data(users=300, items=500, longest=30)


def unmet_candidates(data: Prepared, negatives: int = 100) -> np.ndarray:
    rng = np.random.default_rng(3)
    requests = requests_of(data.test)
    rows = []
    for user in requests.users:
        met = data.items[data.offsets[user] : data.offsets[user + 1]]
        rows.append(rng.choice(np.setdiff1d(np.arange(1, data.n_items + 1), met), negatives, replace=False))
    return np.array(rows, np.int32)


def scored(data: Prepared, scores: Tensor) -> Iterator[tuple[np.ndarray, Tensor]]:
    yield np.arange(len(scores)), scores


def test_constant_scorer_is_at_chance() -> None:
    requests = requests_of(MANY.test)
    scores = torch.zeros(len(requests.users), MANY.n_items + 1)
    ranks = rank_requests(scored(MANY, scores), MANY, requests, unmet_candidates(MANY))
    assert mean_metrics(ranks.sampled_greater, ranks.sampled_tied)["Hit@10"] == pytest.approx(10 / 101, abs=1e-12)
    distinct = [
        len(set(MANY.items[MANY.offsets[u] : t]) - {MANY.items[t]})
        for u, t in zip(requests.users, requests.targets, strict=True)
    ]
    assert (
        ranks.full_tied == MANY.n_items - np.array(distinct) - 1
    ).all()  # never padding, history or the target itself


def test_perfect_scorer_gets_one() -> None:
    requests = requests_of(MANY.test)
    scores = torch.zeros(len(requests.users), MANY.n_items + 1)
    scores[torch.arange(len(scores)), torch.from_numpy(MANY.items[requests.targets].astype(np.int64))] = 1
    ranks = rank_requests(scored(MANY, scores), MANY, requests, unmet_candidates(MANY))
    for greater, tied in ((ranks.sampled_greater, ranks.sampled_tied), (ranks.full_greater, ranks.full_tied)):
        assert mean_metrics(greater, tied) == {"Hit@10": 1.0, "NDCG@10": 1.0, "MRR": 1.0}


def test_ranks_by_hand() -> None:
    # one user: history 1, 2 (and 3 as validation), target 4; items 5, 6 are unmet
    data = dataclasses.replace(
        make_data(users=1, items=6, longest=1),
        offsets=np.array([0, 4]),
        items=np.array([1, 2, 3, 4], np.int32),
        test=np.array([3]),
    )
    scores = torch.tensor([[9.0, 9, 9, 9, 1, 2, 1]])
    ranks = rank_requests(scored(data, scores), data, requests_of(data.test), np.array([[5, 6, 0]]))
    assert [int(column[0]) for column in dataclasses.astuple(ranks)] == [1, 1, 1, 1]


def test_a_repeated_target_is_no_competitor_of_itself() -> None:
    data = dataclasses.replace(
        make_data(users=1, items=6, longest=1),
        offsets=np.array([0, 4]),
        items=np.array([1, 2, 4, 4], np.int32),
        test=np.array([3]),
    )
    scores = torch.tensor([[0.0, 9, 9, 5, 4, 3, 3]])
    ranks = rank_requests(scored(data, scores), data, requests_of(data.test), np.array([[3, 5, 6]]))
    assert (int(ranks.full_greater[0]), int(ranks.full_tied[0])) == (1, 0)


def test_order_of_candidates_changes_nothing(data: Prepared) -> None:
    model = build_model(make_cell("learnt", precision="fp32"), data, seed=1)
    candidates = make_candidates(data)
    shuffled = dataclasses.replace(candidates, test=np.random.default_rng(0).permuted(candidates.test, axis=1))
    assert same(rank_test_users(model, data, candidates), rank_test_users(model, data, shuffled))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_unrankable_scores_raise(data: Prepared, bad: float) -> None:
    requests = requests_of(data.test)
    scores = torch.zeros(len(requests.users), data.n_items + 1)
    scores[0, 5] = bad
    with pytest.raises(ScoreError, match="NaN or infinite"):
        rank_requests(scored(data, scores), data, requests, make_candidates(data).test)


@pytest.mark.parametrize("dimension", [48, 90, 390])
@pytest.mark.parametrize(
    "settings",
    [
        {"heads": 1},
        {"heads": 3},
        {"heads": 3, "decoder_residual": "none"},
        {"head": "dot"},
        {"encoding": "rope", "heads": 3, "decoder_positions": True},
        {"encoding": "rmha4", "decoder_positions": True},
    ],
)
def test_identical_candidates_tie_bit_for_bit(dimension: int, settings: dict[str, Any]) -> None:
    """Items that share embedding and attributes get equal logits wherever they stand in the catalogue."""
    data = make_data(users=30, items=997, attributes=0)
    settings = {"encoding": "learnt_con", "dimension": dimension, **settings}
    model = build_model(make_cell(precision="fp32", **settings), data, seed=1)
    twins = torch.tensor([1, 2, 17, 63, 64, 65, 500, 960, 995, 996, 997])
    with torch.no_grad():
        model.item_embedding[twins] = model.item_embedding[1].clone()
    for _, scores in model_scores(model, data, requests_of(data.test)):
        assert (scores[:, twins] == scores[:, [1]]).all()
        assert scores[:, 1:998].unique(dim=1).shape[1] > 900  # the others differ


@pytest.mark.parametrize("residual", ["mul", "none"])
def test_one_item_histories(residual: str) -> None:
    """Without a decoder residual the candidate is only a query: with one key all candidates tie.

    A released-code fact.
    """
    data = make_data(users=30, items=50)
    first = Requests(np.arange(30)[np.diff(data.offsets) > 1], data.offsets[:-1][np.diff(data.offsets) > 1] + 1)
    model = build_model(make_cell(precision="fp32", decoder_residual=residual), data, seed=1)
    for _, scores in model_scores(model, data, first):
        tied = (scores[:, 1:51] == scores[:, [1]]).all()
        assert tied == (residual == "none")


def test_company_changes_no_rank_in_float64(data: Prepared) -> None:
    """A request alone and among all others: the same ranks."""
    model = build_model(make_cell("rmha4"), data, seed=1)
    candidates, requests = make_candidates(data).test, requests_of(data.test)
    together = rank_requests(model_scores(model, data, requests), data, requests, candidates)
    for index in np.array_split(np.arange(len(requests.users)), 7):
        part = requests.take(index)
        alone = rank_requests(model_scores(model, data, part), data, part, candidates[index])
        assert same(alone, Ranks(*(column[index] for column in dataclasses.astuple(together))))


def all_scores(model: Carca, data: Prepared, blocks: int = 1) -> Tensor:
    """Scores (R, I) of all requests as float64, computed in this many separate parts."""
    requests = requests_of(data.test)
    scores = torch.zeros(len(requests.users), data.n_items, dtype=torch.float64)
    for part in np.array_split(np.arange(len(requests.users)), blocks):
        for where, block in model_scores(model, data, requests.take(part)):
            scores[part[where]] = block[:, 1 : data.n_items + 1].double()
    return scores


def order_differs_only_within(one: Tensor, other: Tensor, data: Prepared, error: float) -> bool:
    """Whether candidates on another side of the target have scores within twice the error of the target's."""
    target = torch.from_numpy(data.items[requests_of(data.test).targets].astype(np.int64) - 1)[:, None]
    gaps = [scores - scores.gather(1, target) for scores in (one, other)]
    swapped = gaps[0].sign() != gaps[1].sign()
    return bool((gaps[0].abs()[swapped] <= 2 * error).all())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_float32_swaps_only_what_is_equal_within_its_error(data: Prepared, encoding: str) -> None:
    """The stated error of float32: 1e-5 of the largest score."""
    exact = all_scores(build_model(make_cell(encoding), data, seed=1), data)
    single = build_model(make_cell(encoding, precision="fp32"), data, seed=1)
    stated = 1e-5 * float(exact.abs().max())
    for blocks in (1, 7):
        rounded = all_scores(single, data, blocks)
        assert (exact - rounded).abs().max() < stated
        assert order_differs_only_within(exact, rounded, data, stated)


def test_evaluation_changes_nothing(data: Prepared) -> None:
    model = build_model(make_cell("abs", upper_bound=0.1, dropout=0.3), data, seed=1).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rank_test_users(model, data, make_candidates(data))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def same(one: Ranks, other: Ranks) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True))
