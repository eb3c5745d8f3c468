"""How large an encoding's added or concatenated vectors are: `position_scale` multiplies them before training."""

import torch
from torch import Tensor, nn


class Scaled(nn.Module):
    """A module that adds vectors to items by `encode`, of a size that can be set."""

    amplifies = False  # whether `encode` multiplies its vectors by `amplitude` itself (`amplified`)
    amplitude: Tensor | None  # what the added vectors are multiplied by: () float64, never trained; None: 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("amplitude", None)

    def encode(self, x: Tensor, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """See `Encoding.encode`."""
        return x

    def place(self, x: Tensor, rows: Tensor, *times: Tensor) -> Tensor:
        """`encode`, with what it adds multiplied by `amplitude`: what the model calls. The shapes of `encode`."""
        y = self.encode(x, rows, *times)
        if self.amplitude is None or self.amplifies:
            return y
        added = self.encode(torch.zeros_like(x), rows, *times)  # `encode` is affine in x
        return y + (self.amplitude.to(added.dtype) - 1) * added

    def amplified(self, vectors: Tensor) -> Tensor:
        """Vectors times `amplitude`. Any shape."""
        return vectors if self.amplitude is None else vectors * self.amplitude.to(vectors.dtype)

    def vectors_at(self, rows: Tensor, *times: Tensor) -> Tensor:
        """What is added or concatenated at these steps. rows: (T,). Returns (T, D), zeros where there is nothing."""
        return self.place(torch.zeros(len(rows), self.width, device=rows.device), rows, *times)

    def rescale(self, factor: float) -> None:
        """Multiply what is added or concatenated by a factor, before training.

        Learnt vectors that are added as they are should be multiplied in place instead: they are then trained with the
        steps that they would have anyway.
        """
        self.amplitude = torch.tensor(factor, dtype=torch.float64)
