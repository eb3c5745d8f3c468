"""Dropout from sixteen random bits an element: torch's own draw of one number each was a fifth of a training step."""

import torch
from torch import Tensor

LEVELS = 2**16  # a rate is rounded to a multiple of 1 / LEVELS, and the scale is exact for the rounded rate


def dropout(x: Tensor, rate: float) -> Tensor:
    """Set each element to 0 with probability `rate` and scale the others so that the mean stays. Any shape.

    Draws from torch's global stream; a rate of 0 draws nothing.
    """
    if not rate:
        return x
    dropped = min(round(rate * LEVELS), LEVELS - 1)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)  # uniform over -LEVELS / 2 .. LEVELS / 2 - 1
    return x * (bits >= dropped - LEVELS // 2).to(x.dtype).mul_(LEVELS / (LEVELS - dropped))
