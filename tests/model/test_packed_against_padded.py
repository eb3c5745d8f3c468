"""The packed engine computes what the equations say: loss, logits, gradients and test scores in float64."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from posrec.data.prepare.prepared import Prepared
from posrec.model import equations, streams
from posrec.model.attention import Packing
from posrec.model.batches import Batch, Sampler
from posrec.model.carca import Carca
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.losses import binary_cross_entropy
from posrec.model.train import build_model
from posrec.study.encodings import ENCODINGS
from posrec.study.study import Cell
from tests.model.conftest import make_cell

SETTINGS: list[dict[str, Any]] = [
    {},
    {"head": "dot"},
    {"residual": "sum", "decoder_residual": "sum", "activation": "silu"},
    {"residual": "none", "decoder_residual": "none", "activation": "gelu", "blocks": 1},
    {"position_start": "begin", "upper_bound": 2.0, "heads": 3},
    {"context": False, "activation": "relu"},
    {"norm": "rms", "upper_bound": 0.5, "upper_bound_norm": 1.0},
    {"norm": "none", "norm_place": "after", "dimension": 8},
    {"norm": "rms", "norm_place": "after", "residual": "sum"},
    {"norm_place": "after"},
    {"block": "sasrec", "residual": "sum"},
    {"block": "ligr", "residual": "sum", "head": "dot"},
]
RELEASED: list[tuple[str, dict[str, str], dict[str, Any]]] = [  # encoding, switches, settings
    ("learnt", {"causal": "released"}, {}),
    ("learnt", {"causal": "released"}, {"head": "dot"}),
    ("learnt_con", {"candidate_position_training": "released"}, {}),
    ("abs", {"candidate_position_training": "released", "targets": "last"}, {"position_start": "begin"}),
    ("rope", {"rope_axis": "released"}, {}),
    ("rmha2", {"rmha_softmax": "released"}, {}),
    ("rmha4", {"rmha_softmax": "released", "causal": "released"}, {"residual": "sum"}),
    ("rmha_control", {"rmha_softmax": "released", "targets": "last"}, {}),
    ("learnt", {"rmha_softmax": "released"}, {}),
    ("none", {"activation": "released"}, {}),
    ("none", {"activation": "released"}, {"activation": "silu"}),
    ("none", {"ff_residual": "released"}, {}),
    ("none", {"ff_residual": "released"}, {"residual": "sum"}),
    ("learnt", {"dot_head": "released"}, {"head": "dot"}),
    ("rmha4", {"base": "released"}, {}),
    ("rope", {"base": "released"}, {"head": "dot", "norm_place": "after"}),
]
CASES: list[tuple[str, str | dict[str, str], dict[str, Any]]] = [
    (encoding, protocol, s) for encoding in ENCODINGS for protocol in ("sound", "sound_last") for s in SETTINGS[:2]
]
CASES += [("learnt_con", protocol, s) for protocol in ("sound", "sound_last") for s in SETTINGS[2:]]
CASES += [
    (encoding, "sound", {"residual": residual, "decoder_residual": residual, "blocks": 1})
    for encoding in ENCODINGS
    for residual in ("sum", "none")
]
CASES += [
    (encoding, "sound", {"block": block, "residual": "sum", "head": "dot"})
    for encoding in ENCODINGS
    for block in ("sasrec", "ligr")
]
CASES += [(encoding, {"name": "mixed", **switches}, s) for encoding, switches, s in RELEASED]
IN_DECODER: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    *((name, {}, {}) for name in ("rope", "rope_one", "rmha2", "rmha_control", "alibi", "t5_bias", "relative_bias")),
    ("rope", {"base": "sound_last"}, {"position_start": "begin", "decoder_residual": "none"}),
    ("rmha2", {"base": "sound_last"}, {"position_start": "begin", "decoder_residual": "sum", "heads": 3}),
    ("rope", {"rope_axis": "released"}, {}),
    ("rmha4", {"rmha_softmax": "released"}, {}),
    ("rmha4", {"candidate_position_training": "released", "causal": "released"}, {}),
]
CASES += [(e, {"name": "mixed", **switches}, {**s, "decoder_positions": True}) for e, switches, s in IN_DECODER]


def sampler(cell: Cell, data: Prepared, batch_size: int = 16) -> Sampler:
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    packing: Packing = "padded" if cell.layout == "padded" else "classes"
    return Sampler(data, cell.model, cell.switches, batch_size, order, negatives, packing)


def dense_attributes(data: Prepared) -> Tensor:
    dense = torch.zeros(data.n_items + 1, data.n_attributes, dtype=torch.float64)
    item = np.repeat(np.arange(data.n_items + 1), np.diff(data.attribute_offsets))
    dense[torch.from_numpy(item), torch.from_numpy(data.attribute_ids.astype(np.int64))] = 1
    return torch.cat([dense, torch.from_numpy(data.features).double()], dim=1)


def padded_slots(rows: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]], width: int) -> equations.Slots:
    """Left-padded slots from the (ids, context, position rows, times, times of requests) of each user."""
    ids, context, position, times, asked = (
        torch.zeros(len(rows), width, dtype=torch.int64),
        torch.zeros(len(rows), width, rows[0][1].shape[1], dtype=torch.float64),
        torch.zeros(len(rows), width, dtype=torch.int64),
        torch.zeros(len(rows), width, dtype=torch.float64),
        torch.zeros(len(rows), width, dtype=torch.float64),
    )
    for user, (i, c, r, t, a) in enumerate(rows):
        if len(i):
            ids[user, -len(i) :], context[user, -len(i) :] = i, c.double()
            position[user, -len(i) :], times[user, -len(i) :], asked[user, -len(i) :] = r, t, a
    return equations.Slots(ids, context, position, times, asked)


def padded_training_logits(model: Carca, batch: Batch, data: Prepared, length: int) -> Tensor:
    """The padded model's logits of a packed batch, in the batch's order; padding slots of the batch are left 0."""
    ids = batch.items.ids[batch.tokens.index]
    at, candidate_at = 0, sum(g.users * g.keys for g in batch.layout)
    outputs = []
    for group in batch.layout:
        for _ in range(group.users):
            history = slice(at, at + group.keys)
            candidate = slice(candidate_at, candidate_at + group.queries)
            outputs.append(_padded_user(model, ids, batch, history, candidate, data, length))
            at, candidate_at = at + group.keys, candidate_at + group.queries
    return torch.cat(outputs)


def _padded_user(
    model: Carca, ids: Tensor, batch: Batch, history: slice, candidate: slice, data: Prepared, length: int
) -> Tensor:
    keep = ids[history] > 0
    tokens = batch.tokens
    assert tokens.times is not None
    assert tokens.asked is not None
    columns = (ids, tokens.context, tokens.rows, tokens.times, tokens.asked)
    slots = padded_slots([tuple(column[history][keep] for column in columns)], length)
    real = ids[candidate] > 0
    candidates = padded_slots([tuple(column[candidate][real] for column in columns)], int(real.sum()))
    n, half = int(keep.sum()), int(real.sum()) // 2
    visible = torch.zeros(1, 2 * half, length, dtype=torch.bool)
    for query in range(2 * half):
        # the dot head of a model without a mask, but with all targets, takes the item before each target
        by_step = model.causal or (model.settings.head == "dot" and model.switches.targets == "all")
        seen = query % half + 1 if by_step else n
        visible[0, query, length - n : length - n + seen] = True
    logits = equations.logits(model, slots, candidates, visible, dense_attributes(data), model.item_embedding)[0]
    result = torch.zeros(len(real), dtype=torch.float64)
    return result.index_put((real.nonzero()[:, 0],), logits)


def test_dense_features_and_a_wider_context(data: Prepared) -> None:
    rng = np.random.default_rng(5)
    features, context = rng.random((data.n_items + 1, 7)), rng.random((len(data.items), 9))
    wide = dataclasses.replace(data, features=features.astype(np.float32), context=context.astype(np.float32))
    test_loss_logits_and_gradients(wide, "learnt_con", "sound", {})
    model = build_model(make_cell("learnt_con"), wide, seed=1)
    assert model.feature_widths == [9, data.n_attributes, 7]


@pytest.mark.parametrize(("encoding", "protocol", "settings"), CASES)
def test_loss_logits_and_gradients(data: Prepared, encoding: str, protocol: Any, settings: dict[str, Any]) -> None:
    cell = make_cell(encoding, protocol, **settings)
    model = build_model(cell, data, seed=1)
    batch = next(sampler(cell, data).epoch())
    model.bound_embedding(batch.items.ids)
    packed = model(batch.items, batch.tokens, batch.layout)
    plain = padded_training_logits(model, batch, data, cell.model.max_length)
    real = batch.sign != 0
    assert real.sum() > 20
    torch.testing.assert_close(packed[real], plain[real], rtol=1e-10, atol=1e-10)

    loss = binary_cross_entropy(model(batch.items, batch.tokens, batch.layout), batch)
    expected = softplus(-batch.sign[real].double() * plain[real]).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    parameters = [p for p in model.parameters() if p.requires_grad]
    packed_gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    plain_gradients = torch.autograd.grad(expected, parameters, allow_unused=True)
    for one, other in zip(packed_gradients, plain_gradients, strict=True):
        one, other = (torch.zeros(()) if g is None else g.to_dense() for g in (one, other))
        torch.testing.assert_close(one + torch.zeros_like(other), other + torch.zeros_like(one), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("encoding", "protocol", "settings"), CASES)
def test_scores_of_every_request(data: Prepared, encoding: str, protocol: Any, settings: dict[str, Any]) -> None:
    cell = make_cell(encoding, protocol, **settings)
    model, length = build_model(cell, data, seed=1), cell.model.max_length
    requests = requests_of(data.test)
    scores = torch.zeros(len(requests.users), data.n_items + 1, dtype=torch.float64)
    for where, block in model_scores(model, data, requests):
        scores[where] = block[:, : data.n_items + 1]
    attributes, everything = dense_attributes(data), torch.arange(1, data.n_items + 1)
    first_time = min(data.times[data.offsets[u]] for u in range(data.n_users) if data.train_length[u])
    for number, (user, target) in enumerate(zip(requests.users, requests.targets, strict=True)):
        first = max(data.offsets[user], target - length)
        history = torch.from_numpy(data.items[first:target].astype(np.int64))
        n = len(history)
        at_end = cell.model.position_start == "end"
        rows = torch.arange(length - n, length) if at_end else torch.arange(n)
        days = torch.from_numpy((data.times - first_time) / 86_400)
        times, asked = days[first:target], days[first + 1 : target + 1]
        slots = padded_slots([(history, torch.from_numpy(data.context[first:target]), rows, times, asked)], length)
        context = torch.from_numpy(data.context[target]).expand(data.n_items, 6)
        after = int(model.switches.candidate_position_training == "sound")
        row = torch.full((data.n_items,), (length if at_end else n) - 1 + after)
        request = days[target].expand(data.n_items)
        candidates = padded_slots([(everything, context, row, request, request)], data.n_items)
        visible = slots.real[:, None, :].expand(1, data.n_items, length)
        expected = equations.logits(model, slots, candidates, visible, attributes, model.bounded_embedding())[0]
        torch.testing.assert_close(scores[number, 1:], expected, rtol=1e-10, atol=1e-10)
