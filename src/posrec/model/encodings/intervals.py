"""Time in the place of position: relative keys and values by the time between two items."""

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Pairs, Shape, draw_uniform, register, xavier_bound
from posrec.model.encodings.relative import indexed_scores, indexed_values

DAY = 86_400.0  # seconds


def interval_index(times: Tensor, clip: int, unit: float) -> Tensor:
    """min(k, floor(|t_i - t_j| / unit)) of every pair.

    times: (B, n) seconds; unit: days. Returns (B, 1, n, n) int64.
    """
    apart = (times[:, None, :, None] - times[:, None, None, :]).abs()
    return (apart / (unit * DAY)).long().clamp_max(clip)


@register("time_interval", "time", clip=256, unit=1.0)
class TimeInterval(Encoding):
    """Relative keys and values by time interval (after TiSASRec, Li et al. 2020, equations 6 to 10); no position.

    The unit is fixed (days) and not each user's shortest interval, which a causal model may not know beforehand; their
    absolute positions are left out, so that time stands alone.
    """

    def __init__(self, shape: Shape, generator: torch.Generator, clip: int = 256, unit: float = 1.0) -> None:
        super().__init__(shape, generator)
        self.clip, self.unit = clip, unit
        table = (shape.blocks, clip + 1, shape.dimension // shape.heads)
        self.keys = nn.Parameter(draw_uniform(table, xavier_bound(*table[1:]), generator))
        self.interval_values = nn.Parameter(draw_uniform(table, xavier_bound(*table[1:]), generator))

    def _index(self, pairs: Pairs) -> Tensor:
        if pairs.times is None:
            raise ValueError("time_interval needs the items' times: give Tokens their `times`")
        return interval_index(pairs.times, self.clip, self.unit)

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Products of queries and interval keys. query: (B, H, n, Dh), scaled. Returns (B, H, n, n)."""
        return indexed_scores(query, self.keys[block], self._index(pairs))

    def values(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Interval values, weighted. weights: (B, H, n, n). Returns (B, H, n, Dh)."""
        return indexed_values(weights, self.interval_values[block], self._index(pairs))
