"""Positions as rotations of queries and keys."""

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Shape, register
from posrec.model.encodings.tensors import narrow


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring channels (2k, 2k + 1) by an angle (Su et al. 2021, RoFormer, equation 34).

    x: (T, H, Dh); cos, sin: (T, 1, Dh / 2) or (T, H, Dh / 2). Returns (T, H, Dh).
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def rotary_angles(index: Tensor, width: int, base: float) -> Tensor:
    """Angles of every pair of channels: index / base^(2k / Dh). index: any shape. Returns (..., Dh / 2) float64."""
    return index.to(torch.float64)[..., None] * frequencies(width, base, index.device)


def frequencies(width: int, base: float, device: torch.device | None = None) -> Tensor:
    """Radians per step of every pair of channels: base^(-2k / Dh). Returns (Dh / 2,) float64."""
    return base ** (-torch.arange(0, width, 2, dtype=torch.float64, device=device) / width)


def head_width(shape: Shape, kind: str, multiple: int = 2) -> int:
    """Channels of a head. Raises ValueError where they are not a multiple of this many: they are turned in pairs."""
    width, rest = divmod(shape.dimension, shape.heads)
    if rest or width % multiple:
        given = f"dimension {shape.dimension} with {shape.heads} heads gives {shape.dimension / shape.heads:g}"
        raise ValueError(f"{kind} needs a width of each head that is a multiple of {multiple}: {given}")
    return width


def turn(x: Tensor, angle: Tensor) -> Tensor:
    """Rotate pairs of channels. x: (T, H, Dh); angle: (T, 1 or H, Dh / 2), float64 for full precision. (T, H, Dh)."""
    return rotate_pairs(x, narrow(angle.cos(), x), narrow(angle.sin(), x))


@register("rope", "rotary", base=1_000.0, first_block_only=False)
@register("rope_one", "rotary", base=1_000.0, first_block_only=True)
class Rope(Encoding):
    """Rotary embedding of queries and keys in the encoder's blocks, or its first (base 1,000, as the paper's code).

    Formula: channel pairs of q and k turned by r / base^(2c / Dh)
    Source: Su et al. 2021, equation 34; in the first block alone: arXiv 2405.10436
    Claim: relative positions without a table
    Learnt: 0
    """

    acts_in_decoder = True
    cos: Tensor
    sin: Tensor

    def __init__(
        self, shape: Shape, generator: torch.Generator, base: float = 1_000.0, first_block_only: bool = False
    ) -> None:
        super().__init__(shape, generator)
        self.base, self.first_block_only = base, first_block_only
        angle = rotary_angles(torch.arange(shape.rows), head_width(shape, "rope"), base)  # (rows, Dh / 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def rotate(self, x: Tensor, rows: Tensor, block: int, times: Tensor | None = None) -> Tensor:
        """Rotate each pair of channels by its row's angles. x: (T, H, Dh); rows: (T,). Returns (T, H, Dh).

        rows (T, H) are the indices of the released code, of any size, whose angles are computed here.
        """
        if self.first_block_only and block:
            return x
        if rows.dim() == 2:
            angle = rotary_angles(rows, x.shape[2], self.base)
            return rotate_pairs(x, angle.cos().to(x.dtype), angle.sin().to(x.dtype))
        return rotate_pairs(x, narrow(self.cos[rows], x)[:, None], narrow(self.sin[rows], x)[:, None])


def by_row(rows: Tensor) -> Tensor:
    """Rows (T,), or (T, H) as in the released code, to be multiplied with frequencies: (T, 1 or H, 1) float64."""
    return (rows[:, None] if rows.dim() == 1 else rows)[..., None].to(torch.float64)


@register("rope_learnt", "rotary", base=1_000.0)
class RopeLearnt(Encoding):
    """Rotary embedding whose frequencies are learnt in every block, from those of `rope`.

    Formula: channel pairs of q and k turned by r w_c, w_c learnt
    Source: Su et al. 2021 with parameters in place of the ladder
    Learnt: N * D / H / 2
    """

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator, base: float = 1_000.0) -> None:
        super().__init__(shape, generator)
        ladder = frequencies(head_width(shape, "rope_learnt"), base)
        self.base, self.frequency = base, nn.Parameter(ladder.float().repeat(shape.attentions, 1))

    def measures(self) -> dict[str, float]:
        """How far the learnt speeds are from the ladder of `rope`: root mean square of w_c / ladder_c - 1."""
        ladder = frequencies(2 * self.frequency.shape[1], self.base, self.frequency.device)
        changed = self.frequency.detach().double() / ladder - 1
        return {**super().measures(), "speed_change": float(changed.square().mean().sqrt())}

    def rotate(self, x: Tensor, rows: Tensor, block: int, times: Tensor | None = None) -> Tensor:
        """Rotate each pair of channels by its row's angle. x: (T, H, Dh); rows: (T,) or (T, H). Returns (T, H, Dh)."""
        return turn(x, by_row(rows) * self.frequency[block].double())


@register("rotary_control", "control")
class RotaryControl(Encoding):
    """A learnt gain of each pair of channels, the same at every position; 1 at the start.

    The same rotation of all queries and keys would leave their products as they are, so it controls for nothing: this
    has the number of parameters of `rope_learnt`, in the same places.

    Formula: channel pairs of q and k times g_c, g_c learnt
    Source: ours: `rope_learnt` without position
    Learnt: N * D / H / 2
    """

    acts_in_decoder = True

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        width = head_width(shape, "rotary_control")
        self.gain = nn.Parameter(torch.ones(shape.attentions, width // 2))

    def rotate(self, x: Tensor, rows: Tensor, block: int, times: Tensor | None = None) -> Tensor:
        """Multiply each pair of channels. x: (T, H, Dh). Returns (T, H, Dh)."""
        return x * self.gain[block].repeat_interleave(2)
