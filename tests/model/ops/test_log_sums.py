"""The softmax over shared negatives in few passes: values and gradients of the plain one."""

import math

import torch

from posrec.model.ops.log_sums import fast_log_sums, log_sums


def test_values_and_gradients_are_the_plain_ones() -> None:
    """Also where a negative is the target, and with logits at which exp() would overflow."""
    stream = torch.Generator().manual_seed(1)
    index, targets = torch.tensor([4, 0, 7, 2]), torch.tensor([7, 1, 4, 9, 0])
    logits = 300 * torch.randn(5, 4, generator=stream, dtype=torch.float64)
    correction, weight = torch.tensor([0.1, 0.5, 0.0, -0.3]), torch.randn(5, generator=stream, dtype=torch.float64)
    found = []
    for function in (log_sums, fast_log_sums):
        x = logits.clone().requires_grad_()
        y = function(x, correction, index, targets)
        (y * weight).sum().backward()
        found.append((y.detach(), x.grad))
    (plain, of_plain), (fast, of_fast) = found
    assert torch.allclose(fast, plain, rtol=1e-12, atol=0)
    assert of_plain is not None
    assert of_fast is not None
    assert torch.allclose(of_fast, of_plain, rtol=1e-12, atol=1e-300)
    assert of_fast[0, 2] == of_fast[2, 0] == of_fast[4, 1] == 0  # the targets themselves


def test_by_hand() -> None:
    """The target is the second negative: ln(e^(0 + 1) + e^2)."""
    y = fast_log_sums(
        torch.tensor([[0.0, 5.0, 2.0]]), torch.tensor([1.0, 0.0, 0.0]), torch.tensor([3, 1, 2]), torch.tensor([1])
    )
    assert math.isclose(float(y), math.log(math.e + math.e**2), rel_tol=1e-6)
