"""Twenty steps of training, packed and as the equations read: the same parameters, and no larger float32 error."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from benchmarks.speed_reference import dense_attributes, packed_loss, reference_loss

from posrec.data.prepared import Prepared
from posrec.model import streams
from posrec.model.batches import Batch, Sampler
from posrec.model.train import build_model
from posrec.study import Cell
from tests.model.conftest import make_cell

STEPS = 20
SETTINGS = [
    ("none", {}),
    ("learnt", {"residual": "sum", "decoder_residual": "none"}),
    ("learnt", {"head": "dot", "norm": "rms", "norm_place": "after"}),
    ("rope", {"decoder_residual": "sum", "activation": "gelu"}),
    ("rmha4", {"residual": "none"}),
    ("learnt", {"upper_bound": 2.0}),
]


def endless(cell: Cell, data: Prepared, padded: bool) -> Iterator[Batch]:
    """Batches of one seed, in packed layout or with every history in L slots: the same users and negatives."""
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    sampler = Sampler(data, cell.model, cell.switches, 16, order, negatives, padded)
    while True:
        yield from sampler.epoch()


def trained(cell: Cell, data: Prepared, padded: bool, steps: int = STEPS) -> np.ndarray:
    """All parameters after so many steps of AdamW."""
    model = build_model(cell, data, 1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.001)
    attributes = dense_attributes(data).to(model.item_embedding.dtype)
    for _, batch in zip(range(steps), endless(cell, data, padded), strict=False):
        model.bound_embedding(batch.items.ids)
        length = cell.model.max_length
        loss = reference_loss(model, batch, attributes, length) if padded else packed_loss(model, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.cat([value.detach().flatten() for value in model.parameters()]).numpy()


@pytest.mark.parametrize(("encoding", "settings"), SETTINGS)
def test_parameters_after_twenty_steps(data: Prepared, encoding: str, settings: dict[str, str]) -> None:
    cell = make_cell(encoding, **settings)
    packed, plain = (trained(cell, data, padded) for padded in (False, True))
    assert np.abs(packed - trained(cell, data, padded=False, steps=0)).max() > 0.01
    np.testing.assert_allclose(packed, plain, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("encoding", "settings"), SETTINGS)
def test_error_of_float32(data: Prepared, encoding: str, settings: dict[str, str]) -> None:
    """At most twice the padded model's own, over the losses of an epoch and their gradients."""
    exact, packed, plain = (
        losses_and_gradients(make_cell(encoding, precision=precision, **settings), data, padded)
        for precision, padded in (("fp64", True), ("fp32", False), ("fp32", True))
    )
    assert rms(packed - exact) <= 2 * rms(plain - exact)


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def losses_and_gradients(cell: Cell, data: Prepared, padded: bool) -> np.ndarray:
    """Of the first batches at the initial weights, in one array."""
    model, parts = build_model(cell, data, 1), []
    attributes = dense_attributes(data).to(model.item_embedding.dtype)
    for _, batch in zip(range(3), endless(cell, data, padded), strict=False):
        length = cell.model.max_length
        model.zero_grad()
        loss = reference_loss(model, batch, attributes, length) if padded else packed_loss(model, batch)
        loss.backward()
        gradients = [value.grad for value in model.parameters()]
        parts += [loss.detach().flatten(), *(grad.flatten() for grad in gradients if grad is not None)]
    return torch.cat(parts).numpy().astype(np.float64)
