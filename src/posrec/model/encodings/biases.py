"""Positions as a number added to the score of each pair, by its distance."""

import math

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Pairs, Shape, register
from posrec.model.encodings.relative import clipped_distance


def alibi_slopes(heads: int) -> Tensor:
    """Slopes 2^(-8h / H) of heads h = 1 .. H (Press et al. 2022, section 3). Returns (H,) float64."""
    return 2.0 ** (-8.0 * torch.arange(1, heads + 1, dtype=torch.float64) / heads)


def t5_bucket(distance: Tensor, buckets: int, reach: int, causal: bool) -> Tensor:
    """Bucket of each distance j - i (Raffel et al. 2020, section 2.1).

    Half of a direction's buckets are single distances, the others grow logarithmically up to `reach`, beyond which the
    last is shared. causal: keys lie before queries and have all buckets; else each direction has half of them.
    distance: any shape, int64. Returns the same shape, int64.
    """
    offset = torch.zeros_like(distance)
    if causal:
        back = (-distance).clamp_min(0)
    else:
        buckets //= 2
        offset, back = (distance > 0) * buckets, distance.abs()
    exact = buckets // 2
    growth = (back.clamp_min(1).double() / exact).log() / math.log(reach / exact) * (buckets - exact)
    far = (exact + growth.long()).clamp_max(buckets - 1)
    return offset + torch.where(back < exact, back, far)


@register("alibi", "relative")
class Alibi(Encoding):
    """Scores fall by a fixed slope a slot of distance (Press et al. 2022), in both directions; nothing is learnt."""

    acts_in_decoder = True
    slopes: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.register_buffer("slopes", alibi_slopes(shape.heads), persistent=False)

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """-m_h |j - i|. Returns (H, m, n)."""
        return -self.slopes[:, None, None] * pairs.distance.abs()


@register("t5_bias", "relative", buckets=32, reach=128)
class T5Bias(Encoding):
    """A learnt number for each bucket of distances and head, shared by the blocks (Raffel et al. 2020)."""

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator, buckets: int = 32, reach: int = 128) -> None:
        super().__init__(shape, generator)
        if buckets < 4 or buckets % 2 or reach <= buckets // 2:
            raise ValueError(
                f"t5_bias: buckets must be even and at least 4, reach above half of them ({buckets=}, {reach=})"
            )
        self.buckets, self.reach = buckets, reach
        numbers = torch.randn(buckets, shape.heads, generator=generator)
        self.bias = nn.Parameter(numbers / math.sqrt(shape.dimension))

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """The bias of each pair's bucket. Returns (H, m, n)."""
        bucket = t5_bucket(pairs.distance, self.buckets, self.reach, self.shape.causal)
        return self.bias[bucket].permute(2, 0, 1)


@register("relative_bias", "relative", clip=4)
class RelativeBias(Encoding):
    """A learnt number for each clipped distance and head in every block; no relative values; 0 at the start."""

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator, clip: int = 4) -> None:
        super().__init__(shape, generator)
        self.clip = clip
        self.bias = nn.Parameter(torch.zeros(shape.attentions, shape.heads, 2 * clip + 1))

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """The bias of each pair's clipped distance. Returns (H, m, n)."""
        return self.bias[block][:, clipped_distance(pairs.distance, self.clip)]
