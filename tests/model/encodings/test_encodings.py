"""Encodings against independent numpy formulas, and their properties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posrec.errors import StudyError
from posrec.model.encodings import REGISTRY, Pairs, Shape, Steps, build_encoding
from posrec.model.encodings.added import rotatory_table, sinusoids
from posrec.model.encodings.relative import clipped_distance
from posrec.model.encodings.rotary import Rope
from posrec.model.encodings.tensors import slot_distance
from posrec.study import encodings
from posrec.study.encodings import ENCODINGS

SHAPE = Shape(dimension=8, heads=2, blocks=2, max_length=6)
TIMES = torch.tensor([[0, 1, 1, 4, 9, 9, 30], [2, 3, 8, 8, 8, 40, 41]], dtype=torch.float64)
STEPS = Steps(torch.arange(7).expand(2, 7), TIMES, torch.cat([TIMES[:, 1:], TIMES[:, -1:] + 0.5], 1))
PAIRS = Pairs(slot_distance(7, 7), STEPS, STEPS)


def build(name: str, shape: Shape = SHAPE):  # type: ignore[no-untyped-def]
    return build_encoding(name, shape, torch.Generator().manual_seed(5)).double()


def test_registry_is_what_a_study_may_name() -> None:
    """What torch has registered is what `catalogue` reads from the files."""
    assert set(REGISTRY) == set(encodings.kinds())
    assert len(REGISTRY) == len(ENCODINGS)


def test_unknown_encoding() -> None:
    with pytest.raises(StudyError, match="does not exist"):
        build("nonesuch")


def test_none_is_the_identity() -> None:
    x = torch.randn(5, 8)
    encoding = build("none")
    assert encoding.encode(x, torch.arange(5)) is x
    assert encoding.scores(x, PAIRS, 0) is None
    assert not list(encoding.parameters())


def test_sinusoids_by_formula() -> None:
    table = sinusoids(4, 6).numpy()
    for position in range(4):
        for channel in range(6):
            angle = position / 10_000 ** (2 * (channel // 2) / 6)
            assert table[position, channel] == pytest.approx(math.sin(angle) if channel % 2 == 0 else math.cos(angle))


def test_rotatory_by_formula() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 4))
    table = rotatory_table(torch.from_numpy(vectors)).numpy()
    angle = 2 * np.pi * vectors[:, [0, 0, 2, 2]] / 10_000
    np.testing.assert_allclose(table, np.where([True, False, True, False], np.sin(angle), np.cos(angle)), atol=1e-12)


@pytest.mark.parametrize("name", ["abs", "learnt", "rotatory"])
def test_added_rows(name: str) -> None:
    encoding = build(name)
    rows = torch.tensor([6, 0, 3, 3])
    x = torch.randn(4, 8, dtype=torch.float64)
    added = encoding.encode(x, rows) - x
    torch.testing.assert_close(added, encoding.table()[rows])
    torch.testing.assert_close(added[2], added[3])
    assert (added[0] - added[1]).abs().max() > 0


@pytest.mark.parametrize("name", ["abs_con", "learnt_con", "rotatory_con"])
def test_concatenation_is_a_linear_layer_on_both(name: str) -> None:
    encoding = build(name)
    rows = torch.tensor([1, 5])
    x = torch.randn(2, 8, dtype=torch.float64)
    both = torch.cat([x, encoding.table()[rows]], dim=1)
    expected = both.detach().numpy() @ encoding.weight.detach().numpy().T + encoding.bias.detach().numpy()
    np.testing.assert_allclose(encoding.encode(x, rows).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    "name", [n for n, family in ENCODINGS.items() if n.endswith(("con", "control")) or family == "added"]
)
def test_encode_is_affine(name: str) -> None:
    """Evaluation adds an item's and a request's share: f(a + b) = f(a) + f(b) - f(0)."""
    encoding, rows = build(name), torch.tensor([2, 6, 0])
    a, b = torch.randn(2, 3, 8, dtype=torch.float64)
    parts = encoding.encode(a, rows) + encoding.encode(b, rows) - encoding.encode(torch.zeros_like(a), rows)
    torch.testing.assert_close(encoding.encode(a + b, rows), parts)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 9), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_rope_scores_depend_on_distance_and_norms_stay(i: int, j: int, shift: int, seed: int) -> None:
    rope = Rope(Shape(8, 2, 1, 60), torch.Generator()).double()
    q, k = torch.randn(2, 1, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    def score(a: int, b: int) -> torch.Tensor:
        return (rope.rotate(q, torch.tensor([a]), 0) * rope.rotate(k, torch.tensor([b]), 0)).sum(-1)

    torch.testing.assert_close(score(i, j), score(i + shift, j + shift), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(rope.rotate(q, torch.tensor([i]), 0).norm(dim=-1), q.norm(dim=-1))


def test_rope_by_complex_numbers() -> None:
    rope, rows = build("rope"), [0, 2, 6]
    x = np.random.default_rng(1).normal(size=(3, 2, 4))
    frequency = 1000.0 ** (-np.array([0, 2]) / 4)
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * np.array(rows)[:, None, None] * frequency)
    expected = np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)
    np.testing.assert_allclose(rope.rotate(torch.from_numpy(x), torch.tensor(rows), 1).numpy(), expected, atol=1e-12)


def test_clipped_distance_by_hand() -> None:
    assert clipped_distance(slot_distance(4, 4), 2).tolist() == [[2, 3, 4, 4], [1, 2, 3, 4], [0, 1, 2, 3], [0, 0, 1, 2]]


def test_relative_attention_by_loops() -> None:
    encoding = build("rmha4")
    rng = np.random.default_rng(2)
    query, weights = rng.normal(size=(2, 2, 7, 4)), rng.random(size=(2, 2, 7, 7))
    keys, values = encoding.keys[1].detach().numpy(), encoding.relative_values[1].detach().numpy()
    scores, mixed = np.zeros((2, 2, 7, 7)), np.zeros((2, 2, 7, 4))
    for i in range(7):
        for j in range(7):
            row = min(max(j - i, -4), 4) + 4
            scores[:, :, i, j] = query[:, :, i] @ keys[row]
            mixed[:, :, i] += weights[:, :, i, j, None] * values[row]
    np.testing.assert_allclose(encoding.scores(torch.from_numpy(query), PAIRS, 1).detach().numpy(), scores, atol=1e-12)
    np.testing.assert_allclose(encoding.values(torch.from_numpy(weights), PAIRS, 1).detach().numpy(), mixed, atol=1e-12)
    assert scores[0, 0, 0, 5] == scores[0, 0, 0, 6]  # beyond the clip distance entries are shared


@pytest.mark.parametrize("name", ENCODINGS)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    encoding, rows = build(name), torch.tensor([0, 4, 6])
    x = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    parameters = list(encoding.parameters())

    def through(x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        times = encoding.given(TIMES[0, 3:6])
        y = encoding.rotate(encoding.encode(x, rows, *times).view(3, 2, 4), rows, 0, *times)
        heads = y.transpose(0, 1)[None]  # (1, H, n, Dh)
        steps = Steps(torch.arange(3)[None], *(each[:1, 3:6] for each in (TIMES, STEPS.asked)))
        pairs = Pairs(slot_distance(3, 3), steps, steps, heads)
        weights = encoding.score(heads @ heads.transpose(2, 3), heads, pairs, 0).softmax(3)
        weights = encoding.reweigh(weights, pairs, 0)
        mixed, shifted = weights @ heads, encoding.values(weights, pairs, 0)
        mixed = mixed if shifted is None else mixed + shifted
        return encoding.project(mixed.transpose(1, 2).reshape(3, 8), 0)

    assert torch.autograd.gradcheck(through, (x, *parameters), atol=1e-6)
