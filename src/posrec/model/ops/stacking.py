"""Whether several seeds are computed at once, on a leading axis, and where each takes its random bits from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

POOL = 2**20  # words that a seed draws at a time: a draw for every layer would be a kernel a seed and layer


class SeedStreams:
    """Random bits of S seeds, each from its own generator."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = generators
        self.words = torch.zeros(len(generators), 0, dtype=torch.int64, device=generators[0].device)

    def draw(self, count: int) -> Tensor:
        """So many words of 64 random bits for each seed: (S, count) int64."""
        if self.words.shape[1] < count:
            self.words = torch.stack([self._refill(generator, max(count, POOL)) for generator in self.generators])
        drawn, self.words = self.words[:, :count].contiguous(), self.words[:, count:]
        return drawn

    def _refill(self, generator: torch.Generator, count: int) -> Tensor:
        words = torch.empty(count, dtype=torch.int64, device=generator.device)
        return words.random_(-(2**63), None, generator=generator)


_streams: SeedStreams | None = None


def seed_streams() -> SeedStreams | None:
    """The streams of the seeds that are computed at once; None where there is one seed, as on a CPU."""
    return _streams


@contextmanager
def seeds_together(streams: SeedStreams) -> Iterator[None]:
    """Within, `torch.vmap` computes several seeds at once."""
    global _streams
    before, _streams = _streams, streams
    try:
        yield
    finally:
        _streams = before
