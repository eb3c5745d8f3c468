"""Softmax over shared negatives: the packed engine against the equations, the running sums against plain softmaxes."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.errors import StudyError
from posrec.model import equations, shared, streams
from posrec.model.batches import Batch, Sampler, target_shares
from posrec.model.carca import Carca
from posrec.model.losses import loss_function
from posrec.model.train import build_model, negative_counts
from posrec.study.encodings import ENCODINGS
from posrec.study.study import Cell
from tests.model.conftest import make_cell
from tests.model.test_packed_against_padded import dense_attributes, padded_slots

OF_TIME = ("abs_time", "time2vec")  # they add a vector of its time to a candidate
CARCA: dict[str, Any] = {"head": "carca", "candidate_context": "none"}
LOSSES: list[dict[str, Any]] = [
    {"loss": "softmax"},
    {"loss": "shared_softmax", "negatives": 7},
    {"loss": "shared_softmax", "shared_negatives": "in_batch"},
]
CASES: list[tuple[str, str, dict[str, Any]]] = [
    *((encoding, "sound", {"head": "dot", **LOSSES[1]}) for encoding in ENCODINGS),
    *((encoding, "sound", {**CARCA, **LOSSES[1]}) for encoding in ENCODINGS if encoding not in OF_TIME),
    *(("learnt_con", protocol, {**head, **loss}) for protocol in ("sound", "sound_last")
      for head in ({"head": "dot"}, CARCA) for loss in LOSSES),
    *(("learnt", "sound", {**CARCA, "decoder_residual": residual, **LOSSES[0]}) for residual in ("sum", "none")),
    ("learnt", "sound", {"head": "dot", "position_start": "begin", "context": False, **LOSSES[1]}),
]  # fmt: skip


def make_sampler(cell: Cell, data: Prepared) -> Sampler:
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    counts = negative_counts(cell.training, data.n_items)
    return Sampler(data, cell.model, cell.switches, 16, order, negatives, **counts)


def expected_loss(model: Carca, batch: Batch, data: Prepared) -> Tensor:
    """Mean over targets of -ln softmax, each candidate of each step scored by the equations."""
    assert batch.shared is not None
    ids, at, first = batch.items.ids[batch.tokens.index], 0, sum(g.users * g.keys for g in batch.layout)
    losses = []
    for group in batch.layout:
        for _ in range(group.users):
            history, targets = slice(at, at + group.keys), ids[first : first + group.queries]
            losses.append(user_losses(model, batch, data, history, targets, ids))
            at, first = at + group.keys, first + group.queries
    return torch.cat(losses).mean()


def user_losses(model: Carca, batch: Batch, data: Prepared, history: slice, targets: Tensor, ids: Tensor) -> Tensor:
    keep, length, tokens, negatives = ids[history] > 0, model.settings.max_length, batch.tokens, batch.shared
    assert tokens.times is not None
    assert tokens.asked is not None
    assert negatives is not None
    columns = (ids, tokens.context, tokens.rows, tokens.times, tokens.asked)
    slots = padded_slots([tuple(column[history][keep] for column in columns)], length)
    n, targets = int(keep.sum()), targets[targets > 0]
    everyone = [torch.cat([target[None], batch.items.ids[negatives.index]]) for target in targets]
    candidates = torch.cat(everyone)  # (N * (1 + K),)
    row = torch.full_like(candidates, length - (not model.encoding.shape.candidate_row))
    blank = torch.zeros(len(candidates), tokens.context.shape[1], dtype=torch.float64)
    no_time = torch.zeros(len(candidates), dtype=torch.float64)
    columns = (candidates, blank, row, no_time, no_time)
    visible = torch.zeros(1, len(candidates), length, dtype=torch.bool)
    for place in range(len(targets)):
        seen = place + 1 if model.causal else n
        visible[0, place * len(everyone[0]) : (place + 1) * len(everyone[0]), length - n : length - n + seen] = True
    logits = equations.logits(
        model, slots, padded_slots([columns], len(candidates)), visible, dense_attributes(data), model.item_embedding
    ).view(len(targets), -1)
    corrected = logits + torch.cat([torch.zeros(1), negatives.correction]).double()
    corrected[:, 1:][batch.items.ids[negatives.index] == targets[:, None]] = -torch.inf
    return corrected.logsumexp(1) - corrected[:, 0]


@pytest.mark.parametrize(("encoding", "protocol", "settings"), CASES)
def test_loss_and_gradients_are_those_of_the_equations(
    data: Prepared, encoding: str, protocol: str, settings: dict[str, Any]
) -> None:
    cell = make_cell(encoding, protocol, **settings)
    model = build_model(cell, data, seed=1)
    batch = next(make_sampler(cell, data).epoch())
    model.bound_embedding(batch.items.ids)
    output = model(batch.items, batch.tokens, batch.layout, batch.shared)
    loss = loss_function(cell.training, data.n_items)(output, batch)
    expected = expected_loss(model, batch, data)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    parameters = [p for p in model.parameters() if p.requires_grad]
    pairs = (torch.autograd.grad(one, parameters, allow_unused=True) for one in (loss, expected))
    for one, other in zip(*pairs, strict=True):
        one, other = (torch.zeros(()) if g is None else g.to_dense() for g in (one, other))
        torch.testing.assert_close(one + torch.zeros_like(other), other + torch.zeros_like(one), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("size", [1.0, 100.0, 1000.0])
def test_running_sums_are_softmaxes_of_each_prefix(size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    scores, gain = (torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    found = shared.running_attention(scores * size, gain)
    for step in range(5):
        past = slice(0, step + 1)
        expected = ((scores * size)[:, :, past].softmax(2) * gain[:, :, past]).sum((1, 2))
        torch.testing.assert_close(found[:, step], expected, rtol=1e-12, atol=1e-12)


def test_draws_and_corrections_by_hand() -> None:
    stream = np.random.default_rng(0)
    items, correction = shared.draw_uniform(11, 5, stream)
    assert len(set(items)) == 5
    assert items.min() >= 1
    assert items.max() <= 11
    np.testing.assert_allclose(correction, np.log(10 / 5), rtol=1e-6)
    everything, none = shared.draw_uniform(4, 9, stream)
    assert everything.tolist() == [1, 2, 3, 4]
    assert not none.any()
    popularity = np.array([0, 0.5, 0.25, 0.25])
    distinct, corrected = shared.in_batch(np.array([1, 0, 3, 1, 1]), popularity)
    assert distinct.tolist() == [1, 3]
    np.testing.assert_allclose(corrected, [np.log(3 / (4 * 0.5)), np.log(1 / (4 * 0.25))], rtol=1e-6)


def test_shares_of_targets_by_hand(data: Prepared) -> None:
    small = dataclasses.replace(
        data,
        offsets=np.array([0, 3, 4]),
        items=np.array([1, 2, 2, 3], np.int32),
        train_length=np.array([3, 1], np.int32),
    )
    assert target_shares(small)[:4].tolist() == [0, 0, 1, 0]  # the first item of a user is never a target


@pytest.mark.parametrize("encoding", OF_TIME)
def test_candidates_with_a_vector_of_their_time_are_refused(data: Prepared, encoding: str) -> None:
    with pytest.raises(StudyError, match=f"{encoding} adds a vector of its time to a candidate"):
        build_model(make_cell(encoding, **CARCA, **LOSSES[1]), data, 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"head": "carca"}, "candidate_context: none"),
        ({**CARCA, "position_start": "begin"}, "position_start: end"),
        ({**CARCA, "decoder_positions": True}, "decoder_positions: false"),
    ],
)
def test_what_differs_between_the_candidates_of_a_step_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        make_cell("rope", **settings, **LOSSES[1])
