"""Training: repeatable to the byte, paired across encodings, causal where it says so, and golden."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from posrec.data.prepare.prepared import Prepared
from posrec.errors import StudyError
from posrec.model import streams, train
from posrec.model.attention import make_group
from posrec.model.evaluate.score import requests_of
from posrec.model.inputs import Tokens, distinct_items
from posrec.model.ops.plain import ItemUpdate, Ops
from posrec.model.ops.training import TrainingOps
from posrec.model.optimiser import learning_rate_factor, make_optimiser
from posrec.model.train import (
    Curve,
    Training,
    TrainingFailed,
    build_model,
    train_run,
    validation_sample,
)
from posrec.study.encodings import ENCODINGS
from posrec.study.schedule import warm_up_steps
from posrec.study.settings.training import STREAMS
from posrec.study.study import Cell
from tests.model.conftest import make_cell, make_data


def trained_bytes(data: Prepared, seed: int, **settings: Any) -> dict[str, bytes]:
    trained = train_run(make_cell("rmha4", precision="fp32", dropout=0.3, **settings), data, seed)
    weights = trained.weights[trained.curve.best()[0]]
    return {name: value.numpy().tobytes() for name, value in weights.items()}


def test_same_seed_same_bytes_whatever_came_before(data: Prepared) -> None:
    first = trained_bytes(data, 1)
    other = trained_bytes(data, 2)
    torch.rand(17)
    assert trained_bytes(data, 1) == first
    assert other != first


@pytest.mark.parametrize("stream", STREAMS)
def test_each_stream_matters_and_can_be_held(data: Prepared, stream: str) -> None:
    """Holding all streams but one: another seed changes the run through that stream alone."""
    held = dict.fromkeys(STREAMS, 7)
    assert trained_bytes(data, 1, held_streams=held) == trained_bytes(data, 2, held_streams=held)
    free = {name: seed for name, seed in held.items() if name != stream}
    assert trained_bytes(data, 1, held_streams=free) != trained_bytes(data, 2, held_streams=free)


def test_the_trunk_starts_equal_across_encodings(data: Prepared) -> None:
    none = build_model(make_cell("none"), data, seed=3).state_dict()
    for encoding in ENCODINGS:
        other = build_model(make_cell(encoding), data, seed=3).state_dict()
        assert all(torch.equal(value, other[name]) for name, value in none.items())


def test_streams_are_independent_and_named() -> None:
    draws = [streams.numpy_stream(name, 1).integers(2**60) for name in STREAMS]
    assert len(set(draws)) == len(STREAMS)
    assert streams.stream_seeds(4, {"order": 9})["order"] == 9
    assert streams.stream_seeds(4, {"order": 9})["trunk"] == 4


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_causal_outputs_ignore_the_future(data: Prepared, encoding: str) -> None:
    """With positions counted from the begin, a step's encoding is the same whether or not more follows."""
    model = build_model(make_cell(encoding, position_start="begin"), data, seed=1)
    parts = model.item_parts(distinct_items(data, np.arange(data.n_items + 1)), model.bounded_embedding())
    ids, context, times = torch.tensor([5, 9, 2, 40, 7]), torch.rand(5, 6), torch.tensor([0, 1, 3, 3, 50]).double()

    def encoded(n: int) -> torch.Tensor:
        asked = torch.cat([times, times[-1:] + 7])[1 : n + 1]
        tokens = Tokens(ids[:n], context[:n], torch.arange(n), times[:n], asked)
        layout = [make_group(np.array([n]), n, 1, causal=True)]
        return model.encode_history(model.encode_tokens(parts, tokens), tokens.rows, layout, tokens.times, tokens.asked)

    torch.testing.assert_close(encoded(5)[:3], encoded(3), rtol=1e-10, atol=1e-10)


def test_none_is_blind_to_order_under_last_targets() -> None:
    """CARCA's head, no context, no mask: permuting the history changes no logit; with learnt positions it does."""
    data = make_data(users=20, items=40, longest=9)
    permuted = data.items.copy()
    for begin, test in zip(data.offsets[:-1], data.test, strict=True):
        if test > 0:
            permuted[begin:test] = np.random.default_rng(0).permutation(permuted[begin:test])
    shuffled = dataclasses.replace(data, items=permuted)
    for encoding, blind in (("none", True), ("learnt", False), ("rmha4", False), ("rope", False)):
        model = build_model(make_cell(encoding, "sound_last", context=False, max_length=12), data, seed=1)
        one, other = (
            torch.cat([s for _, s in train.model_scores(model, d, requests_of(d.test))]) for d in (data, shuffled)
        )
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-10) == blind, encoding


def test_early_stopping_and_selection(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([0.1, 0.3, 0.2, 0.3, 0.1, 0.9])
    monkeypatch.setattr(train, "_validate", lambda *_: next(readings))
    trained = train_run(make_cell(epochs=50, patience=3), data, 1)
    assert trained.curve.best() == (2, 0.3)  # the first of equals
    assert trained.curve.epoch == [1, 2, 3, 4, 5]
    assert list(trained.weights) == [2]


def test_a_plateau_lowers_the_rate_twice_and_then_ends(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience 2; the readings bring plateaus after epochs 4, 7 and 9, and an improvement in epoch 5."""
    readings, rates = iter([0.1, 0.2, 0.2, 0.1, 0.3, 0.1, 0.3, 0.2, 0.1]), []
    monkeypatch.setattr(train, "_validate", lambda *_: next(readings))
    cell = make_cell(schedule="plateau", epochs=50, patience=2, warmup_steps=0, learning_rate=0.01)

    def note(training: Training) -> None:
        if training.steps.loss:
            rates.append(training.optimiser.param_groups[0]["lr"])

    trained = train_run(cell, data, 1, after_step=note)
    assert (trained.curve.epoch[-1], trained.curve.best()[0]) == (9, 5)
    assert not trained.curve.still_rising(50)
    steps = len(rates) // 9  # after the last step of an epoch the next one's rate is not known yet
    epochs = [rates[steps * epoch] for epoch in range(9)]
    assert epochs == pytest.approx([0.01] * 4 + [0.002] * 3 + [0.0004] * 2)


@pytest.mark.parametrize(
    ("readings", "plateaus"),
    [([], 0), ([0.1, 0.2, 0.3], 0), ([0.3, 0.3, 0.2], 1), ([0.3, 0.1, 0.2, 0.2, 0.3], 2), ([0.3, np.nan, 0.2, 0.1], 1)],
)
def test_plateaus_by_hand(readings: list[float], plateaus: int) -> None:
    assert Curve(epoch=list(range(len(readings))), validation=readings).plateaus(patience=2) == plateaus


def test_validation_read_every_second_epoch(data: Prepared) -> None:
    curve = train_run(make_cell(epochs=5, validate_every=2), data, 1).curve
    assert np.isnan(curve.validation).tolist() == [True, False, True, False, False]


def test_keep_weights_keeps_every_evaluated_epoch(data: Prepared) -> None:
    assert list(train_run(make_cell(epochs=4, keep_weights=True), data, 1).weights) == [1, 2, 3, 4]


def test_divergence_is_a_failure_of_the_run(data: Prepared) -> None:
    with pytest.raises(TrainingFailed, match="step"):
        train_run(make_cell(learning_rate=1e12, epochs=6, warmup_steps=0, precision="fp32"), data, 1)


def test_learning_rate_by_hand() -> None:
    constant = rate_factor(make_cell(warmup_steps=4, epochs=4))
    assert [constant(step) for step in (0, 1, 3, 4, 39)] == [0.25, 0.5, 1, 1, 1]
    linear = rate_factor(make_cell(warmup_steps=10, schedule="linear", epochs=11))
    assert [linear(step) for step in (9, 10, 60, 110)] == [1, 1, 0.5, 0]
    released = rate_factor(make_cell(protocol=one_switch("warm_up"), warmup_steps=4))
    assert [released(step) for step in (0, 1, 3, 4, 29)] == [0, 0.25, 0.75, 1, 1]
    assert rate_factor(make_cell(protocol=one_switch("warm_up"), warmup_steps=0))(0) == 1


@pytest.mark.parametrize(("epochs", "found"), [(1, 0), (4, 2), (100, 50), (1000, 100)])
def test_without_a_number_the_warm_up_is_short(epochs: int, found: int) -> None:
    cell = make_cell(warmup_steps=None, epochs=epochs)
    assert warm_up_steps(cell.training, cell.switches, 10) == found


def test_a_warm_up_of_more_than_a_tenth_is_an_error(data: Prepared) -> None:
    fits, long = (make_cell(warmup_steps=number, epochs=4) for number in (4, 5))
    assert warm_up_steps(fits.training, fits.switches, 10) == 4
    with pytest.raises(StudyError, match=r"warmup_steps: 5 is more than a tenth of the 40 steps .* at most 4"):
        warm_up_steps(long.training, long.switches, 10)
    with pytest.raises(StudyError, match="warmup_steps"):
        train_run(make_cell(warmup_steps=300), data, 1)
    released = make_cell(protocol=one_switch("warm_up"), warmup_steps=300)
    assert warm_up_steps(released.training, released.switches, 10) == 300


def one_switch(name: str) -> dict[str, str]:
    return {"name": "one", "base": "sound", name: "released"}


def rate_factor(cell: Cell) -> Callable[[int], float]:
    steps = warm_up_steps(cell.training, cell.switches, 10)
    return learning_rate_factor(cell.training, 10, steps, cell.switches)


@pytest.mark.parametrize("released", [False, True])
def test_where_adamw_adds_eps(released: bool) -> None:
    """Five updates against the published equations, with gradients near eps; released: eps outside the correction."""
    cell = make_cell(
        protocol=one_switch("optimiser") if released else "sound", learning_rate=0.1, warmup_steps=0, weight_decay=0.1
    )
    parameter = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimiser, rate = make_optimiser([parameter], cell, 10)
    x, mean, square = parameter.detach().numpy().copy(), np.zeros(2), np.zeros(2)
    for step in range(1, 6):
        expected_eps = 1e-8 / np.sqrt(1 - 0.999**step) if released else 1e-8
        assert optimiser.param_groups[0]["eps"] == pytest.approx(expected_eps, rel=1e-12)
        gradient = np.array([3e-8 * step, -1e-6])
        parameter.grad = torch.from_numpy(gradient)
        optimiser.step()
        rate.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        x = x * (1 - 0.1 * 0.1)
        first, second = 1 - 0.9**step, 1 - 0.999**step
        if released:
            x = x - 0.1 * np.sqrt(second) / first * mean / (np.sqrt(square) + 1e-8)
        else:
            x = x - 0.1 * (mean / first) / (np.sqrt(square / second) + 1e-8)
        assert np.allclose(parameter.detach().numpy(), x, rtol=1e-10, atol=0)


def test_the_eps_of_the_next_update_is_restored() -> None:
    cell = make_cell(protocol=one_switch("optimiser"), warmup_steps=0)
    optimisers = []
    for steps in (3, 0):
        parameter = nn.Parameter(torch.ones(2))
        optimiser, rate = make_optimiser([parameter], cell, 10)
        for _ in range(steps):
            parameter.grad = torch.ones(2)
            optimiser.step()
            rate.step()
        optimisers.append((optimiser, rate))
    (first, first_rate), (second, second_rate) = optimisers
    second.load_state_dict(first.state_dict())
    second_rate.load_state_dict(first_rate.state_dict())
    assert second.param_groups[0]["eps"] == first.param_groups[0]["eps"] == 1e-8 / (1 - 0.999**4) ** 0.5
    second.step()
    second_rate.step()
    assert second.param_groups[0]["eps"] == 1e-8 / (1 - 0.999**5) ** 0.5


def test_validation_sample_is_fixed(data: Prepared) -> None:
    sample = validation_sample(data, 7)
    assert len(sample.users) == 7
    assert np.array_equal(sample.users, validation_sample(data, 7).users)
    assert len(validation_sample(data, 10_000).users) == (data.validation >= 0).sum()


def test_best_ignores_epochs_not_read() -> None:
    assert Curve([1, 2, 3], [1, 1, 1], [float("nan"), 0.2, 0.1]).best() == (2, 0.2)


@pytest.mark.parametrize(
    ("readings", "epochs", "rising"),
    [
        ([0.1, 0.2, 0.3], 3, True),  # the last is the best
        ([0.1, 0.3, 0.2], 3, True),  # the one before
        ([0.3, 0.1, 0.2], 3, False),
        ([0.1, 0.2, 0.3], 4, False),  # stopped before the ceiling
        ([float("nan"), 0.2, float("nan"), 0.3, float("nan"), 0.1], 6, True),  # read every second epoch
        ([float("nan"), 0.3, float("nan"), 0.2, float("nan"), 0.1], 6, False),
    ],
)
def test_a_run_is_still_rising_where_its_last_readings_are_its_best(
    readings: list[float], epochs: int, rising: bool
) -> None:
    curve = Curve(list(range(1, len(readings) + 1)), [1.0] * len(readings), readings)
    assert curve.still_rising(epochs) == rising


def test_upper_bound_holds_for_touched_rows_only(data: Prepared) -> None:
    model = build_model(make_cell(upper_bound=0.5), data, seed=1)
    before = model.item_embedding.detach().clone()
    model.bound_embedding(torch.tensor([3, 4]))
    norms = model.item_embedding.detach().norm(dim=1)
    assert norms[[3, 4]].max() <= 0.5 + 1e-12
    assert torch.equal(model.item_embedding.detach()[5:], before[5:])
    assert model.bounded_embedding().norm(dim=1).max() <= 0.5 + 1e-12


@pytest.mark.parametrize("bound", [1e-4, 1.0])
def test_the_released_upper_bound_is_that_of_torch(data: Prepared, bound: float) -> None:
    """torch's embedding divides by norm + 1e-7: rows of twice the bound end at bound / (1 + 1e-7 / (2 bound))."""
    ids = torch.arange(1, 30)
    for protocol, share in ((one_switch("max_norm"), 1 / (1 + 5e-8 / bound)), ("sound", 1.0)):
        model = build_model(make_cell(protocol=protocol, upper_bound=bound), data, seed=1)
        rows = model.item_embedding.data
        rows *= 2 * bound / rows.norm(dim=1, keepdim=True).clamp_min(1e-30)
        of_torch = rows.clone()
        torch.nn.functional.embedding(ids, of_torch, max_norm=bound)  # in place
        evaluated = model.bounded_embedding()
        model.bound_embedding(ids)
        assert torch.equal(evaluated[ids], rows[ids])
        torch.testing.assert_close(
            rows[ids].norm(dim=1), torch.full((29,), bound * share, dtype=torch.float64), rtol=1e-12, atol=0
        )
        assert bool(((rows - of_torch).abs() <= 1e-14 * bound).all()) == (protocol != "sound")


class Dense(TrainingOps):
    """With the gradient that torch makes by itself."""

    look_up = Ops.look_up


def test_the_kept_gradient_is_torchs_own_bit_for_bit() -> None:
    """Rows of a batch only are written, those of the batch before are cleared: as if the whole were made anew."""
    data = make_data(users=60, items=300)
    cell = make_cell("learnt", precision="fp32", epochs=2, batch_size=8, weight_decay=0.1, dropout=0.2)
    kept = Training(cell, data, 1)
    anew = Training(cell, data, 1)
    anew.model.use(Dense())
    anew.items = ItemUpdate()
    for training in (kept, anew):
        torch.manual_seed(3)
        training.train_epoch(lambda: None)
    assert kept.steps == anew.steps
    for one, other in zip(kept.model.parameters(), anew.model.parameters(), strict=True):
        assert torch.equal(one, other)
