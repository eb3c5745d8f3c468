"""The layers of CARCA: attention, feed-forward, an encoder block, norms and residuals."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from posrec.model.attention import Layout, Relative
from posrec.model.ops.kernels import Kernels
from posrec.model.ops.products import linear
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings import ModelSettings


class Attention(nn.Module):
    """Query, key and value through a linear layer and LeakyReLU(0.2); softmax(QK' / sqrt(Dh)) V.

    No output projection.
    """

    query_weight: nn.Parameter
    query_bias: nn.Parameter
    key_weight: nn.Parameter
    key_bias: nn.Parameter
    value_weight: nn.Parameter
    value_bias: nn.Parameter

    def __init__(self, dimension: int, heads: int, generator: torch.Generator, kernels: Kernels) -> None:
        super().__init__()
        self.heads = heads
        self.kernels = kernels
        for name in ("query", "key", "value"):
            self.register_parameter(f"{name}_weight", nn.Parameter(xavier(dimension, generator)))
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.zeros(dimension)))

    def project(self, name: str, x: Tensor) -> Tensor:
        """x: (T, D). Returns the query, key or value of each head: (T, H, Dh)."""
        y = linear(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"))
        return self.kernels.activate(y, "leaky", 0.0).unflatten(-1, (self.heads, -1))


class FeedForward(nn.Module):
    """y + dropout(W_2 dropout(act(W_1 y))) on (T, D)."""

    def __init__(
        self, settings: ModelSettings, switches: TrainingSwitches, generator: torch.Generator, kernels: Kernels
    ) -> None:
        super().__init__()
        self.kernels = kernels
        width = settings.dimension
        self.settings = settings
        # the released code overwrites every activation but silu by the identity
        ignored = switches.activation == "released" and settings.activation != "silu"
        self.activation = "identity" if ignored else settings.activation
        self.weight1 = nn.Parameter(xavier(width, generator))
        self.bias1 = nn.Parameter(torch.zeros(width))
        self.weight2 = nn.Parameter(xavier(width, generator))
        self.bias2 = nn.Parameter(torch.zeros(width))

    def forward(self, y: Tensor) -> Tensor:
        """y: (T, D). Returns (T, D)."""
        rate = self.settings.dropout if self.training else 0.0
        hidden = self.kernels.activate(linear(y, self.weight1, self.bias1), self.activation, rate)
        return self.kernels.add_dropped(y, linear(hidden, self.weight2, self.bias2), rate)


class Block(nn.Module):
    """One encoder block: attention with a residual, a norm, feed-forward with a residual.

    norm_place "before": the first norm makes the attention's query, the second the feed-forward's input; "after": they
    follow the residuals.
    """

    def __init__(
        self, settings: ModelSettings, switches: TrainingSwitches, generator: torch.Generator, kernels: Kernels
    ) -> None:
        super().__init__()
        self.settings = settings
        self.kernels = kernels
        self.norm1, self.norm2 = make_norm(settings), make_norm(settings)
        self.attention = Attention(settings.dimension, settings.heads, generator, kernels)
        self.feed_forward = FeedForward(settings, switches, generator, kernels)
        # the released code's "mul" falls through to the feed-forward once more
        self.falls_through = switches.ff_residual == "released" and settings.residual == "mul"

    def forward(self, x: Tensor, rows: Tensor, layout: Layout, relative: Relative) -> Tensor:
        """x: (T, D) history; rows: (T,) position rows, or (T, H) as released. Returns (T, D)."""
        encoding, number, before = relative.encoding, relative.block, self.settings.norm_place == "before"
        start = self.norm1(x) if before else x  # (T, D)
        times = encoding.given(None if relative.steps is None else relative.steps.times)
        query = encoding.rotate(self.attention.project("query", start), rows, number, *times)  # (T, H, Dh)
        key = encoding.rotate(self.attention.project("key", x), rows, number, *times)
        value = self.attention.project("value", x)
        rate = self.settings.dropout if self.training else 0.0
        y = encoding.project(self.kernels.attend(query, key, value, layout, rate, relative), number)
        y = combine(self.settings.residual, y, start)
        y = self.norm2(y) if before else self.norm1(y)
        y = self.residual(y, self.feed_forward)
        return y if before else self.norm2(y)

    def residual(self, y: Tensor, feed_forward: Callable[[Tensor], Tensor]) -> Tensor:
        """The feed-forward with its residual. y: (..., D). Returns (..., D)."""
        z = combine(self.settings.residual, feed_forward(y), y)
        return feed_forward(z) if self.falls_through else z


def make_norm(settings: ModelSettings) -> nn.Module:
    """A layer norm, an RMS norm (Zhang and Sennrich 2019) or nothing, over D."""
    if settings.norm == "none":
        return nn.Identity()
    return (nn.LayerNorm if settings.norm == "layer" else nn.RMSNorm)(settings.dimension, eps=1e-8)


def combine(kind: str, y: Tensor, x: Tensor) -> Tensor:
    """A residual connection: y * x, y + x, or y alone."""
    if kind == "none":
        return y
    return y * x if kind == "mul" else y + x


def xavier(width: int, generator: torch.Generator) -> Tensor:
    """Xavier uniform (D, D)."""
    return (torch.rand(width, width, generator=generator) * 2 - 1) * math.sqrt(3 / width)
