"""Dropout from sixteen bits an element: which rate, scale and stream."""

import pytest
import torch

from posrec.model.ops.dropout import LEVELS, dropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_share_and_scale(rate: float) -> None:
    torch.manual_seed(1)
    n = 200_001  # no multiple of the four elements of a word
    y = dropout(torch.ones(n, dtype=torch.float64), rate)
    kept = y[y != 0]
    assert kept.unique().item() == LEVELS / (LEVELS - round(rate * LEVELS))
    deviation = (rate * (1 - rate) / n) ** 0.5
    assert abs(1 - len(kept) / n - rate) < 4 * deviation + 1 / LEVELS


def test_each_of_a_words_four_elements_has_the_rate() -> None:
    torch.manual_seed(2)
    zeros = (dropout(torch.ones(100_000, 4), 0.5) == 0).double().mean(0)
    assert (zeros - 0.5).abs().max() < 4 * 0.5 / 100_000**0.5


def test_the_gradient_has_the_same_mask_and_scale() -> None:
    x = torch.ones(7, 5, requires_grad=True)
    y = dropout(x, 0.5)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_no_rate_draws_nothing() -> None:
    x, state = torch.ones(3), torch.get_rng_state()
    assert dropout(x, 0.0) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_equal_seeds_give_equal_masks() -> None:
    masks = []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(dropout(torch.ones(1000), 0.3))
    assert torch.equal(*masks)
