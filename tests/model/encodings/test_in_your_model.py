"""Every encoding works outside posrec's model: the page's code, and the plain attention against the packed one."""

from pathlib import Path
from typing import Any

import pytest
import torch

from posrec.model.attention import Relative, attend, exact_group
from posrec.model.encodings import Shape, Steps, build_encoding
from posrec.model.encodings import attention as plain
from posrec.study.encodings import EXAMPLES, kinds

PAGE = Path(__file__).parents[3] / "docs/guide/in-your-model.md"
USERS, LENGTH, HEADS, WIDTH = 3, 6, 2, 8
SHAPE = Shape(WIDTH, HEADS, blocks=2, max_length=LENGTH, causal=True)


def page_code() -> dict[str, Any]:
    """What the page's code defines."""
    (code,) = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    names: dict[str, Any] = {}
    exec(code.partition("```")[0], names)
    return names


def days() -> tuple[torch.Tensor, torch.Tensor]:
    times = torch.tensor([0.0, 1.5, 1.5, 9, 40, 41], dtype=torch.float64).repeat(USERS, 1)
    return times, torch.cat([times[:, 1:], times[:, -1:] + 2], 1)


@pytest.mark.parametrize("name", [EXAMPLES.get(name, name) for name in kinds()])
def test_plain_attention_is_that_of_the_packed_engine(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    encoding = build_encoding(name, SHAPE, torch.Generator().manual_seed(1)).double()
    query, key, value = torch.randn(3, USERS, LENGTH, HEADS, WIDTH // HEADS, generator=generator, dtype=torch.float64)
    times, asked = days()
    visible = torch.ones(USERS, LENGTH, LENGTH, dtype=torch.bool).tril()
    y = plain.attend(encoding, query, key, value, visible, 1, times, asked)
    rows = torch.arange(LENGTH).repeat(USERS)
    steps = Steps(rows, times.flatten(), asked.flatten())
    given = encoding.given(steps.times)
    flat_query, flat_key = (encoding.rotate(x.flatten(0, 1), rows, 1, *given) for x in (query, key))
    group = exact_group(USERS, LENGTH, LENGTH, True)
    relative = Relative(encoding, 1, steps)
    packed = attend(flat_query, flat_key, value.flatten(0, 1), [group], lambda weights: weights, relative)
    assert torch.allclose(y.flatten(0, 1), encoding.project(packed, 1), atol=1e-9)
    x = value.flatten(2)
    placed = plain.add_positions(encoding, x, times)
    assert torch.equal(placed.flatten(0, 1), encoding.place(x.flatten(0, 1), rows, *given))


def test_the_page_trains_a_model_with_any_encoding() -> None:
    sasrec = page_code()["SASRec"]
    sequences = torch.tensor([[0, 0, 5, 8, 7, 2], [1, 2, 3, 4, 5, 6], [0, 3, 3, 9, 1, 4]])
    times, asked = days()
    for name in ("none", "learnt", "abs_con", "rope", "rmha4", "t5_bias", "alibi", "kernel", "tisasrec", "time2vec"):
        model = sasrec(items=9, dimension=WIDTH, heads=HEADS, max_length=LENGTH, encoding=name)
        scores = model(sequences, times, asked)
        assert scores.shape == (USERS, LENGTH, 10)
        changed = sequences.clone()
        changed[:, -1] = 1  # a causal model knows nothing of what comes later
        assert torch.allclose(model(changed, times, asked)[:, 2:-1], scores[:, 2:-1], atol=1e-6), name
        torch.nn.functional.cross_entropy(scores[:, 2:-1].flatten(0, 1), sequences[:, 3:].flatten()).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_left_padding_does_not_matter_to_rope() -> None:
    model = page_code()["SASRec"](items=9, dimension=WIDTH, heads=HEADS, max_length=LENGTH)
    short = model(torch.tensor([[5, 8, 7]]))
    padded = model(torch.tensor([[0, 0, 0, 5, 8, 7]]))
    assert torch.allclose(padded[:, 3:], short, atol=1e-6)
