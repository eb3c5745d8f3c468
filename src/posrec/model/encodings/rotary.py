"""Positions as rotations of queries and keys."""

import torch
from torch import Tensor

from posrec.model.encodings.interface import Encoding, Shape, register


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring channels (2k, 2k + 1) by an angle (Su et al. 2021, RoFormer, equation 34).

    x: (T, H, Dh); cos, sin: (T, 1, Dh / 2) or (T, H, Dh / 2). Returns (T, H, Dh).
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def rotary_angles(index: Tensor, width: int, base: float) -> Tensor:
    """Angles of every pair of channels: index / base^(2k / Dh). index: any shape. Returns (..., Dh / 2) float64."""
    frequency = base ** (-torch.arange(0, width, 2, dtype=torch.float64, device=index.device) / width)
    return index.to(torch.float64)[..., None] * frequency


@register("rope", "relative", base=1_000.0, first_block_only=False)
@register("rope_one", "relative", base=1_000.0, first_block_only=True)
class Rope(Encoding):
    """Rotary embedding of queries and keys in the encoder's blocks, or its first (base 1,000, as the paper's code)."""

    acts_in_decoder = True
    cos: Tensor
    sin: Tensor

    def __init__(
        self, shape: Shape, generator: torch.Generator, base: float = 1_000.0, first_block_only: bool = False
    ) -> None:
        super().__init__(shape, generator)
        self.base, self.first_block_only = base, first_block_only
        angle = rotary_angles(torch.arange(shape.rows), shape.dimension // shape.heads, base)  # (rows, Dh / 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def rotate(self, x: Tensor, rows: Tensor, block: int) -> Tensor:
        """Rotate each pair of channels by its row's angles. x: (T, H, Dh); rows: (T,). Returns (T, H, Dh).

        rows (T, H) are the indices of the released code, of any size, whose angles are computed here.
        """
        if self.first_block_only and block:
            return x
        if rows.dim() == 2:
            angle = rotary_angles(rows, x.shape[2], self.base)
            return rotate_pairs(x, angle.cos().to(x.dtype), angle.sin().to(x.dtype))
        return rotate_pairs(x, self.cos[rows][:, None], self.sin[rows][:, None])
