"""Positional encodings: a pure function beneath a thin module each, one interface, one registry.

An encoding may act on the encoded items (`encode`), on queries and keys (`rotate`), on the attention scores and values
(`scores`, `values`) or after the attention (`project`); what it doesn't touch stays as it is. Positions are rows 0 .. L
of a table: with positions counted from the end, the last item of a history has row L - 1 and the candidate after it row
L.

    >>> encoding = build_encoding("rope", Shape(dimension=8, heads=2, blocks=1, max_length=5), torch.Generator())
    >>> encoding.encode(torch.ones(3, 8), torch.arange(3)).shape
    torch.Size([3, 8])
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posrec.settings import ENCODINGS


@dataclass(frozen=True)
class Shape:
    """What an encoding must know of the model: width D, heads H, encoder blocks, length L."""

    dimension: int
    heads: int
    blocks: int
    max_length: int

    @property
    def rows(self) -> int:
        """Rows of a position table: L slots of the history and one for the candidate after it."""
        return self.max_length + 1


class Encoding(nn.Module):
    """No position at all, and the interface of the others."""

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape

    def encode(self, x: Tensor, rows: Tensor) -> Tensor:
        """Put positions into encoded items. x: (T, D); rows: (T,). Returns (T, D); must be affine in x."""
        return x

    def rotate(self, x: Tensor, rows: Tensor) -> Tensor:
        """Rotate queries or keys of the encoder's attention. x: (T, H, Dh); rows: (T,)."""
        return x

    def scores(self, query: Tensor, block: int) -> Tensor | None:
        """What is added to the scores of encoder block `block`. query: (B, H, n, Dh), scaled. Returns (B, H, n, n)."""
        return None

    def values(self, weights: Tensor, block: int) -> Tensor | None:
        """What is added to the attention's output. weights: (B, H, n, n). Returns (B, H, n, Dh)."""
        return None

    def project(self, y: Tensor, block: int) -> Tensor:
        """After the heads are concatenated. y: (T, D)."""
        return y


REGISTRY: dict[str, Callable[[Shape, torch.Generator], Encoding]] = {"none": Encoding}


def register(name: str) -> Callable[[type[Encoding]], type[Encoding]]:
    """Class decorator: make an encoding known under `name`."""

    def add(cls: type[Encoding]) -> type[Encoding]:
        REGISTRY[name] = cls
        return cls

    return add


def build_encoding(name: str, shape: Shape, generator: torch.Generator) -> Encoding:
    """The encoding `name`; its parameters are drawn from `generator`. Raises KeyError for an unknown name."""
    if name not in REGISTRY:
        raise KeyError(f"encoding '{name}' does not exist; known: {', '.join(ENCODINGS)}")
    return REGISTRY[name](shape, generator)


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


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring channels (2k, 2k + 1) by an angle (Su et al. 2021, RoFormer, equation 34).

    x: (T, H, Dh); cos, sin: (T, Dh / 2).
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos[:, None], sin[:, None]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def clipped_distance(n: int, clip: int) -> Tensor:
    """Shaw et al. 2018, equation 3: index clip(j - i, -k, k) + k of every pair (i, j). Returns (n, n) int64."""
    position = torch.arange(n)
    return (position[None, :] - position[:, None]).clamp(-clip, clip) + clip


class _Table(Encoding):
    """An encoding with one vector a row of a table."""

    def table(self) -> Tensor:
        """The vectors of all positions: (L + 1, D)."""
        raise TypeError(f"{type(self).__name__} has no table")

    def encode(self, x: Tensor, rows: Tensor) -> Tensor:
        return x + self.table().index_select(0, rows)


@register("abs")
class Absolute(_Table):
    """Fixed sinusoids, added."""

    fixed: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.register_buffer("fixed", sinusoids(shape.rows, shape.dimension), persistent=False)

    def table(self) -> Tensor:
        """The sinusoids: (L + 1, D)."""
        return self.fixed


@register("learnt")
class Learnt(_Table):
    """A learnt vector for each position, added; N(0, 1) at the start."""

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.vectors = nn.Parameter(torch.randn(shape.rows, shape.dimension, generator=generator))

    def table(self) -> Tensor:
        """The learnt vectors: (L + 1, D)."""
        return self.vectors


@register("rotatory")
class Rotatory(Learnt):
    """A learnt vector for each position, turned into angles, added."""

    def table(self) -> Tensor:
        """Sines and cosines of the learnt angles: (L + 1, D)."""
        return rotatory_table(self.vectors)


class _Concatenated(_Table):
    """[x ; p] through a linear layer 2D -> D, as W_x x + W_p p + b: the position's share is computed once a row."""

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        bound = 1 / math.sqrt(2 * shape.dimension)  # torch's default for a linear layer with 2D inputs
        self.weight = nn.Parameter(_uniform((shape.dimension, 2 * shape.dimension), bound, generator))
        self.bias = nn.Parameter(_uniform((shape.dimension,), bound, generator))

    def encode(self, x: Tensor, rows: Tensor) -> Tensor:
        of_item, of_position = self.weight.split(self.shape.dimension, dim=1)
        table = nn.functional.linear(self.table(), of_position, self.bias)  # (L + 1, D)
        return nn.functional.linear(x, of_item) + table.index_select(0, rows)


@register("abs_con")
class AbsoluteConcatenated(_Concatenated, Absolute):
    """Fixed sinusoids, concatenated."""


@register("learnt_con")
class LearntConcatenated(_Concatenated, Learnt):
    """Learnt vectors, concatenated."""


@register("rotatory_con")
class RotatoryConcatenated(_Concatenated, Rotatory):
    """Learnt vectors turned into angles, concatenated."""


@register("rope")
class Rope(Encoding):
    """Rotary embedding of queries and keys in every encoder block (base 1,000, as the paper's code has it)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator, base: float = 1_000.0) -> None:
        super().__init__(shape, generator)
        width = shape.dimension // shape.heads
        frequency = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angle = torch.arange(shape.rows, dtype=torch.float64)[:, None] * frequency  # (L + 1, Dh / 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def rotate(self, x: Tensor, rows: Tensor) -> Tensor:
        """Rotate each pair of channels by its row's angles. x: (T, H, Dh); rows: (T,). Returns (T, H, Dh)."""
        return rotate_pairs(x, self.cos[rows], self.sin[rows])


@register("rmha4")
class RelativeAttention(Encoding):
    """Relative keys and values (Shaw et al. 2018) and an output projection.

    Distances are clipped at k; the keys and values are shared by the heads.
    """

    def __init__(self, shape: Shape, generator: torch.Generator, clip: int = 4) -> None:
        super().__init__(shape, generator)
        self.clip = clip
        table = (shape.blocks, 2 * clip + 1, shape.dimension // shape.heads)
        square = (shape.blocks, shape.dimension, shape.dimension)
        self.keys = nn.Parameter(_uniform(table, math.sqrt(6 / (table[1] + table[2])), generator))  # Xavier
        self.relative_values = nn.Parameter(_uniform(table, math.sqrt(6 / (table[1] + table[2])), generator))
        self.weight = nn.Parameter(_uniform(square, math.sqrt(3 / shape.dimension), generator))  # Xavier
        self.bias = nn.Parameter(torch.zeros(shape.blocks, shape.dimension))

    def scores(self, query: Tensor, block: int) -> Tensor:
        """Products of queries and relative keys. query: (B, H, n, Dh), scaled. Returns (B, H, n, n)."""
        by_distance = query @ self.keys[block].T  # (B, H, n, 2k + 1)
        index = clipped_distance(query.shape[2], self.clip)
        return by_distance.gather(3, index.expand(*query.shape[:2], -1, -1))

    def values(self, weights: Tensor, block: int) -> Tensor:
        """Relative values, weighted. weights: (B, H, n, n). Returns (B, H, n, Dh)."""
        index = clipped_distance(weights.shape[2], self.clip).expand_as(weights)
        by_distance = weights.new_zeros(*weights.shape[:3], 2 * self.clip + 1).scatter_add(3, index, weights)
        return by_distance @ self.relative_values[block]  # (B, H, n, Dh)

    def project(self, y: Tensor, block: int) -> Tensor:
        """The output projection of encoder block `block`. y: (T, D). Returns (T, D)."""
        return nn.functional.linear(y, self.weight[block], self.bias[block])


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound
