"""The operations of the model that an engine may replace: the one seam for speed.

`carca.py` computes with an `Ops`, which `Carca.use` sets. `Ops` itself is plain torch and the reference.
Evaluation always uses it: equal rows of a product give equal results bit for bit, so equal candidates tie. A training
uses what `engines/make.py` chooses: `training.TrainingOps`, or another engine's.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posrec.model.attention import Layout, Relative, attend
from posrec.model.ops.dropout import dropout
from posrec.model.ops.log_sums import log_sums

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "silu": F.silu,
    "relu": F.relu,
    "gelu": F.gelu,
    "identity": lambda x: x,
}


class ItemUpdate:
    """How a training step updates the item embedding after the backward pass. Here torch's optimiser does it all."""

    def before_norm(self) -> None:
        """Called before the norm of all gradients is taken."""

    def before_step(self) -> None:
        """Called before torch's AdamW updates the parameters that have a gradient."""


class Ops:
    """Plain torch, the reference."""

    exact = False  # whether attention takes histories of any length as they are, without padding

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """x W' + b over tokens. x: (T, K); weight: (N, K); bias: (N,). Returns (T, N)."""
        return F.linear(x, weight, bias)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, layout: Layout, rate: float, relative: Relative | None = None
    ) -> Tensor:
        """See `attention.attend`; rate: of dropout. query: (Tq, H, Dh); key, value: (T, H, Dh). Returns (Tq, D)."""
        return attend(query, key, value, layout, partial(self.dropout, rate=rate), relative)

    def dropout(self, x: Tensor, rate: float) -> Tensor:
        """Dropout, any shape."""
        return dropout(x, rate)

    def activate(self, x: Tensor, name: str, rate: float) -> Tensor:
        """dropout(act(x)), any shape."""
        return self.dropout(ACTIVATIONS[name](x), rate)

    def add_dropped(self, y: Tensor, x: Tensor, rate: float) -> Tensor:
        """y + dropout(x), both of one shape."""
        return y + self.dropout(x, rate)

    def look_up(self, table: Tensor, ids: Tensor) -> Tensor:
        """Rows of the item embedding. table: (I + 1, D); ids: (M,). Returns (M, D); the table's gradient is dense."""
        return F.embedding(ids, table)

    def log_sums(self, logits: Tensor, correction: Tensor, index: Tensor, targets: Tensor) -> Tensor:
        """See `log_sums.log_sums`. logits: (Tq, K). Returns (Tq,)."""
        return log_sums(logits, correction, index, targets)

    def item_update(self, embedding: nn.Parameter, optimiser: torch.optim.AdamW) -> ItemUpdate:
        """What a training step does with the gradient that `look_up` gives. embedding: (I + 1, D)."""
        return ItemUpdate()


PLAIN = Ops()
