"""Gradients of the encodings against formulas written out in numpy."""

import numpy as np
import pytest
import torch

from tests.model.encodings.test_encoding_formulas import DAYS, PAIRS, build

ROWS = np.array([6, 0, 3, 3, 2])
RNG = np.random.default_rng(4)
X, G = RNG.normal(size=(2, 5, 8))  # items, and what comes back from the loss


def gradients(encoding, *wanted):  # type: ignore[no-untyped-def]
    y = encoding.encode(torch.from_numpy(X), torch.from_numpy(ROWS))
    return [g.numpy() for g in torch.autograd.grad((y * torch.from_numpy(G)).sum(), wanted)]


def at_rows(g: np.ndarray) -> np.ndarray:
    """What comes back to each row of a table: the sum over the items that stand there. (7, 8)."""
    total = np.zeros((7, 8))
    for row, of_item in zip(ROWS, g, strict=True):
        total[row] += of_item
    return total


def through_angles(vectors: np.ndarray, g: np.ndarray, scale: float) -> np.ndarray:
    """Back through sin and cos of 2 pi v / scale to the even channels; the odd ones are never read."""
    angle = 2 * np.pi * vectors[:, 0::2] / scale
    back = np.zeros_like(vectors)
    back[:, 0::2] = 2 * np.pi / scale * (np.cos(angle) * g[:, 0::2] - np.sin(angle) * g[:, 1::2])
    return back


def test_a_learnt_vector_gets_the_sum_over_its_items() -> None:
    encoding = build("learnt")
    np.testing.assert_allclose(gradients(encoding, encoding.vectors)[0], at_rows(G), atol=1e-12)


@pytest.mark.parametrize(("name", "scale"), [("rotatory", 10_000.0), ("rotatory_unit", 1.0)])
def test_angles_get_theirs_through_sine_and_cosine(name: str, scale: float) -> None:
    encoding = build(name)
    expected = through_angles(encoding.vectors.detach().numpy(), at_rows(G), scale)
    np.testing.assert_allclose(gradients(encoding, encoding.vectors)[0], expected, atol=1e-10)


@pytest.mark.parametrize("name", ["abs_con", "learnt_con", "rotatory_con", "rotatory_unit_con", "con_control"])
def test_a_concatenation_is_a_linear_layer_backward_too(name: str) -> None:
    encoding = build(name)
    table, weight = encoding.table().detach().numpy(), encoding.weight.detach().numpy()
    found = gradients(encoding, encoding.weight, encoding.bias)
    np.testing.assert_allclose(found[0], G.T @ np.concatenate([X, table[ROWS]], axis=1), atol=1e-10)
    np.testing.assert_allclose(found[1], G.sum(0), atol=1e-10)
    if hasattr(encoding, "vectors"):
        of_table = at_rows(G) @ weight[:, 8:]
        scale = getattr(encoding, "scale", None)
        expected = through_angles(encoding.vectors.detach().numpy(), of_table, scale) if scale else of_table
        np.testing.assert_allclose(gradients(encoding, encoding.vectors)[0], expected, atol=1e-10)


def test_rope_turns_gradients_back() -> None:
    rope = build("rope")
    x = torch.from_numpy(X.reshape(5, 2, 4)).requires_grad_()
    (rope.rotate(x, torch.from_numpy(ROWS), 0) * torch.from_numpy(G.reshape(5, 2, 4))).sum().backward()
    g = G.reshape(5, 2, 4)
    frequency = 1000.0 ** (-np.array([0, 2]) / 4)
    turned = (g[..., 0::2] + 1j * g[..., 1::2]) * np.exp(-1j * ROWS[:, None, None] * frequency)
    expected = np.stack([turned.real, turned.imag], axis=-1).reshape(g.shape)
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("name", "table"), [("rmha2", "relative_values"), ("time_interval-clip=5", "interval_values")])
def test_values_of_pairs_get_the_weights_that_fell_on_them(name: str, table: str) -> None:
    encoding = build(name)
    weights, g = RNG.random((2, 2, 7, 7)), RNG.normal(size=(2, 2, 7, 4))
    values = getattr(encoding, table)
    expected = np.zeros(tuple(values.shape[1:]))
    for b, i, j in np.ndindex(2, 7, 7):
        row = min(2, max(-2, j - i)) + 2 if name == "rmha2" else min(5, abs(int(DAYS[b, i] - DAYS[b, j])))
        expected[row] += (weights[b, :, i, j, None] * g[b, :, i]).sum(0)
    out = encoding.values(torch.from_numpy(weights), PAIRS, 1)
    (found,) = torch.autograd.grad((out * torch.from_numpy(g)).sum(), values)
    np.testing.assert_allclose(found[1].numpy(), expected, atol=1e-10)
    assert not found[0].any()  # the other block's


def test_a_bias_gets_the_sum_over_the_pairs_of_its_distance() -> None:
    encoding, g = build("relative_bias-clip=2"), RNG.normal(size=(2, 2, 7, 7))
    expected = np.zeros((2, 5))
    for b, i, j in np.ndindex(2, 7, 7):
        expected[:, min(2, max(-2, j - i)) + 2] += g[b, :, i, j]
    out = encoding.scores(torch.zeros(2, 2, 7, 4), PAIRS, 1)
    (found,) = torch.autograd.grad((out * torch.from_numpy(g)).sum(), encoding.bias)
    np.testing.assert_allclose(found[1].numpy(), expected, atol=1e-12)
    assert not found[0].any()  # the other block's


@pytest.mark.parametrize("name", ["rmha2", "rmha_control"])
def test_the_output_projection_is_a_linear_layer_backward_too(name: str) -> None:
    encoding, x = build(name), torch.from_numpy(X).requires_grad_()
    y = encoding.project(x, 1)
    weight, bias = encoding.weight.detach().numpy()[1], encoding.bias.detach().numpy()[1]
    np.testing.assert_allclose(y.detach().numpy(), X @ weight.T + bias, atol=1e-12)
    of = torch.autograd.grad((y * torch.from_numpy(G)).sum(), (encoding.weight, encoding.bias, x))
    np.testing.assert_allclose(of[0][1].numpy(), G.T @ X, atol=1e-12)
    np.testing.assert_allclose(of[1][1].numpy(), G.sum(0), atol=1e-12)
    np.testing.assert_allclose(of[2].numpy(), G @ weight, atol=1e-12)
    assert not of[0][0].any()  # the other block's
    assert not of[1][0].any()
