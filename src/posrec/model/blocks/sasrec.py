"""The encoder block of SASRec (Kang and McAuley, ICDM 2018, section III-B), as its authors' code computes it."""

import torch
from torch import Tensor

from posrec.model.blocks.interface import Block
from posrec.model.blocks.layers import Attention, FeedForward
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings


class SasrecBlock(Block):
    """q = norm(x); s = norm(attention(q, x, x) + q); s + W_2 relu(W_1 s).

    Projections are linear, without LeakyReLU. The residual of the attention is the normalised query.
    """

    def __init__(self, settings: ModelSettings, switches: TrainingSwitches, generator: torch.Generator) -> None:
        super().__init__(settings, switches, generator)
        self.attention = Attention(settings.dimension, settings.heads, generator, activation="identity")
        self.feed_forward = FeedForward(settings.dimension, settings.dropout, "relu", generator)

    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Block`."""
        return self.norm1(x), x

    def finish(self, x: Tensor, query: Tensor, y: Tensor) -> Tensor:
        """See `Block`."""
        finished: Tensor = self.feed_forward(self.norm2(y + query))
        return finished
