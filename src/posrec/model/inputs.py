"""What the model reads: tokens (items at positions in time), and the distinct items that they name."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Tokens:
    """Items at positions in time: index into the batch's distinct items (T,), context (T, C), position rows (T,).

    times: (T,) int64 seconds, for encodings that ask for them.
    """

    index: Tensor
    context: Tensor
    rows: Tensor
    times: Tensor | None = None

    def to(self, device: torch.device) -> "Tokens":
        """The same tokens on a device."""
        times = None if self.times is None else self.times.to(device)
        return Tokens(self.index.to(device), self.context.to(device), self.rows.to(device), times)


@dataclass(frozen=True)
class Items:
    """Distinct items: ids (M,), attributes as one bag each (attribute ids (K,), offsets (M,)), dense features (M, F).

    attribute_rows: in place of the offsets, the row in `ids` of the item of each attribute (K,): stacked seeds have
    bags of different sizes.
    """

    ids: Tensor
    attribute_ids: Tensor
    attribute_offsets: Tensor | None
    features: Tensor
    attribute_rows: Tensor | None = None

    def to(self, device: torch.device) -> "Items":
        """The same items on a device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in vars(self).items() if tensor is not None})

    def sum_attributes(self, table: Tensor) -> Tensor:
        """The sum of each item's attributes. table: (A, D). Returns (M, D)."""
        if self.attribute_rows is None:
            return F.embedding_bag(self.attribute_ids, table, self.attribute_offsets, mode="sum")
        each = F.embedding(self.attribute_ids, table)  # (K, D)
        rows = self.attribute_rows[:, None].expand(each.shape)
        return table.new_zeros(len(self.ids), each.shape[1]).scatter_add(0, rows, each)
