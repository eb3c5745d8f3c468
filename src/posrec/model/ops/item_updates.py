"""The update of the item embedding from a sparse gradient: a batch touches few of its many rows."""

import torch
from torch import Tensor, nn

from posrec.model.ops.plain import ItemUpdate


class DenseUpdate(ItemUpdate):
    """The gradient as one dense tensor, kept from step to step, for torch's AdamW.

    Each step writes the rows of its items and clears those of the previous step. torch would allocate the whole tensor
    again: with 100,000 items the new pages alone took a tenth of a step. All values are the same.
    """

    def __init__(self, embedding: nn.Parameter) -> None:
        self.embedding = embedding
        self.dense = torch.zeros_like(embedding)  # (I + 1, D)
        self.rows = torch.zeros(0, dtype=torch.int64, device=embedding.device)

    def before_norm(self) -> None:
        """Replace the sparse gradient by the dense one."""
        self.dense.index_fill_(0, self.rows, 0.0)
        self.rows, values = sparse_gradient(self.embedding)
        self.dense.index_add_(0, self.rows, values)
        self.embedding.grad = self.dense


def sparse_gradient(embedding: nn.Parameter) -> tuple[Tensor, Tensor]:
    """Rows (M,) and their gradients (M, D), as autograd gives them."""
    sparse = embedding.grad
    assert sparse is not None
    return sparse._indices()[0], sparse._values()
