"""Encodings that read times, keys or weights are the same in every engine: stacked seeds, and numba beside torch."""

import warnings
from collections.abc import Iterator

import pytest

from posrec.data.prepare.prepared import Prepared
from posrec.model.train import train_run
from tests.model.conftest import make_cell
from tests.model.encodings.test_time_and_kernels import CONTROLS, NEW
from tests.model.engines.stacks import EPOCHS, SETTINGS, alone, difference, together

TOLERANCE = 1e-10  # float64, after 21 steps
NUMBA = {"precision": "fp64", "engine": "numba"}


@pytest.fixture
def no_loop_over_seeds() -> Iterator[None]:
    """torch.vmap warns where it has no rule for an operation and computes one seed after the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("number", range(len(NEW)), ids=NEW)
def test_seeds_at_once_are_what_they_are_alone(data: Prepared, no_loop_over_seeds: None, number: int) -> None:
    cell = make_cell(NEW[number], head=("carca", "dot")[number % 2], **SETTINGS)
    trainings = together(cell, data, (1, 2))
    apart = [difference(one, alone(cell, data, seed, EPOCHS)) for seed, one in zip((1, 2), trainings, strict=True)]
    assert max(apart) <= TOLERANCE


@pytest.mark.parametrize("name", ["to_rope", "hstu_bias-time=request", "rope_learnt"])
def test_so_they_are_where_the_decoder_has_positions(data: Prepared, no_loop_over_seeds: None, name: str) -> None:
    cell = make_cell(name, decoder_positions=True, **SETTINGS)
    (one,) = together(cell, data, (1,), 2)
    assert difference(one, alone(cell, data, 1, 2)) <= TOLERANCE


@pytest.mark.parametrize("name", [*NEW, *CONTROLS])
def test_whole_trainings_by_numba_are_torchs(data: Prepared, name: str) -> None:
    """Losses and readings, so ranks too, and trained weights; attention on pairs stays torch's, rotations need none."""
    cells = [make_cell(name, dimension=16, numerics=numerics) for numerics in ({"precision": "fp64"}, NUMBA)]
    one, other = (train_run(cell, data, 1) for cell in cells)
    assert one.curve.loss == pytest.approx(other.curve.loss, rel=1e-10)
    assert one.curve.validation == pytest.approx(other.curve.validation, rel=1e-10)
    for epoch, weights in one.weights.items():
        for key, value in weights.items():
            assert (other.weights[epoch][key] - value).abs().max() <= 1e-8 * max(1.0, float(value.abs().max()))
