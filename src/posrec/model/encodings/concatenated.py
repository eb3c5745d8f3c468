"""Positions as vectors concatenated to the encoded items, then a linear layer; and that layer without positions."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from posrec.model.encodings.added import Absolute, Learnt, Rotatory, Table
from posrec.model.encodings.interface import Shape, register
from posrec.model.encodings.tensors import draw_uniform, narrow


class Concatenated(Table):
    """[x ; p] through a linear layer 2D -> D, as W_x x + W_p p + b: the position's share is computed once a row."""

    def __init__(self, shape: Shape, generator: torch.Generator, **parameters: Any) -> None:
        super().__init__(shape, generator, **parameters)
        bound = 1 / math.sqrt(2 * shape.dimension)  # torch's default for a linear layer with 2D inputs
        self.weight = nn.Parameter(draw_uniform((shape.dimension, 2 * shape.dimension), bound, generator))
        self.bias = nn.Parameter(draw_uniform((shape.dimension,), bound, generator))

    def encode(self, x: Tensor, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """The linear layer on item and position. x: (T, D); rows: (T,). Returns (T, D)."""
        of_item, of_position = self.weight.split(self.shape.dimension, dim=1)
        vectors = narrow(self.amplified(self.table()), of_position)
        table = nn.functional.linear(vectors, of_position, self.bias)  # (rows, D)
        return self.linear_op(x, of_item) + table.index_select(0, rows)

    def measures(self) -> dict[str, float]:
        """Beside the table's: how the layer's halves W_p and W_x compare.

        position_weight: norm of W_p over that of W_x. halves_overlap: whether they write into the same directions, as
        the cosine of W_p W_p' and W_x W_x': 0 where position and item have directions of their own, 0.5 in random
        square matrices, 1 where the halves are equal.
        """
        of_item, of_position = self.weight.detach().double().split(self.shape.dimension, dim=1)
        item, position = (half @ half.T for half in (of_item, of_position))  # (D, D)
        sizes = item.norm() * position.norm()
        return {
            **super().measures(),
            "position_weight": float(of_position.norm() / of_item.norm()),
            "halves_overlap": float((item * position).sum() / sizes) if sizes else 0.0,
        }


@register("abs_con", "concatenated", base=10_000.0)
class AbsoluteConcatenated(Concatenated, Absolute):
    """Fixed sinusoids, concatenated.

    Formula: W [x ; p] + b, p as in `abs`
    Source: arXiv 2405.10436
    Claim: steadier than an added vector
    Learnt: 2 * D * D + D
    """


@register("learnt_con", "concatenated")
class LearntConcatenated(Concatenated, Learnt):
    """Learnt vectors, concatenated.

    Formula: W [x ; p] + b, p as in `learnt`
    Source: arXiv 2405.10436
    Claim: steadier than an added vector
    Learnt: (L + 1) * D + 2 * D * D + D
    """


@register("rotatory_con", "concatenated", scale=10_000.0)
@register("rotatory_unit_con", "concatenated", scale=1.0)
class RotatoryConcatenated(Concatenated, Rotatory):
    """Learnt vectors turned into angles, concatenated.

    Formula: W [x ; p] + b, p as in `rotatory`
    Source: arXiv 2405.10436 (scale 10,000); scale 1: ours
    Claim: the steadiest, and the best on sparse data
    Learnt: (L + 1) * D + 2 * D * D + D
    """


@register("con_control", "control")
class ConcatenationControl(Concatenated):
    """The linear layer 2D -> D with a zero vector in every position's place: what a concatenation does without one.

    Formula: W [x ; 0] + b
    Source: ours: the layer without position
    Learnt: 2 * D * D + D
    """

    zeros: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.register_buffer("zeros", torch.zeros(shape.rows, shape.dimension), persistent=False)

    def table(self) -> Tensor:
        """Zeros: (rows, D)."""
        return self.zeros
