"""Relative keys and values by the time between two items: in the place of position, or beside it."""

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import DAY, Encoding, Pairs, Shape, register
from posrec.model.encodings.relative import indexed_scores, indexed_values
from posrec.model.encodings.tensors import draw_uniform, xavier_bound


def interval_index(gaps: Tensor, clip: int, unit: float) -> Tensor:
    """min(k, floor(|gap| / unit)) of gaps and a unit in days, from whole seconds in float64. Any shape; int64."""
    apart = (gaps * DAY).round().abs()
    return (apart / (unit * DAY)).long().clamp_max(clip)


@register("time_interval", "time", clip=256, unit=1.0)
class TimeInterval(Encoding):
    """Relative keys and values by time interval (after TiSASRec, Li et al. 2020, equations 6 to 10); no position.

    The unit is fixed (days) and not each user's shortest interval, which a causal model may not know beforehand; their
    absolute positions are left out, so that time is alone.

    Formula: scores + q K(min(clip, floor(days / unit))), output + weights V(the same)
    Source: after Li et al. 2020 (TiSASRec), equations 6 to 10
    Claim: above SASRec by a few per cent, with positions
    Learnt: 2 * N * (clip + 1) * D / H
    """

    def __init__(self, shape: Shape, generator: torch.Generator, clip: int = 256, unit: float = 1.0) -> None:
        super().__init__(shape, generator)
        self.clip, self.unit = clip, unit
        table = (shape.blocks, clip + 1, shape.dimension // shape.heads)
        self.keys = nn.Parameter(draw_uniform(table, xavier_bound(*table[1:]), generator))
        self.interval_values = nn.Parameter(draw_uniform(table, xavier_bound(*table[1:]), generator))

    def _index(self, pairs: Pairs) -> Tensor:
        return interval_index(pairs.gaps(), self.clip, self.unit)

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Products of queries and interval keys. query: (B, H, n, Dh), scaled. Returns (B, H, n, n)."""
        return indexed_scores(query, self.keys[block], self._index(pairs))

    def values(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Interval values, weighted. weights: (B, H, n, n). Returns (B, H, n, Dh)."""
        return indexed_values(weights, self.interval_values[block], self._index(pairs))


def shortest_gap(times: Tensor, visible: Tensor | None) -> Tensor:
    """The smallest time above 0 between two consecutive steps that a query sees, infinite where there is none.

    times: (B, n) days; visible: see `Pairs`. Returns (B, 1, m or 1, 1) whole seconds, float64.
    """
    between = (times.diff(dim=1) * DAY).round()[:, None, None, :]  # (B, 1, 1, n - 1)
    known = between > 0 if visible is None else (between > 0) & visible[..., 1:] & visible[..., :-1]
    apart = torch.where(known, between, torch.inf)
    return torch.nn.functional.pad(apart, (0, 1), value=torch.inf).amin(3, keepdim=True)  # one step has no gap


@register("tisasrec", "time_order", clip=256)
class TiSASRec(Encoding):
    """Absolute positions and time intervals as keys and values in every block, from four tables shared by the blocks.

    Intervals are in units of the user's shortest one above 0. The authors take it over the whole sequence, which a
    causal model may not know beforehand: here it is the shortest that the query sees. No dropout of the tables' rows.

    Formula: scores + q (K_r(j) + K_t(n)), output + weights (V_r(j) + V_t(n)), n = min(clip, floor(gap / shortest))
    Source: Li et al. 2020 (TiSASRec), equations 6 to 10, and its code
    Claim: above SASRec by a few per cent
    Learnt: 2 * (L + clip + 1) * D
    """

    def __init__(self, shape: Shape, generator: torch.Generator, clip: int = 256) -> None:
        super().__init__(shape, generator)
        self.clip = clip
        for name, rows in (("row", shape.max_length), ("interval", clip + 1)):
            for part in ("keys", "values"):
                table = draw_uniform((rows, shape.dimension), xavier_bound(rows, shape.dimension), generator)
                self.register_parameter(f"{name}_{part}", nn.Parameter(table))

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Products of queries with the keys of row and interval. query: (B, H, n, Dh), scaled. Returns (B, H, n, n)."""
        rows, intervals = self._places(pairs)
        of_rows = indexed_scores(query, self._by_head("row_keys"), rows)
        return of_rows + indexed_scores(query, self._by_head("interval_keys"), intervals)

    def values(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Values of row and interval, weighted. weights: (B, H, n, n). Returns (B, H, n, Dh)."""
        rows, intervals = self._places(pairs)
        of_rows = indexed_values(weights, self._by_head("row_values"), rows)
        return of_rows + indexed_values(weights, self._by_head("interval_values"), intervals)

    def _places(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Row and interval of every pair: (B, 1, n, n) int64 each."""
        gaps = pairs.gaps()
        assert pairs.keys is not None
        assert pairs.keys.times is not None
        shortest = shortest_gap(pairs.keys.times, pairs.visible)
        intervals = ((gaps * DAY).round().abs() / shortest).long().clamp_max(self.clip)
        return pairs.keys.rows[:, None, None, :].expand_as(intervals), intervals

    def _by_head(self, name: str) -> Tensor:
        """A table by head: (H, K, Dh)."""
        table: Tensor = getattr(self, name)
        return table.view(len(table), self.shape.heads, -1).transpose(0, 1)
