"""ln sum exp over shared negatives, with few passes over the matrix of logits: it is the largest of a training step."""

from typing import Any

import torch
from torch import Tensor

HIDDEN = -1e30  # the logit of a negative that is the target; not -inf, whose differences are NaN


def log_sums(logits: Tensor, correction: Tensor, index: Tensor, targets: Tensor) -> Tensor:
    """ln sum exp of the corrected logits of each target's negatives; a negative that is the target is left out.

    logits: (Tq, K); correction: (K,); index: (K,) and targets: (Tq,), numbers of distinct items. Returns (Tq,).
    """
    same = targets[:, None] == index  # (Tq, K)
    return (logits + correction.to(logits.dtype)).masked_fill(same, HIDDEN).logsumexp(1)


def fast_log_sums(logits: Tensor, correction: Tensor, index: Tensor, targets: Tensor) -> Tensor:
    """As `log_sums` up to rounding, in fewer passes over the logits."""
    found: Tensor = _LogSums.apply(logits, correction.to(logits.dtype), index, targets)
    return found


class _LogSums(torch.autograd.Function):
    """Keeps the exponentials for the backward pass, in which they become the gradient in place."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, correction: Tensor, index: Tensor, targets: Tensor) -> Tensor:
        """See `log_sums`."""
        shares = logits + correction  # (Tq, K)
        rows, columns = _equal(index, targets)
        shares[rows, columns] = HIDDEN
        top = shares.amax(1, keepdim=True)  # (Tq, 1)
        total = shares.sub_(top).exp_().sum(1, keepdim=True)
        ctx.shares, ctx.total = shares, total
        return (top + total.log()).squeeze(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """The softmax of the negatives times the gradient. gradients: one (Tq,)."""
        shares, ctx.shares = ctx.shares, None
        return shares.mul_(gradients[0][:, None] / ctx.total), None, None, None


def _equal(index: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the negatives that are the target."""
    highest = int(max(index.max(), targets.max()))
    column = torch.full((highest + 1,), -1, device=index.device)
    column[index] = torch.arange(len(index), device=index.device)
    found = column[targets]  # (Tq,)
    rows = torch.nonzero(found >= 0).squeeze(1)
    return rows, found[rows]
