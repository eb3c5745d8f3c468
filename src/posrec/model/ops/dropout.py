"""Dropout from sixteen random bits an element: torch's own draw of one number each was a fifth of a training step."""

from typing import Any

import torch
from torch import Tensor

from posrec.model.ops.stacking import SeedStreams, seed_streams

LEVELS = 2**16  # a rate is rounded to a multiple of 1 / LEVELS, and the scale is exact for the rounded rate


def dropout(x: Tensor, rate: float) -> Tensor:
    """Set each element to 0 with probability `rate` and scale the others so that the mean stays. Any shape.

    Draws from torch's global stream, or where seeds are stacked from each seed's own; a rate of 0 draws nothing.
    """
    if not rate:
        return x
    streams = seed_streams()
    if streams is not None:
        return x * _StackedScale.apply(x.detach(), _dropped(rate), streams)
    bits, below, scale = draw(x.numel(), rate, x.device)
    return x * (bits.view(x.shape) >= below).to(x.dtype).mul_(scale)


def draw(count: int, rate: float, device: torch.device) -> tuple[Tensor, int, float]:
    """Random bits of `count` elements (n,) int16, the bits below which one is dropped, and the scale of the others."""
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=device).random_(-(2**63), None)
    return words.view(torch.int16)[:count], *_bounds(_dropped(rate))


def _dropped(rate: float) -> int:
    """How many of the levels are dropped."""
    return min(round(rate * LEVELS), LEVELS - 1)


def _bounds(dropped: int) -> tuple[int, float]:
    """Bits are uniform over -LEVELS / 2 .. LEVELS / 2 - 1."""
    return dropped - LEVELS // 2, LEVELS / (LEVELS - dropped)


class _StackedScale(torch.autograd.Function):
    """The scale of each element where `torch.vmap` computes several seeds at once: only its rule is ever called."""

    @staticmethod
    def forward(x: Tensor, dropped: int, streams: SeedStreams) -> Tensor:
        """Outside of `torch.vmap` there are no seeds to tell apart."""
        raise RuntimeError("dropout of stacked seeds outside of torch.vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing has a gradient."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, dropped: int, streams: SeedStreams) -> tuple[Tensor, int]:
        """x: any shape, the seeds along in_dims[0]. Returns (S, ...) and where the seeds are in it."""
        of_seeds = x.movedim(in_dims[0], 0)
        count = of_seeds[0].numel()
        bits = streams.draw(-(-count // 4)).view(torch.int16)[:, :count].view(of_seeds.shape)
        below, scale = _bounds(dropped)
        return (bits >= below).to(x.dtype).mul_(scale), 0
