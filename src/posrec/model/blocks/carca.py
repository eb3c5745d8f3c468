"""The encoder block of CARCA (Rashed et al., RecSys 2022, section 3.2), with the residuals and norms of the study."""

import torch
from torch import Tensor

from posrec.model.blocks.interface import Block
from posrec.model.blocks.layers import Attention, FeedForward, combine
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings


class CarcaBlock(Block):
    """Attention with a residual, a norm, feed-forward with a residual.

    norm_place "before": the first norm makes the attention's query, the second the feed-forward's input; "after": they
    follow the residuals.
    """

    def __init__(self, settings: ModelSettings, switches: TrainingSwitches, generator: torch.Generator) -> None:
        super().__init__(settings, switches, generator)
        self.attention = Attention(settings.dimension, settings.heads, generator)
        # the released code overwrites every activation but silu by the identity
        ignored = switches.activation == "released" and settings.activation != "silu"
        activation = "identity" if ignored else settings.activation
        self.feed_forward = FeedForward(settings.dimension, settings.dropout, activation, generator)
        # the released code's "mul" falls through to the feed-forward once more
        self.falls_through = switches.ff_residual == "released" and settings.residual == "mul"

    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Block`."""
        return (self.norm1(x) if self.settings.norm_place == "before" else x), x

    def finish(self, x: Tensor, query: Tensor, y: Tensor) -> Tensor:
        """See `Block`."""
        before = self.settings.norm_place == "before"
        y = combine(self.settings.residual, y, query)
        y = self.norm2(y) if before else self.norm1(y)
        z = combine(self.settings.residual, self.feed_forward(y), y)
        z = self.feed_forward(z) if self.falls_through else z
        return z if before else self.norm2(z)
