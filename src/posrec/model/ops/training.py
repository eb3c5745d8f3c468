"""The operations of a training by torch on one seed (`engine: torch`): the reference's, but for two.

Large products go to oneDNN where that is faster and still float32 (`products.py`), and the item embedding's gradient
has the rows of a batch alone (`item_updates.py`). All else is `plain.Ops`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posrec.model.ops.item_updates import DenseUpdate
from posrec.model.ops.plain import ItemUpdate, Ops
from posrec.model.ops.products import fast_linear


class TrainingOps(Ops):
    """Plain torch with faster large products and a sparse gradient of the item embedding."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """As `Ops.linear` up to rounding; with oneDNN a row's result may depend on its place."""
        return fast_linear(x, weight, bias)

    def look_up(self, table: Tensor, ids: Tensor) -> Tensor:
        """As `Ops.look_up`; the table's gradient is sparse."""
        return F.embedding(ids, table, sparse=True)

    def item_update(self, embedding: nn.Parameter, optimiser: torch.optim.AdamW) -> ItemUpdate:
        """See `Ops.item_update`."""
        return DenseUpdate(embedding)
