"""The torch engine (`engine: torch`): the operations of training one seed.

It computes large matrix products by oneDNN if that is faster and still float32 (`products.py`), a sparse gradient of
the item embedding (`item_updates.py`), and the softmax over shared negatives in fewer passes (`log_sums.py`).
Everything else is plain torch (`plain.py`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posrec.model.ops.item_updates import DenseUpdate
from posrec.model.ops.log_sums import fast_log_sums
from posrec.model.ops.plain import ItemUpdate, Ops
from posrec.model.ops.products import fast_linear


class TrainingOps(Ops):
    """Plain torch with faster large products and a sparse gradient of the item embedding."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """As `Ops.linear` up to rounding; with oneDNN a row's result may depend on its position."""
        return fast_linear(x, weight, bias)

    def look_up(self, table: Tensor, ids: Tensor) -> Tensor:
        """As `Ops.look_up`; the table's gradient is sparse."""
        return F.embedding(ids, table, sparse=True)

    def log_sums(self, logits: Tensor, correction: Tensor, index: Tensor, targets: Tensor) -> Tensor:
        """As `Ops.log_sums` up to rounding."""
        return fast_log_sums(logits, correction, index, targets)

    def item_update(self, embedding: nn.Parameter, optimiser: torch.optim.AdamW) -> ItemUpdate:
        """See `Ops.item_update`."""
        return DenseUpdate(embedding)
