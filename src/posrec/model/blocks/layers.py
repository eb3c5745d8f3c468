"""What encoder blocks are made of: attention, a feed-forward layer, norms and residual connections."""

import math

import torch
from torch import Tensor, nn

from posrec.model.ops.plain import PLAIN, Ops
from posrec.study.settings.model import ModelSettings


class Layer(nn.Module):
    """A module that computes with operations that an engine may replace (`Carca.use`)."""

    ops: Ops = PLAIN
    dropout = 0.0  # rate in training

    @property
    def rate(self) -> float:
        """The rate of dropout: 0 in evaluation."""
        return self.dropout if self.training else 0.0


class Attention(Layer):
    """Query, key and value through linear layers, LeakyReLU(0.2) in CARCA; softmax(QK' / sqrt(Dh)) V.

    No output projection.
    """

    query_weight: nn.Parameter
    query_bias: nn.Parameter | None
    key_weight: nn.Parameter
    key_bias: nn.Parameter | None
    value_weight: nn.Parameter
    value_bias: nn.Parameter | None

    def __init__(
        self, dimension: int, heads: int, generator: torch.Generator, activation: str = "leaky", bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.activation = heads, activation
        for name in ("query", "key", "value"):
            self.register_parameter(f"{name}_weight", nn.Parameter(xavier(dimension, generator)))
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.zeros(dimension)) if bias else None)

    def project(self, name: str, x: Tensor) -> Tensor:
        """x: (T, D). Returns the query, key or value of each head: (T, H, Dh)."""
        y = self.ops.linear(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"))
        return self.ops.activate(y, self.activation, 0.0).unflatten(-1, (self.heads, -1))


class FeedForward(Layer):
    """y + dropout(W_2 dropout(act(W_1 y))) on (T, D)."""

    def __init__(self, width: int, dropout: float, activation: str, generator: torch.Generator) -> None:
        super().__init__()
        self.dropout, self.activation = dropout, activation
        self.weight1 = nn.Parameter(xavier(width, generator))
        self.bias1 = nn.Parameter(torch.zeros(width))
        self.weight2 = nn.Parameter(xavier(width, generator))
        self.bias2 = nn.Parameter(torch.zeros(width))

    def forward(self, y: Tensor) -> Tensor:
        """y: (T, D). Returns (T, D)."""
        hidden = self.ops.activate(self.ops.linear(y, self.weight1, self.bias1), self.activation, self.rate)
        return self.ops.add_dropped(y, self.ops.linear(hidden, self.weight2, self.bias2), self.rate)


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


def xavier(width: int, generator: torch.Generator, outputs: int | None = None) -> Tensor:
    """Xavier uniform, (outputs, D); outputs: D if not given."""
    outputs = outputs or width
    return (torch.rand(outputs, width, generator=generator) * 2 - 1) * math.sqrt(6 / (width + outputs))
