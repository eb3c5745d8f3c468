"""Scores of sampled candidates alone: those of the full catalogue but for rounding, whatever the candidates' places."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model.carca import Carca
from posrec.model.evaluate.sampled import SampledScorer, rank_sampled
from posrec.model.evaluate.score import Requests, ScoreError, evaluating, model_scores, requests_of
from posrec.model.ops.training import TrainingOps
from posrec.model.train import build_model
from tests.model.conftest import make_cell, make_data

SETTINGS: list[dict[str, Any]] = [
    {"heads": 1},
    {"heads": 3},
    {"heads": 3, "decoder_residual": "sum"},
    {"heads": 3, "decoder_residual": "none"},
    {"heads": 3, "position_start": "begin"},
    {"heads": 3, "context": False},
    {"heads": 3, "norm_place": "after", "upper_bound": 0.5},
    {"head": "dot"},
]


def shared_times(users: int = 60, days: int = 30) -> Prepared:
    """Requests of few days share their context; histories from one item on, longer than a request's block too."""
    data = make_data(users=users, items=600, longest=12)
    days_of = np.random.default_rng(5).integers(0, days, len(data.context))
    return dataclasses.replace(data, context=data.context[days_of])


def early_requests(data: Prepared) -> Requests:
    """Requests after 1, 2, 3 .. items: the target is any interaction but a user's first."""
    users = np.repeat(np.arange(data.n_users), np.diff(data.offsets))
    targets = np.setdiff1d(np.arange(len(data.items)), data.offsets[:-1])
    return Requests(users[targets], targets)


def drawn_candidates(data: Prepared, requests: Requests, count: int = 100) -> np.ndarray:
    candidates = np.random.default_rng(2).integers(1, data.n_items + 1, (len(requests.users), count))
    candidates[::7, -3:] = 0  # none
    return candidates.astype(np.int32)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("encoding", "dimension"), [("learnt", 90), ("learnt_con", 48), ("rmha4", 12)])
def test_scores_are_those_of_the_full_catalogue(encoding: str, dimension: int, settings: dict[str, Any]) -> None:
    data = shared_times()
    model = build_model(make_cell(encoding, precision="fp32", dimension=dimension, **settings), data, seed=1)
    requests = early_requests(data)
    candidates = drawn_candidates(data, requests)
    scores = sampled_scores(model, data, requests, candidates)
    full = full_scores(model, data, requests, candidates)
    exact = full_scores(model.double(), data, requests, candidates)
    own, allowed = (float((one - exact).norm()) for one in (scores, full))
    assert 0 < own <= 2 * allowed  # the error of float32
    assert (scores - full).abs().max() <= 1e-5 * full.abs().max()


@pytest.mark.parametrize(("encoding", "settings"), [("learnt", {}), ("rope", {"decoder_positions": True})])
def test_ranks_are_those_of_the_full_catalogue_but_for_rounding(encoding: str, settings: dict[str, Any]) -> None:
    data = shared_times()
    model = build_model(make_cell(encoding, precision="fp32", dimension=48, heads=3, **settings), data, seed=1).train()
    requests = early_requests(data)
    candidates = drawn_candidates(data, requests)
    candidates[:, 0] = data.items[requests.targets]  # the target among its own candidates ties
    greater, tied = rank_sampled(model, data, requests, candidates)
    assert model.training
    assert (tied >= 1).all()  # an item and its copy: the same bits wherever they stand
    assert greater.max() > 50
    decided = 0
    for where, block in model_scores(model, data, requests):
        places = torch.from_numpy(candidates[where].astype(np.int64))
        scores = block.gather(1, places).masked_fill(places == 0, -np.inf)
        of_target = block.gather(1, torch.from_numpy(data.items[requests.targets[where]].astype(np.int64))[:, None])
        above, not_below = ((scores > of_target + shift).sum(1).numpy() for shift in (1e-5, -1e-5))
        assert (above <= greater[where]).all()
        assert (greater[where] + tied[where] <= not_below).all()
        decided += int((above + tied[where] == not_below).sum())
    assert decided > 0.95 * len(greater)  # rounding decides few of them


@pytest.mark.parametrize("settings", [{"heads": 3}, {"heads": 2, "decoder_residual": "sum"}, {"head": "dot"}])
@pytest.mark.parametrize("dimension", [48, 90, 390])
@pytest.mark.parametrize("count", [50, 100, 1000])
def test_a_candidates_place_changes_no_bit(count: int, dimension: int, settings: dict[str, Any]) -> None:
    data = shared_times()
    model = build_model(make_cell("learnt", precision="fp32", dimension=dimension, **settings), data, seed=1)
    requests = early_requests(data)
    candidates = drawn_candidates(data, requests, count)
    order = np.random.default_rng(3).permutation(candidates.shape[1])
    scores = sampled_scores(model, data, requests, candidates)
    assert torch.equal(scores[:, 1 + order], sampled_scores(model, data, requests, candidates[:, order])[:, 1:])


def test_unrankable_scores_raise() -> None:
    data = shared_times()
    model = build_model(make_cell("learnt", precision="fp32"), data, seed=1)
    with torch.no_grad():
        model.output_bias.fill_(float("nan"))
    with pytest.raises(ScoreError, match="NaN or infinite"):
        rank_sampled(model, data, requests_of(data.test), drawn_candidates(data, requests_of(data.test)))


def sampled_scores(model: Carca, data: Prepared, requests: Requests, candidates: np.ndarray) -> Tensor:
    """Scores of the target and the candidates, (R, 1 + n), in the order of the requests."""
    scores = torch.empty(len(requests.users), 1 + candidates.shape[1])
    with torch.no_grad(), evaluating(model, TrainingOps()):
        for where, block in SampledScorer(model, data).score_listed(requests, candidates):
            scores[torch.from_numpy(where)] = block
    return scores


def full_scores(model: Carca, data: Prepared, requests: Requests, candidates: np.ndarray) -> Tensor:
    """The same, read from the scores of the full catalogue."""
    scores = torch.empty(len(requests.users), 1 + candidates.shape[1], dtype=model.item_embedding.dtype)
    for where, block in model_scores(model, data, requests):
        items = np.concatenate([data.items[requests.targets[where]][:, None], candidates[where]], 1)
        scores[torch.from_numpy(where)] = block.gather(1, torch.from_numpy(items.astype(np.int64)))
    return scores
