"""The packed engine computes what the equations say: loss, logits, gradients and test scores in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from posrec.data.prepared import Prepared
from posrec.model import padded, streams
from posrec.model.batches import Batch, Sampler
from posrec.model.carca import Carca
from posrec.model.evaluate import model_scores, requests_of
from posrec.model.losses import binary_cross_entropy
from posrec.model.train import build_model
from posrec.settings import ENCODINGS
from posrec.study import Cell
from tests.model.conftest import make_cell

SETTINGS: list[dict[str, Any]] = [
    {},
    {"head": "dot"},
    {"residual": "sum", "decoder_residual": "sum", "activation": "silu"},
    {"residual": "none", "decoder_residual": "none", "activation": "gelu", "blocks": 1},
    {"position_start": "begin", "upper_bound": 2.0, "heads": 3},
    {"context": False, "activation": "relu"},
]
CASES = [
    (encoding, protocol, s) for encoding in ENCODINGS for protocol in ("sound", "sound_last") for s in SETTINGS[:2]
]
CASES += [("learnt_con", protocol, s) for protocol in ("sound", "sound_last") for s in SETTINGS[2:]]


def sampler(cell: Cell, data: Prepared, batch_size: int = 16) -> Sampler:
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    return Sampler(data, cell.model, cell.switches, batch_size, order, negatives)


def dense_attributes(data: Prepared) -> Tensor:
    dense = torch.zeros(data.n_items + 1, data.n_attributes, dtype=torch.float64)
    item = np.repeat(np.arange(data.n_items + 1), np.diff(data.attribute_offsets))
    dense[torch.from_numpy(item), torch.from_numpy(data.attribute_ids.astype(np.int64))] = 1
    return dense


def padded_slots(rows: list[tuple[Tensor, Tensor, Tensor]], width: int) -> padded.Slots:
    """Left-padded slots from the (ids, context, position rows) of each user."""
    ids, context, position = (
        torch.zeros(len(rows), width, dtype=torch.int64),
        torch.zeros(len(rows), width, 6, dtype=torch.float64),
        torch.zeros(len(rows), width, dtype=torch.int64),
    )
    for user, (i, c, r) in enumerate(rows):
        if len(i):
            ids[user, -len(i) :], context[user, -len(i) :], position[user, -len(i) :] = i, c.double(), r
    return padded.Slots(ids, context, position)


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
    context, rows = batch.tokens.context, batch.tokens.rows
    slots = padded_slots([(ids[history][keep], context[history][keep], rows[history][keep])], length)
    real = ids[candidate] > 0
    candidates = padded_slots(
        [(ids[candidate][real], context[candidate][real], rows[candidate][real])], int(real.sum())
    )
    n, half = int(keep.sum()), int(real.sum()) // 2
    visible = torch.zeros(1, 2 * half, length, dtype=torch.bool)
    for query in range(2 * half):
        seen = query % half + 1 if model.causal else n
        visible[0, query, length - n : length - n + seen] = True
    logits = padded.logits(model, slots, candidates, visible, dense_attributes(data), model.item_embedding)[0]
    result = torch.zeros(len(real), dtype=torch.float64)
    return result.index_put((real.nonzero()[:, 0],), logits)


@pytest.mark.parametrize(("encoding", "protocol", "settings"), CASES)
def test_loss_logits_and_gradients(data: Prepared, encoding: str, protocol: str, settings: dict[str, Any]) -> None:
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
        one, other = (torch.zeros(()) if g is None else g for g in (one, other))
        torch.testing.assert_close(one + torch.zeros_like(other), other + torch.zeros_like(one), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("encoding", "protocol", "settings"), CASES)
def test_scores_of_every_request(data: Prepared, encoding: str, protocol: str, settings: dict[str, Any]) -> None:
    cell = make_cell(encoding, protocol, **settings)
    model, length = build_model(cell, data, seed=1), cell.model.max_length
    requests = requests_of(data.test)
    scores = torch.zeros(len(requests.users), data.n_items + 1, dtype=torch.float64)
    for where, block in model_scores(model, data, requests):
        scores[where] = block[:, : data.n_items + 1]
    attributes, everything = dense_attributes(data), torch.arange(1, data.n_items + 1)
    for number, (user, target) in enumerate(zip(requests.users, requests.targets, strict=True)):
        first = max(data.offsets[user], target - length)
        history = torch.from_numpy(data.items[first:target].astype(np.int64))
        n = len(history)
        at_end = cell.model.position_start == "end"
        rows = torch.arange(length - n, length) if at_end else torch.arange(n)
        slots = padded_slots([(history, torch.from_numpy(data.context[first:target]), rows)], length)
        context = torch.from_numpy(data.context[target]).expand(data.n_items, 6)
        row = torch.full((data.n_items,), length if at_end else n)
        candidates = padded_slots([(everything, context, row)], data.n_items)
        visible = slots.real[:, None, :].expand(1, data.n_items, length)
        expected = padded.logits(model, slots, candidates, visible, attributes, model.bounded_embedding())[0]
        torch.testing.assert_close(scores[number, 1:], expected, rtol=1e-10, atol=1e-10)
