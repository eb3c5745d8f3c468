"""Relative positions inside the encoder's attention, with learnt keys and values; and its control without them."""

import math

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Pairs, Shape, register
from posrec.model.encodings.tensors import draw_uniform, keys_first, xavier_bound


def clipped_distance(distance: Tensor, clip: int) -> Tensor:
    """Shaw et al. 2018, equation 3: index clip(j - i, -k, k) + k of every pair. distance: (m, n) int64."""
    return distance.clamp(-clip, clip) + clip


def indexed_scores(query: Tensor, keys: Tensor, index: Tensor) -> Tensor:
    """Products of queries and the key that each pair's index names.

    query: (B, H, m, Dh); keys: (K, Dh) or (H, K, Dh); index: (m, n) or (B, 1, m, n), below K. Returns (B, H, m, n).
    """
    of_candidates = index.shape[-2] != index.shape[-1]  # in the decoder, where equal ones must tie
    products = keys_first(query, keys) if of_candidates else query @ keys.mT
    return products.gather(3, index.expand(*query.shape[:2], -1, -1))


def indexed_values(weights: Tensor, values: Tensor, index: Tensor) -> Tensor:
    """Weighted sum of the values that each pair's index names.

    weights: (B, H, m, n); values: (K, Dh) or (H, K, Dh); index: (m, n) or (B, 1, m, n), below K. Returns (B, H, m, Dh).
    """
    by_index = weights.new_zeros(*weights.shape[:3], values.shape[-2])
    return by_index.scatter_add(3, index.expand_as(weights), weights) @ values


class Projected(Encoding):
    """An output projection after the attention of each block: Xavier uniform, bias 0; or as released.

    Released (`rmha_projection`): torch's default start of a linear layer, weight and bias uniform over +-1 / sqrt(D).
    """

    second_softmax = True
    acts_in_decoder = True

    def make_projection(self, generator: torch.Generator) -> None:
        """Draw the projection's parameters."""
        width, blocks, linear = self.shape.dimension, self.shape.attentions, self.shape.linear_start
        bound = 1 / math.sqrt(width) if linear else math.sqrt(3 / width)
        self.weight = nn.Parameter(draw_uniform((blocks, width, width), bound, generator))
        bias = draw_uniform((blocks, width), bound, generator) if linear else torch.zeros(blocks, width)
        self.bias = nn.Parameter(bias)

    def project(self, y: Tensor, block: int) -> Tensor:
        """The output projection of encoder block `block`. y: (T, D). Returns (T, D)."""
        return self.linear_op(y, self.weight[block], self.bias[block])


@register("rmha{clip}", "relative", clip=4)
class RelativeAttention(Projected):
    """Relative keys and values (Shaw et al. 2018) and an output projection.

    Distances are clipped at k; the keys and values are shared by the heads.

    Formula: scores + q K(clip(j - i)), output + weights V(clip(j - i)), then W_o
    Source: Shaw et al. 2018, equations 3 to 5
    Claim: above absolute positions
    Learnt: N * (2 * (2 * clip + 1) * D / H + D * D + D)
    """

    def __init__(self, shape: Shape, generator: torch.Generator, clip: int = 4) -> None:
        super().__init__(shape, generator)
        self.clip = clip
        table = (shape.attentions, 2 * clip + 1, shape.dimension // shape.heads)
        self.keys = nn.Parameter(draw_uniform(table, xavier_bound(*table[1:]), generator))
        self.relative_values = nn.Parameter(draw_uniform(table, xavier_bound(*table[1:]), generator))
        self.make_projection(generator)

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Products of queries and relative keys. query: (B, H, m, Dh), scaled. Returns (B, H, m, n)."""
        return indexed_scores(query, self.keys[block], clipped_distance(pairs.distance, self.clip))

    def values(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Relative values, weighted. weights: (B, H, m, n). Returns (B, H, m, Dh)."""
        return indexed_values(weights, self.relative_values[block], clipped_distance(pairs.distance, self.clip))


@register("rmha_control", "control")
class RelativeControl(Projected):
    """The output projection without relative tables: what rmha adds beside its positions.

    Formula: W_o alone
    Source: ours: `rmha` without its tables
    Learnt: N * (D * D + D)
    """

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.make_projection(generator)


@register("pair_control", "control")
class PairControl(Encoding):
    """One learnt value for all pairs and a head each: what tables of keys and values add without position and time.

    One key for all pairs would add the same to all scores of a query, which the softmax takes away. 0 at the start.

    Formula: output + v, v learnt
    Source: ours: `rmha`, `time_interval` and `tisasrec` with one row in each table
    Learnt: N * D
    """

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.value = nn.Parameter(torch.zeros(shape.attentions, shape.dimension))

    def project(self, y: Tensor, block: int) -> Tensor:
        """Add the value: the weights of a query sum to 1. y: (T, D). Returns (T, D)."""
        return y + self.value[block]
