"""The LiGR block: pre-norm, gated residuals and SwiGLU.

Sources: Borisyuk et al. 2025 (arXiv 2502.03417), the gate; eSASRec (Tikhonovich et al., RecSys 2025), in SASRec;
Shazeer 2020 (arXiv 2002.05202), SwiGLU.
"""

import torch
from torch import Tensor, nn

from posrec.model.blocks.interface import Block
from posrec.model.blocks.layers import Attention, Layer, xavier
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings

WIDER = 4  # the hidden width of SwiGLU, in D


class SwiGlu(Layer):
    """W_3 dropout(silu(W_1 y) * W_2 y) on (T, D), 4D wide, no bias."""

    def __init__(self, width: int, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        self.dropout = dropout
        self.weight1, self.weight2 = (nn.Parameter(xavier(width, generator, WIDER * width)) for _ in range(2))
        self.weight3 = nn.Parameter(xavier(WIDER * width, generator, width))

    def forward(self, y: Tensor) -> Tensor:
        """y: (T, D). Returns (T, D)."""
        opened = self.ops.activate(self.ops.linear(y, self.weight1), "silu", 0.0)  # (T, 4D)
        hidden = self.ops.dropout(opened * self.ops.linear(y, self.weight2), self.rate)
        return self.ops.linear(hidden, self.weight3)


class LigrBlock(Block):
    """x <- x + sigmoid(G_1 x) * W_o attention(norm x); x <- x + sigmoid(G_2 x) * SwiGLU(norm x). No bias."""

    def __init__(self, settings: ModelSettings, switches: TrainingSwitches, generator: torch.Generator) -> None:
        super().__init__(settings, switches, generator)
        width = settings.dimension
        self.attention = Attention(width, settings.heads, generator, activation="identity", bias=False)
        self.output_weight, self.gate1, self.gate2 = (nn.Parameter(xavier(width, generator)) for _ in range(3))
        self.feed_forward = SwiGlu(width, settings.dropout, generator)

    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Block`."""
        normal = self.norm1(x)
        return normal, normal

    def finish(self, x: Tensor, query: Tensor, y: Tensor) -> Tensor:
        """See `Block`."""
        x = x + self._gated(self.gate1, x, self.ops.linear(y, self.output_weight))
        return x + self._gated(self.gate2, x, self.feed_forward(self.norm2(x)))

    def _gated(self, gate: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """sigmoid(G x) * dropout(y). x, y: (T, D). Returns (T, D)."""
        return torch.sigmoid(self.ops.linear(x, gate)) * self.ops.dropout(y, self.rate)
