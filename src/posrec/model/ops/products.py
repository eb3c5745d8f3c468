"""Matrix products of training: oneDNN where it is faster and still float32, else torch.

On AMD processors oneDNN is about twice as fast as the library that torch uses by default. torch calls this setting
"bf16", and on some processors it does compute in bfloat16. Its error is therefore measured once per process; if it is
not that of float32, torch's default product is used. Both belong to one numerics class: bytes are promised on one
processor type, where the measurement always gives the same answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LARGE = 4_000_000  # multiplications: below, oneDNN's preparation of each new shape costs more than it gains
FLOAT32_ERROR = 1e-5  # relative to the largest element: float32 has about 1e-6, tf32 5e-4, bfloat16 3e-3


def fast_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W' + b with gradients of the first order. x: (T, K); weight: (N, K); bias: (N,). Returns (T, N).

    Small products are torch's own, and so are those of padded users, (B, L, K).
    """
    if x.dim() == 2 and x.shape[0] * weight.numel() >= LARGE and _routable(x):
        return _RoutedLinear.apply(x, weight, bias)
    return F.linear(x, weight, bias)


@cache
def onednn_is_float32() -> bool:
    """Whether oneDNN's products have the error of float32 on this processor; False where torch has no such choice."""
    if _choice() is None:
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(384, 384, generator=generator) for _ in range(2))
    exact = a.double() @ b.double()
    with onednn():
        results = [a @ b, (b.T @ a.T).T]
    worst = max(float((result - exact).abs().max()) for result in results)
    return worst <= FLOAT32_ERROR * float(exact.abs().max())


def _choice() -> Any:
    """torch's switch of the product (since 2.9), or None."""
    return getattr(torch.backends.mkldnn, "matmul", None) if torch.backends.mkldnn.is_available() else None


def _routable(x: Tensor) -> bool:
    if x.dtype != torch.float32 or x.device.type != "cpu":
        return False
    return onednn_is_float32() and not torch.is_autocast_enabled("cpu")


@contextmanager
def onednn() -> Iterator[None]:
    """Compute products by oneDNN in this context, without a check of its error."""
    matmul = _choice()
    assert matmul is not None
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


class _RoutedLinear(torch.autograd.Function):
    """A linear layer with all three products, one forward and two backward, by oneDNN."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Returns (T, N)."""
        ctx.save_for_backward(x, weight)
        with onednn():
            return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """gradient: (T, N). Returns those of x, weight and bias."""
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        with onednn():
            return (
                gradient @ weight if of_x else None,
                _of_weight(gradient, x, weight) if of_weight else None,
                gradient.sum(0) if of_bias else None,
            )


def _of_weight(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The weight's gradient (N, K), in the memory order of the weight: torch would copy any other order, slowly."""
    if weight.is_contiguous():
        return gradient.T @ x
    return (x.T @ gradient).T
