"""Dropout from 16 random bits per element: torch's draw of one number per element took a fifth of a training step."""

import torch
from torch import Tensor

LEVELS = 2**16  # a rate is rounded to a multiple of 1 / LEVELS, and the scale is exact for the rounded rate


def dropout(x: Tensor, rate: float) -> Tensor:
    """Set each element to 0 with probability `rate` and scale the others so that the mean stays. Any shape.

    Draws from torch's global stream; a rate of 0 draws nothing.
    """
    if not rate:
        return x
    bits, below, scale = draw(x.numel(), rate, x.device)
    return x * (bits.view(x.shape) >= below).to(x.dtype).mul_(scale)


def draw(count: int, rate: float, device: torch.device) -> tuple[Tensor, int, float]:
    """Random bits of `count` elements (n,) int16, the bits below which one is dropped, and the scale of the others."""
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=device).random_(-(2**63), None)
    return words.view(torch.int16)[:count], *bounds(rate)


def bounds(rate: float) -> tuple[int, float]:
    """The value of the bits below which an element is dropped, and the scale of the others.

    Bits are uniform over -LEVELS / 2 .. LEVELS / 2 - 1.
    """
    dropped = min(round(rate * LEVELS), LEVELS - 1)
    return dropped - LEVELS // 2, LEVELS / (LEVELS - dropped)
