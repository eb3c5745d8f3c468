"""An encoder block: its attention takes the position; what else it does is its own."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from posrec.model.attention import Layout, Relative
from posrec.model.blocks.layers import Attention, Layer, make_norm
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings


class Block(Layer, ABC):
    """Attention over the history, then what `finish` makes of it."""

    attention: Attention
    norm1: nn.Module
    norm2: nn.Module

    def __init__(self, settings: ModelSettings, switches: TrainingSwitches, generator: torch.Generator) -> None:
        super().__init__()
        self.settings, self.dropout = settings, settings.dropout
        self.norm1, self.norm2 = make_norm(settings), make_norm(settings)

    @abstractmethod
    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What queries, and what keys and values are made of. x: (T, D). Returns (T, D) each."""

    @abstractmethod
    def finish(self, x: Tensor, query: Tensor, y: Tensor) -> Tensor:
        """The block's output. x: (T, D) its input; query: (T, D) of `inputs`; y: (T, D) attention. Returns (T, D)."""

    def forward(self, x: Tensor, rows: Tensor, layout: Layout, relative: Relative) -> Tensor:
        """x: (T, D) history; rows: (T,) position rows, or (T, H) as released. Returns (T, D)."""
        encoding, number = relative.encoding, relative.block
        times = encoding.given(None if relative.steps is None else relative.steps.times)
        query_in, memory = self.inputs(x)  # (T, D)
        query = encoding.rotate(self.attention.project("query", query_in), rows, number, *times)  # (T, H, Dh)
        key = encoding.rotate(self.attention.project("key", memory), rows, number, *times)
        value = self.attention.project("value", memory)
        y = encoding.project(self.ops.attend(query, key, value, layout, self.rate, relative), number)  # (T, D)
        return self.finish(x, query_in, y)
