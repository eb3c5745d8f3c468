"""Times as rotations of queries and keys, alone or together with positions.

Angles are computed in float64: a product of days and a frequency has many turns, of which only the last counts.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posrec.model.encodings.interface import Encoding, Shape, register
from posrec.model.encodings.rotary import by_row, frequencies, head_width, rotate_pairs, turn
from posrec.model.encodings.tensors import draw_uniform, narrow

DAYS_PER_YEAR, DAYS_PER_MONTH, DAYS_PER_WEEK = 365.25, 30.4375, 7.0


def _time_of(kind: str, times: Tensor | None) -> Tensor:
    if times is None:
        raise ValueError(f"{kind} needs the items' times: give Tokens their `times`")
    return times


@register(
    "to_rope",
    "time_order",
    mode=("early", "split_by_dim", "split_by_head"),
    base=1_000.0,
    time_base=10_000.0,
    alpha=1.0,
    beta=1.0,
    scale=1.0,
)
class ToRope(Encoding):
    """Queries and keys turned by row and by time: as one angle, or each in some channels or heads.

    split_by_dim: even pairs of channels by row, odd ones by time; split_by_head: the first half of the heads by row (of
    an odd number the larger), the others by time. Where the time is counted from does not count. scale: days that are
    one unit of time; the frequencies of row and of time fall from 1 to 1 / base and to 1 / time_base.

    Formula: channel pair c of q and k turned by alpha r w_c + beta t / scale v_c, w and v geometric ladders
    Source: arXiv 2510.20455 (Time-and-Order RoPE)
    Claim: above learnt positions, the biases of HSTU and plain rope, on public and industrial data
    Learnt: 0
    """

    acts_in_decoder = True
    reads_times = True

    def __init__(
        self,
        shape: Shape,
        generator: torch.Generator,
        mode: str = "early",
        base: float = 1_000.0,
        time_base: float = 10_000.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__(shape, generator)
        head_width(shape, f"to_rope (mode {mode})", multiple=4 if mode == "split_by_dim" else 2)
        if mode == "split_by_head" and shape.heads < 2:
            raise ValueError("to_rope (mode split_by_head) needs at least 2 heads")
        self.mode, self.base, self.time_base = mode, base, time_base
        self.alpha, self.beta, self.scale = alpha, beta, scale

    def rotate(self, x: Tensor, rows: Tensor, block: int, times: Tensor | None = None) -> Tensor:
        """x: (T, H, Dh); rows: (T,) or (T, H); times: (T,) days. Returns (T, H, Dh)."""
        at = _time_of("to_rope", times)[:, None, None] / self.scale  # (T, 1, 1)
        of_row, of_time = self._shares(x)
        order = frequencies(x.shape[2], self.base, x.device)
        time = frequencies(x.shape[2], self.time_base, x.device)
        return turn(x, self.alpha * by_row(rows) * of_row * order + self.beta * at * of_time * time)

    def _shares(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where row and time turn, as 0 and 1: (1 or H, 1 or Dh / 2) each."""
        one = torch.ones(1, 1, dtype=torch.float64, device=x.device)
        if self.mode == "early":
            return one, one
        if self.mode == "split_by_dim":
            share = (torch.arange(x.shape[2] // 2, device=x.device) % 2 == 0).double()[None]
        else:
            share = (2 * torch.arange(x.shape[1], device=x.device) < x.shape[1]).double()[:, None]
        return share, one - share


@register("time_rope", "time", time_base=10_000.0, scale=1.0)
class TimeRope(ToRope):
    """Queries and keys turned by time alone: `to_rope` with alpha 0.

    Formula: channel pair c of q and k turned by t / scale v_c, v a geometric ladder
    Source: arXiv 2510.20455 (Time-and-Order RoPE) without its order
    Learnt: 0
    """

    def __init__(
        self, shape: Shape, generator: torch.Generator, time_base: float = 10_000.0, scale: float = 1.0
    ) -> None:
        super().__init__(shape, generator, time_base=time_base, alpha=0.0, scale=scale)


@register("rote", "time", origin=0.0)
class Rote(Encoding):
    """Queries and keys replaced by the weighted sum of their rotations by years, months and days.

    A score is a sum over pairs of levels. Where both are the same it depends on the difference of the times alone.
    Where they differ it depends on t_i f_l - t_j f_l', and so on where the time is counted from: shift all times of a
    user, and the scores change. The authors count from 1970; here the first training interaction of the data set is
    day `origin`. Their text adds the rotations to the item embeddings, their code, as here, to queries and keys.

    Formula: q, k = sum over levels l of w_l R(t_l) q, k; t in years, months, days; w = 1.5, 1, 0.5; base 1e6, 1e4, 1e2
    Source: arXiv 2604.13389 (RoTE) and its code
    Claim: up to 20 % more NDCG@5 than SASRec on three data sets of Amazon
    Learnt: 0
    """

    acts_in_decoder = True
    reads_times = True
    LEVELS = ((DAYS_PER_YEAR, 1e6, 1.5), (DAYS_PER_MONTH, 1e4, 1.0), (1.0, 1e2, 0.5))  # days, base, weight

    def __init__(self, shape: Shape, generator: torch.Generator, origin: float = 0.0) -> None:
        super().__init__(shape, generator)
        head_width(shape, "rote")
        self.origin = origin

    def rotate(self, x: Tensor, rows: Tensor, block: int, times: Tensor | None = None) -> Tensor:
        """x: (T, H, Dh); times: (T,) days. Returns (T, H, Dh)."""
        at = _time_of("rote", times)[:, None, None] + self.origin
        cos, sin = torch.zeros_like(at), torch.zeros_like(at)
        for days, base, weight in self.LEVELS:
            angle = at / days * frequencies(x.shape[2], base, x.device)  # (T, 1, Dh / 2)
            cos, sin = cos + weight * angle.cos(), sin + weight * angle.sin()
        return rotate_pairs(x, narrow(cos, x), narrow(sin, x))


@register("siren_rope", "time_order", hidden=8, omega=30.0, base=1_000.0)
class SirenRope(Encoding):
    """Queries and keys turned by a network's angles of time and row, and by the row as in `rope`.

    The network has a sine branch for cycles and a ReLU branch for trends, both of the features row / L, time in years,
    and sine and cosine of day and week. One network for all blocks and heads. A plain reading of the paper, with two
    layers a branch; the authors' code has two more hidden layers, and an angle for each few pairs of channels.

    Formula: channel pair c turned by s_c (sine(f)_c + relu(f)_c) + g r w_c, w the ladder of `rope`, s, g learnt
    Source: arXiv 2604.24717 (SIREN-RoPE) and its code
    Claim: better calibrated and ranked than order or time alone, on a production feed
    Learnt: 2 * (7 * hidden + (hidden + 1) * D / H / 2) + D / H / 2 + 1
    """

    acts_in_decoder = True
    reads_times = True

    def __init__(
        self,
        shape: Shape,
        generator: torch.Generator,
        hidden: int = 8,
        omega: float = 30.0,
        base: float = 1_000.0,
    ) -> None:
        super().__init__(shape, generator)
        pairs = head_width(shape, "siren_rope") // 2
        self.omega, self.base = omega, base
        start = (1 / 6, math.sqrt(6 / hidden) / omega), (6**-0.5, hidden**-0.5)  # of SIREN, and torch's linear layers
        for name, (first, second) in zip(("sine", "relu"), start, strict=True):
            shapes = {"weight1": (hidden, 6), "bias1": (hidden,), "weight2": (pairs, hidden), "bias2": (pairs,)}
            for part, size in shapes.items():
                bound = first if part.endswith("1") else second
                setattr(self, f"{name}_{part}", nn.Parameter(draw_uniform(size, bound, generator)))
        self.scale = nn.Parameter(torch.full((pairs,), math.pi))
        self.order = nn.Parameter(torch.ones(1))

    def rotate(self, x: Tensor, rows: Tensor, block: int, times: Tensor | None = None) -> Tensor:
        """x: (T, H, Dh); rows: (T,) or (T, H); times: (T,) days. Returns (T, H, Dh)."""
        row = by_row(rows)
        features = narrow(self._features(row, _time_of("siren_rope", times)), self.scale)  # (T, 1 or H, 6)
        angle = (self._branch("sine", features) + self._branch("relu", features)) * self.scale
        return turn(x, angle + self.order * row * frequencies(x.shape[2], self.base, x.device))

    def _features(self, row: Tensor, times: Tensor) -> Tensor:
        at = times[:, None, None].expand_as(row)
        turns = [2 * math.pi * at / days for days in (1.0, DAYS_PER_WEEK)]
        cycles = [wave for turn_ in turns for wave in (turn_.sin(), turn_.cos())]
        return torch.cat([row / self.shape.max_length, at / DAYS_PER_YEAR, *cycles], dim=-1)

    def _branch(self, name: str, features: Tensor) -> Tensor:
        weight1, bias1, weight2, bias2 = (
            getattr(self, f"{name}_{part}") for part in ("weight1", "bias1", "weight2", "bias2")
        )
        hidden = F.linear(features, weight1, bias1)
        hidden = (self.omega * hidden).sin() if name == "sine" else hidden.relu()
        return F.linear(hidden, weight2, bias2)
