"""The operations of the stacked engine: dropout from each seed's own stream; everything else is plain torch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from posrec.model.ops.dropout import bounds
from posrec.model.ops.plain import Ops

POOL = 2**20  # words per draw of a seed: a draw per layer would launch one kernel per seed and layer


class SeedStreams:
    """Random bits of S seeds, each from its own generator."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = generators
        self.words = torch.zeros(len(generators), 0, dtype=torch.int64, device=generators[0].device)

    def draw(self, count: int) -> Tensor:
        """`count` words of 64 random bits for each seed: (S, count) int64."""
        if self.words.shape[1] < count:
            self.words = torch.stack([self._refill(generator, max(count, POOL)) for generator in self.generators])
        drawn, self.words = self.words[:, :count].contiguous(), self.words[:, count:]
        return drawn

    def _refill(self, generator: torch.Generator, count: int) -> Tensor:
        words = torch.empty(count, dtype=torch.int64, device=generator.device)
        return words.random_(-(2**63), None, generator=generator)


class StackedOps(Ops):
    """Plain torch within `torch.vmap`: all products are torch's own, the item embedding's gradient is dense."""

    def __init__(self, streams: SeedStreams) -> None:
        self.streams = streams

    def dropout(self, x: Tensor, rate: float) -> Tensor:
        """Dropout of one seed's tensor, any shape, from that seed's stream; a rate of 0 draws nothing."""
        return x * _StackedScale.apply(x.detach(), *bounds(rate), self.streams) if rate else x


class _StackedScale(torch.autograd.Function):
    """The scale of each element under `torch.vmap`; only its vmap rule is ever called."""

    @staticmethod
    def forward(x: Tensor, below: int, scale: float, streams: SeedStreams) -> Tensor:
        """Never called: without `torch.vmap` there is no axis of seeds."""
        raise RuntimeError("dropout of stacked seeds outside of torch.vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing has a gradient."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, below: int, scale: float, streams: SeedStreams) -> tuple[Tensor, int]:
        """x: any shape, the seeds along in_dims[0]. Returns (S, ...) and the axis of the seeds in it."""
        of_seeds = x.movedim(in_dims[0], 0)
        count = of_seeds[0].numel()
        bits = streams.draw(-(-count // 4)).view(torch.int16)[:, :count].view(of_seeds.shape)
        return (bits >= below).to(x.dtype).mul_(scale), 0
