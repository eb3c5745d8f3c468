"""A number added to the score of each pair, by the time between them, by their distance, or both."""

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import DAY, Encoding, Pairs, Shape, register

WIDTH = 0.301  # of a bucket, in logarithms of seconds: about a third longer each


def time_bucket(gaps: Tensor, buckets: int) -> Tensor:
    """Bucket floor(ln(max(1, |gap|)) / 0.301) of gaps in days, counted in seconds. Any shape; int64, 0 .. buckets."""
    seconds = (gaps * DAY).round().abs().clamp_min(1)
    return (seconds.log() / WIDTH).long().clamp_max(buckets)


def looked_up(table: Tensor, index: Tensor) -> Tensor:
    """Numbers of a table (K,) at an index of any shape; a gather, which maps over seeds."""
    return table.gather(0, index.flatten()).view(index.shape)


class HstuBias(Encoding):
    """The base of the three: which of the two tables there are, one number an entry, N(0, 0.02) at the start."""

    acts_in_decoder = True
    reads_times = True
    by_position = by_time = True
    position: nn.Parameter
    time: nn.Parameter

    def __init__(self, shape: Shape, generator: torch.Generator, buckets: int = 128, time: str = "query") -> None:
        super().__init__(shape, generator)
        self.buckets, self.asked = buckets, time == "request"
        sizes = {"position": 2 * shape.max_length + 1, "time": buckets + 1}
        for name, size in sizes.items():
            if getattr(self, f"by_{name}"):
                numbers = torch.randn(shape.attentions, size, generator=generator)
                self.register_parameter(name, nn.Parameter(0.02 * numbers))

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """The bias of each pair. Returns (B, 1, m, n), or (1, 1, m, n) without times."""
        total = query.new_zeros(1, 1, 1, 1)
        if self.by_position:
            reach = self.shape.max_length
            total = total + looked_up(self.position[block], pairs.distance.clamp(-reach, reach) + reach)
        if self.by_time:
            total = total + looked_up(self.time[block], time_bucket(pairs.gaps(self.asked), self.buckets))
        return total


@register("hstu_bias", "time_order", buckets=128, time=("query", "request"))
class HstuBoth(HstuBias):
    """A number by distance and one by the time between the pair, shared by the heads.

    time: from the key to the query itself, or to the request that the query answers. The public form takes the time of
    the NEXT step, which is `request`: legal where that time is known when the model serves, as a request's is, and the
    study gives it to the candidates too (`candidate_context: request_time`; else both are the same). In HSTU a SiLU of
    the scores follows, here the softmax.

    Formula: scores + p[j - i] + b[floor(ln(max(1, abs(t_i - t_j) in seconds)) / 0.301)]
    Source: Zhai et al. 2024 (HSTU), public code; RecTools
    Claim: the bias of time is most of what HSTU gains on MovieLens
    Learnt: N * (2 * L + 1 + buckets + 1)
    """


@register("hstu_bias_time", "time", buckets=128, time=("query", "request"))
class HstuTime(HstuBias):
    """The number by the time between a pair alone; see `hstu_bias`.

    Formula: scores + b[floor(ln(max(1, abs(t_i - t_j) in seconds)) / 0.301)]
    Source: Zhai et al. 2024 (HSTU), public code; RecTools (rel_ts_bias)
    Learnt: N * (buckets + 1)
    """

    by_position = False


@register("hstu_bias_position", "relative")
class HstuPosition(HstuBias):
    """The number by distance alone; see `hstu_bias`.

    Formula: scores + p[j - i]
    Source: Zhai et al. 2024 (HSTU), public code; RecTools (rel_pos_bias)
    Learnt: N * (2 * L + 1)
    """

    reads_times = False
    by_time = False
