"""Vectors of the time added to the encoded items: an item's own, and for a candidate its request's."""

import math

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Shape, register
from posrec.model.encodings.tensors import narrow


class TimeVector(Encoding):
    """An encoding with one vector a time, added."""

    reads_times = True
    amplifies = True

    def vectors(self, times: Tensor) -> Tensor:
        """The vectors of times (T,) in days: (T, D) float64."""
        raise TypeError(f"{type(self).__name__} has no vectors")

    def encode(self, x: Tensor, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """Add each time's vector. x: (T, D); times: (T,). Returns (T, D)."""
        if times is None:
            raise ValueError(f"{type(self).__name__} needs the items' times: give Tokens their `times`")
        return x + narrow(self.amplified(self.vectors(times)), x)


@register("abs_time", "time", base=10_000.0, scale=1.0)
class AbsoluteTime(TimeVector):
    """The sinusoids of `abs`, read at the time and not at the row; scale: days that are one unit of time.

    Formula: x + p, p = sin, cos of t / scale / base^(2c / D)
    Source: ours: tells a vector of time from one of order
    Learnt: 0
    """

    def __init__(self, shape: Shape, generator: torch.Generator, base: float = 10_000.0, scale: float = 1.0) -> None:
        super().__init__(shape, generator)
        self.base, self.scale = base, scale

    def vectors(self, times: Tensor) -> Tensor:
        """Even channels sin, odd channels cos. times: (T,). Returns (T, D) float64."""
        width = self.shape.dimension
        channel = torch.arange(0, width, 2, dtype=torch.float64, device=times.device)
        angle = times[:, None] / self.scale / self.base ** (channel / width)  # (T, D / 2)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


@register("time2vec", "time", base=10_000.0, scale=1.0)
class Time2Vec(TimeVector):
    """One linear channel of the time and D - 1 learnt sines; scale: days that are one unit of time.

    Frequencies start between 1 and 1 / base, uniform in their logarithm, phases uniform over a turn. The linear channel
    starts at 1 / base: with time in days and no scale it would drown the items.

    Formula: x + v, v_0 = w_0 t + b_0, v_c = sin(w_c t + b_c), w, b learnt, t / scale
    Source: Kazemi et al. 2019 (Time2Vec), equation 1
    Claim: a general feature of time, better than time itself
    Learnt: 2 * D
    """

    def __init__(self, shape: Shape, generator: torch.Generator, base: float = 10_000.0, scale: float = 1.0) -> None:
        super().__init__(shape, generator)
        self.scale = scale
        frequency = base ** -torch.rand(shape.dimension, generator=generator)
        phase = 2 * math.pi * torch.rand(shape.dimension, generator=generator)
        frequency[0], phase[0] = 1 / base, 0
        self.frequency, self.phase = nn.Parameter(frequency), nn.Parameter(phase)

    def vectors(self, times: Tensor) -> Tensor:
        """times: (T,). Returns (T, D) float64."""
        z = times[:, None] / self.scale * self.frequency + self.phase
        return torch.cat([z[:, :1], z[:, 1:].sin()], dim=1)
