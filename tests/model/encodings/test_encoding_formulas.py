"""The field's encodings, the controls and the released switches, against numpy formulas and facts."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model.encodings import Pairs, Shape, Steps, build_encoding
from posrec.model.encodings.tensors import slot_distance
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.quirks import second_softmax
from posrec.model.train import build_model
from tests.model.conftest import make_cell, make_data

SHAPE = Shape(dimension=8, heads=2, blocks=2, max_length=6)
DAYS = np.array([[0, 1, 1, 4, 9, 9, 30], [2, 3, 8, 8, 8, 40, 41]])
STEPS = Steps(torch.arange(7).expand(2, 7), torch.from_numpy(DAYS.astype(float)))
PAIRS = Pairs(slot_distance(7, 7), STEPS, STEPS)


def build(name: str, shape: Shape = SHAPE) -> Any:
    encoding = build_encoding(name, shape, torch.Generator().manual_seed(5)).double()
    with torch.no_grad():
        for parameter in encoding.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(6)).double() / 10)
    return encoding


def indexed(encoding: Any, keys: Tensor, values: Tensor, index: np.ndarray) -> None:
    """Scores and values of a table by loops, and their gradients; index: (B, 7, 7)."""
    rng = np.random.default_rng(2)
    query, weights, probe = rng.normal(size=(2, 2, 7, 4)), rng.random((2, 2, 7, 7)), rng.normal(size=(2, 2, 7, 7))
    scores, mixed, gradient = np.zeros((2, 2, 7, 7)), np.zeros((2, 2, 7, 4)), np.zeros(tuple(keys.shape))
    k, v = keys.detach().numpy(), values.detach().numpy()
    for b, i, j in np.ndindex(2, 7, 7):
        row = index[b, i, j]
        scores[b, :, i, j] = query[b, :, i] @ k[row]
        mixed[b, :, i] += weights[b, :, i, j, None] * v[row]
        gradient[row] += probe[b, :, i, j] @ query[b, :, i]
    found = encoding.scores(torch.from_numpy(query), PAIRS, 1)
    np.testing.assert_allclose(found.detach().numpy(), scores, atol=1e-10)
    shifted = encoding.values(torch.from_numpy(weights), PAIRS, 1)
    np.testing.assert_allclose(shifted.detach().numpy(), mixed, atol=1e-10)
    (backward,) = torch.autograd.grad((found * torch.from_numpy(probe)).sum(), encoding.keys)
    np.testing.assert_allclose(backward[1].numpy(), gradient, atol=1e-10)


def test_rmha_of_any_distance_by_loops() -> None:
    encoding = build("rmha2")
    index = np.clip(np.arange(7)[None, :] - np.arange(7)[:, None], -2, 2) + 2
    indexed(encoding, encoding.keys[1], encoding.relative_values[1], np.stack([index, index]))


def test_time_intervals_by_loops() -> None:
    encoding = build("time_interval-clip=5-unit=2")
    index = np.minimum(np.abs(DAYS[:, :, None] - DAYS[:, None, :]) // 2, 5)
    indexed(encoding, encoding.keys[1], encoding.interval_values[1], index)


def test_alibi_by_formula() -> None:
    found = build("alibi").scores(torch.zeros(1, 2, 7, 4), PAIRS, 0).numpy()
    for head, i, j in np.ndindex(2, 7, 7):
        assert found[head, i, j] == pytest.approx(-(2.0 ** (-8 * (head + 1) / 2)) * abs(i - j))


def t5_reference(distance: int, buckets: int, reach: int, causal: bool) -> int:
    offset = 0
    if not causal:
        buckets //= 2
        offset, distance = (buckets if distance > 0 else 0), -abs(distance)
    back, exact = max(0, -distance), buckets // 2
    if back < exact:
        return offset + back
    return offset + min(buckets - 1, exact + int(math.log(back / exact) / math.log(reach / exact) * (buckets - exact)))


@pytest.mark.parametrize("causal", [True, False])
def test_t5_buckets_by_formula(causal: bool) -> None:
    encoding = build("t5_bias-buckets=8-reach=20", Shape(8, 2, 2, 60, causal))
    distance = slot_distance(50, 50)
    found = encoding.scores(torch.zeros(1, 2, 50, 4), Pairs(distance), 0)
    for i, j in np.ndindex(50, 50):
        row = t5_reference(j - i, 8, 20, causal)
        np.testing.assert_allclose(found[:, i, j].detach().numpy(), encoding.bias[row].detach().numpy())
    (gradient,) = torch.autograd.grad(found.sum(), encoding.bias)
    counts = np.bincount([t5_reference(j - i, 8, 20, causal) for i, j in np.ndindex(50, 50)], minlength=8)
    np.testing.assert_allclose(gradient.numpy(), np.stack([counts, counts], 1))


def test_relative_bias_by_formula() -> None:
    encoding = build("relative_bias-clip=2")
    found = encoding.scores(torch.zeros(1, 2, 7, 4), PAIRS, 1).detach().numpy()
    for head, i, j in np.ndindex(2, 7, 7):
        assert found[head, i, j] == float(encoding.bias[1, head, min(2, max(-2, j - i)) + 2].detach())


@pytest.mark.parametrize(("name", "control"), [("rmha3", "rmha_control"), ("learnt_con", "con_control")])
def test_a_control_is_its_encoding_with_zero_tables(data: Prepared, name: str, control: str) -> None:
    one, other = (build_model(make_cell(encoding), data, seed=1) for encoding in (name, control))
    with torch.no_grad():
        for key, value in one.encoding.named_parameters():
            if key in ("keys", "relative_values", "vectors"):
                value.zero_()
            else:
                dict(other.encoding.named_parameters())[key].copy_(value)
    torch.testing.assert_close(scores(one, data), scores(other, data), rtol=1e-12, atol=1e-12)


def scores(model: Any, data: Prepared) -> Tensor:
    return torch.cat([block for _, block in model_scores(model, data, requests_of(data.test))])


def test_rope_one_turns_the_first_block_alone() -> None:
    rope, one = build("rope"), build("rope_one")
    x, rows = torch.randn(3, 2, 4, dtype=torch.float64), torch.tensor([0, 2, 5])
    assert torch.equal(one.rotate(x, rows, 0), rope.rotate(x, rows, 0))
    assert torch.equal(one.rotate(x, rows, 1), x)
    assert not torch.equal(rope.rotate(x, rows, 1), x)


def test_rope_on_the_batch_axis_is_none(data: Prepared) -> None:
    protocol = {"name": "mixed", "rope_axis": "released"}
    cells = [make_cell("rope", protocol), make_cell("none"), make_cell("rope")]
    released, none, sound = (scores(build_model(cell, data, seed=1), data) for cell in cells)
    torch.testing.assert_close(released, none, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(sound, none, rtol=1e-6, atol=1e-6)


def test_the_second_softmax_is_within_a_factor_e_of_uniform() -> None:
    weights = (10 * torch.randn(3, 2, 6, 6, dtype=torch.float64)).softmax(3)
    assert weights.max() > 0.9
    again = second_softmax(weights, causal=False)
    assert again.max() <= math.e / 6
    assert again.min() >= 1 / 6 / math.e
    np.testing.assert_allclose(again.numpy(), (weights.exp() / weights.exp().sum(3, keepdim=True)).numpy(), atol=1e-12)
    assert second_softmax(weights, causal=True).triu(1).abs().max() == 0


def test_published_rotatory_vectors_are_all_the_same() -> None:
    def least_similar(name: str) -> float:
        table = build_encoding(name, Shape(90, 1, 1, 75), torch.Generator().manual_seed(1)).double().table()
        unit = table / table.norm(dim=1, keepdim=True)
        return float((unit @ unit.T).min().detach())

    assert least_similar("rotatory") > 0.999999
    assert least_similar("rotatory_unit") < 0.9


def test_the_released_sinusoids_start_at_the_last_row() -> None:
    """Last row: position 0, sin 0 and cos 0; row r the sinusoids of rows - 1 - r."""
    for name in ("abs", "abs_con"):
        sound, flipped = (
            build(name).table(),
            build(name, Shape(8, 2, 2, 6, candidate_row=False, backwards=True)).table(),
        )
        assert flipped.shape == (6, 8)
        assert flipped[-1].tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
        assert float(flipped[2, 0]) == pytest.approx(math.sin(3))
        assert float(flipped[2, 3]) == pytest.approx(math.cos(3 / 10))
        assert torch.equal(flipped, sound[:6].flip(0))
    model = build_model(make_cell("abs", {"name": "one", "sinusoid_direction": "released"}), make_data(), 1)
    assert model.encoding.table()[-1, :4].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("encoding", ["rmha4", "rmha_control"])
def test_the_released_projection_starts_as_a_linear_layer(encoding: str) -> None:
    """Uniform over +-1 / sqrt(D), weight and bias: standard deviation 1 / sqrt(3 D)."""
    released = {"name": "one", "rmha_projection": "released"}
    models = [build_model(make_cell(encoding, p, dimension=96), make_data(), 1) for p in (released, "sound")]
    weight, bias = models[0].encoding.weight.detach(), models[0].encoding.bias.detach()
    for values in (weight, bias):
        assert float(values.abs().max()) <= 1 / math.sqrt(96)
        assert float(values.std()) == pytest.approx(1 / math.sqrt(3 * 96), rel=0.1)
    sound = models[1].encoding
    torch.testing.assert_close(sound.weight, weight * math.sqrt(3), rtol=1e-6, atol=0)  # the same draws
    assert not sound.bias.any()
    assert float(sound.weight.std()) == pytest.approx(1 / math.sqrt(96), rel=0.02)


def test_the_released_dot_head_starts_at_xavier_and_0() -> None:
    """Weight uniform over +-sqrt(3), standard deviation 1; and it draws last, so that no other weight changes."""
    data = make_data(users=10, items=10, attributes=0)
    cell = make_cell(protocol={"name": "one", "dot_head": "released"}, head="dot", dimension=4, blocks=1)
    models = [build_model(cell, data, seed) for seed in range(400)]
    weights = np.array([float(model.dot_weight) for model in models])
    assert not any(float(model.dot_bias) for model in models)
    assert np.abs(weights).max() <= math.sqrt(3)
    assert np.abs(weights).max() > 1.6
    assert abs(weights.mean()) < 4 / math.sqrt(400)
    assert weights.std() == pytest.approx(1, abs=0.1)
    sound = build_model(make_cell(head="dot", dimension=4, blocks=1), data, 0).state_dict()
    assert all(torch.equal(value, models[0].state_dict()[name]) for name, value in sound.items())
