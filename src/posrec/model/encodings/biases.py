"""Positions as a number added to the score of each pair, by its distance."""

import math

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Pairs, Shape, register
from posrec.model.encodings.relative import clipped_distance
from posrec.model.encodings.tensors import draw_uniform, narrow


def alibi_slopes(heads: int) -> Tensor:
    """Slopes 2^(-8h / H) of heads h = 1 .. H (Press et al. 2022, section 3). Returns (H,) float64."""
    return 2.0 ** (-8.0 * torch.arange(1, heads + 1, dtype=torch.float64) / heads)


def t5_bucket(distance: Tensor, buckets: int, reach: int, causal: bool) -> Tensor:
    """Bucket of each distance j - i (Raffel et al. 2020, section 2.1).

    Half of a direction's buckets are single distances, the others grow logarithmically up to `reach`, beyond which the
    last is shared. causal: keys are before queries and have all buckets; else each direction has half of them.
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
    """Scores fall by a fixed slope per slot of distance, in both directions; nothing is learnt.

    Formula: scores - 2^(-8h / H) abs(j - i)
    Source: Press et al. 2022, section 3
    Claim: reaches lengths that were not trained
    Learnt: 0
    """

    acts_in_decoder = True
    slopes: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.register_buffer("slopes", alibi_slopes(shape.heads), persistent=False)

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """-m_h |j - i|. Returns (H, m, n)."""
        return narrow(-self.slopes[:, None, None] * pairs.distance.abs(), query)


@register("t5_bias", "relative", buckets=32, reach=128)
class T5Bias(Encoding):
    """A learnt number for each bucket of distances and head, shared by the blocks.

    Buckets have one direction under a causal mask, else two.

    Formula: scores + b[bucket(j - i), h]
    Source: Raffel et al. 2020, section 2.1
    Claim: a simple form of relative keys
    Learnt: buckets * H
    """

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
    """A learnt number for each clipped distance and head in every block; no relative values; 0 at the start.

    Formula: scores + b[clip(j - i), h]
    Source: Raffel et al. 2020 with clipping in place of buckets
    Learnt: N * H * (2 * clip + 1)
    """

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator, clip: int = 4) -> None:
        super().__init__(shape, generator)
        self.clip = clip
        self.bias = nn.Parameter(torch.zeros(shape.attentions, shape.heads, 2 * clip + 1))

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """The bias of each pair's clipped distance. Returns (H, m, n)."""
        return self.bias[block][:, clipped_distance(pairs.distance, self.clip)]


@register("kerple", "relative")
class Kerple(Encoding):
    """Scores fall by a learnt logarithm of the distance, in both directions.

    r1 and r2 start uniform over 0 .. 2 and 0 .. 1, as in the authors' code. They stay positive as exponentials of what
    is learnt; the code clamps them at 0.01 instead, below which nothing moves them.

    Formula: scores - r1 ln(1 + r2 abs(j - i)), r1, r2 > 0 learnt for each head
    Source: Chi et al. 2022 (KERPLE, logarithmic variant), equation 6
    Claim: reaches lengths that were not trained
    Learnt: 2 * N * H
    """

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        start = torch.rand(2, shape.attentions, shape.heads, generator=generator).clamp_min(0.01)
        self.log_slope = nn.Parameter((2 * start[0]).log())
        self.log_scale = nn.Parameter(start[1].log())

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """-r1 ln(1 + r2 |j - i|). Returns (H, m, n)."""
        slope, scale = (log[block].exp()[:, None, None] for log in (self.log_slope, self.log_scale))
        return -slope * (scale * pairs.distance.abs()).log1p()


@register("fire", "relative", hidden=32, threshold=512.0)
class Fire(Encoding):
    """A small network of the distance, measured against the query's position.

    i is the query's row, counted from 1. Its authors have a causal model; without a mask the distance is taken without
    its sign. c starts at 0.1 and the threshold at its setting; the network starts as torch's linear layers do.

    Formula: scores + MLP(psi(i - j) / psi(max(i, threshold))), psi(x) = ln(c x + 1), one ReLU layer
    Source: Li et al. 2023, arXiv 2310.04418, equation 6
    Claim: reaches lengths that were not trained
    Learnt: N * (2 + 2 * hidden + (hidden + 1) * H)
    """

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator, hidden: int = 32, threshold: float = 512.0) -> None:
        super().__init__(shape, generator)
        blocks, bound = shape.attentions, hidden**-0.5
        self.scale = nn.Parameter(torch.full((blocks,), 0.1))
        self.threshold = nn.Parameter(torch.full((blocks,), threshold))
        self.weight1, self.bias1 = (nn.Parameter(draw_uniform((blocks, hidden), 1.0, generator)) for _ in range(2))
        self.weight2 = nn.Parameter(draw_uniform((blocks, shape.heads, hidden), bound, generator))
        self.bias2 = nn.Parameter(draw_uniform((blocks, shape.heads), bound, generator))

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """The network's output. Returns (B, H, m, n)."""
        if pairs.queries is None:
            raise ValueError("fire needs the position rows of the queries")
        scale = self.scale[block].abs()
        reach = torch.maximum(pairs.queries.rows + 1, self.threshold[block].abs())  # (B, m)
        near = (scale * pairs.distance.abs()).log1p() / (scale * reach).log1p()[..., None]  # (B, m, n)
        hidden = torch.relu(near[..., None] * self.weight1[block] + self.bias1[block])  # (B, m, n, hidden)
        return (hidden @ self.weight2[block].T + self.bias2[block]).permute(0, 3, 1, 2)
