"""Positions as vectors added to the encoded items, or none at all."""

import math

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Shape, register


def sinusoids(rows: int, dimension: int, base: float = 10_000.0) -> Tensor:
    """Fixed sinusoids (Vaswani et al. 2017, section 3.5): even channels sin, odd channels cos.

    Returns (rows, D) float64.
    """
    channel = torch.arange(0, dimension, 2, dtype=torch.float64)
    angle = torch.arange(rows, dtype=torch.float64)[:, None] / base ** (channel / dimension)  # (rows, D / 2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :dimension]


def rotatory_table(vectors: Tensor, scale: float = 10_000.0) -> Tensor:
    """Learnt vectors turned into angles.

    Even channels sin, odd channels cos of 2 pi v / scale, where v is the even channel.
    vectors: (rows, D). Returns (rows, D). The paper's "Rotatory".
    """
    angle = 2 * math.pi * vectors[:, 0::2] / scale
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, : vectors.shape[1]]


@register("none", "none")
class NoEncoding(Encoding):
    """No position at all."""


class Table(Encoding):
    """An encoding with one vector a row of a table, added."""

    def table(self) -> Tensor:
        """The vectors of all positions: (rows, D)."""
        raise TypeError(f"{type(self).__name__} has no table")

    def encode(self, x: Tensor, rows: Tensor) -> Tensor:
        """Add each row's vector. x: (T, D); rows: (T,). Returns (T, D)."""
        return x + self.table().index_select(0, rows)

    def measures(self) -> dict[str, float]:
        """How much the vectors differ from position to position, beside their size: 0 is one vector for all."""
        table = self.table().detach().double()
        apart, size = (table - table.mean(0)).square().sum(), table.square().sum()
        return {**super().measures(), "position_spread": math.sqrt(apart / size) if size else 0.0}


@register("abs", "added", base=10_000.0)
class Absolute(Table):
    """Fixed sinusoids, added: row r has position r, or backwards, as released, the last row position 0."""

    fixed: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator, base: float = 10_000.0) -> None:
        super().__init__(shape, generator)
        table = sinusoids(shape.rows, shape.dimension, base)
        self.register_buffer("fixed", table.flip(0) if shape.backwards else table, persistent=False)

    def table(self) -> Tensor:
        """The sinusoids: (rows, D)."""
        return self.fixed


@register("learnt", "added")
class Learnt(Table):
    """A learnt vector for each position, added; N(0, 1) at the start."""

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.vectors = nn.Parameter(torch.randn(shape.rows, shape.dimension, generator=generator))

    def table(self) -> Tensor:
        """The learnt vectors: (rows, D)."""
        return self.vectors


@register("rotatory", "added", scale=10_000.0)
@register("rotatory_unit", "added", scale=1.0)
class Rotatory(Learnt):
    """A learnt vector for each position, turned into angles after division by `scale`, added."""

    def __init__(self, shape: Shape, generator: torch.Generator, scale: float = 10_000.0) -> None:
        super().__init__(shape, generator)
        self.scale = scale

    def table(self) -> Tensor:
        """Sines and cosines of the learnt angles: (rows, D)."""
        return rotatory_table(self.vectors, self.scale)

    def measures(self) -> dict[str, float]:
        """Beside the table's: standard deviation of the angles over positions, mean over channels, in radians.

        angle_spread_at_start is what N(0, 1) vectors give.
        """
        angle = 2 * math.pi * self.vectors.detach().double()[:, 0::2] / self.scale  # (rows, D / 2)
        spread = float(angle.std(0, correction=0).mean())
        return {**super().measures(), "angle_spread": spread, "angle_spread_at_start": 2 * math.pi / self.scale}
