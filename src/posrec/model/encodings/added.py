"""Positions as vectors added to the encoded items, or none at all."""

import math

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Shape, register
from posrec.model.encodings.tensors import narrow


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
    """No position at all.

    Formula: x
    Source: ours: what every other one is compared with
    Learnt: 0
    """


class Table(Encoding):
    """An encoding with one vector per row of a table, added."""

    amplifies = True

    def table(self) -> Tensor:
        """The vectors of all positions: (rows, D)."""
        raise TypeError(f"{type(self).__name__} has no table")

    def encode(self, x: Tensor, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """Add each row's vector. x: (T, D); rows: (T,). Returns (T, D)."""
        return x + narrow(self.vectors_at(rows), x)

    def vectors_at(self, rows: Tensor, *times: Tensor) -> Tensor:
        """The rows of the table. rows: (T,). Returns (T, D)."""
        return self.amplified(self.table().index_select(0, rows))

    def measures(self) -> dict[str, float]:
        """How much the vectors differ from position to position, beside their size: 0 is one vector for all."""
        table = self.table().detach().double()
        apart, size = (table - table.mean(0)).square().sum(), table.square().sum()
        return {**super().measures(), "position_spread": math.sqrt(apart / size) if size else 0.0}


@register("abs", "added", base=10_000.0)
class Absolute(Table):
    """Fixed sinusoids, added: row r has position r, or backwards, as released, the last row position 0.

    Formula: x + p, p = sin, cos of r / base^(2c / D)
    Source: Vaswani et al. 2017, section 3.5
    Claim: as good as learnt vectors, and may reach lengths that were not trained
    Learnt: 0
    """

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
    """A learnt vector for each position, added; N(0, 1) at the start, times what `position_scale` says.

    Formula: x + p, p learnt
    Source: Kang and McAuley 2018 (SASRec), section 3.1
    Claim: learnt vectors are better than sinusoids in sequential recommendation
    Learnt: (L + 1) * D
    """

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.vectors = nn.Parameter(torch.randn(shape.rows, shape.dimension, generator=generator))

    def table(self) -> Tensor:
        """The learnt vectors: (rows, D)."""
        return self.vectors

    def rescale(self, factor: float) -> None:
        """Multiply the vectors."""
        self.vectors.data.mul_(factor)


@register("rotatory", "added", scale=10_000.0)
@register("rotatory_unit", "added", scale=1.0)
class Rotatory(Learnt):
    """A learnt vector for each position, turned into angles after division by `scale`, added.

    Formula: x + p, p = sin, cos of 2 pi v / scale, v learnt
    Source: arXiv 2405.10436 (scale 10,000); scale 1: ours
    Claim: steadier than the other encodings
    Learnt: (L + 1) * D
    """

    def __init__(self, shape: Shape, generator: torch.Generator, scale: float = 10_000.0) -> None:
        super().__init__(shape, generator)
        self.scale = scale

    def table(self) -> Tensor:
        """Sines and cosines of the learnt angles: (rows, D)."""
        return rotatory_table(self.vectors, self.scale)

    def rescale(self, factor: float) -> None:
        """Multiply the sines and cosines: the angles stay."""
        Encoding.rescale(self, factor)

    def measures(self) -> dict[str, float]:
        """Beside the table's: standard deviation of the angles over positions, mean over channels, in radians.

        angle_spread_at_start is what N(0, 1) vectors give.
        """
        angle = 2 * math.pi * self.vectors.detach().double()[:, 0::2] / self.scale  # (rows, D / 2)
        spread = float(angle.std(0, correction=0).mean())
        return {**super().measures(), "angle_spread": spread, "angle_spread_at_start": 2 * math.pi / self.scale}


@register("added_control", "control")
class AddedControl(Encoding):
    """One learnt vector, added to every item: what an added vector gives without a position; N(0, 1) at the start.

    Formula: x + v, v learnt
    Source: ours: `learnt`, `time2vec` and `abs_time` without position and time
    Learnt: D
    """

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.vector = nn.Parameter(torch.randn(shape.dimension, generator=generator))

    def encode(self, x: Tensor, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """Add the vector. x: (T, D). Returns (T, D)."""
        return x + self.vector

    def rescale(self, factor: float) -> None:
        """Multiply the vector."""
        self.vector.data.mul_(factor)
