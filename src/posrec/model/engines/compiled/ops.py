"""The compiled engine (`engine: numba`, the extra `compiled`): loops by numba, with their gradients for autograd.

It computes, in one pass each: attention where the encoding adds nothing to scores or values and no slot is padding;
LeakyReLU, ReLU and identity with dropout; a residual with dropout; AdamW of the item embedding. To torch it leaves the
matrix products of tokens, the attention of other encodings, other activations, norms, the loss and AdamW of all other
parameters. Evaluation is plain torch. Results equal those of `TrainingOps` up to rounding.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from posrec.model.attention import Layout, Relative
from posrec.model.engines.compiled import loops
from posrec.model.engines.compiled.item_updates import RowUpdate
from posrec.model.ops.dropout import draw
from posrec.model.ops.plain import ItemUpdate
from posrec.model.ops.training import TrainingOps

SLOPES = {"leaky": 0.2, "relu": 0.0, "identity": 1.0}  # of the activations that a loop has, below 0


class CompiledOps(TrainingOps):
    """Compiled loops where there is one for the case, else the operations of `TrainingOps`."""

    exact = True

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, layout: Layout, rate: float, relative: Relative | None = None
    ) -> Tensor:
        """See `Ops`: compiled if nothing is added to scores or values and no slot is padding."""
        added = relative is not None and relative.encoding.acts_on_pairs()
        padded = any(group.real is not None for group in layout)
        if added or padded:
            return super().attend(query, key, value, layout, rate, relative)
        users = places(layout, relative is None or relative.distances is not None)
        pairs = query.shape[1] * int(np.diff(users.keys) @ np.diff(users.queries))
        attended: Tensor = _Attention.apply(query, key, value, users, pairs, drop(pairs, rate, query))
        return attended

    def activate(self, x: Tensor, name: str, rate: float) -> Tensor:
        """See `Ops`."""
        if name not in SLOPES:
            return super().activate(x, name, rate)
        activated: Tensor = _Activation.apply(x, SLOPES[name], drop(x.numel(), rate, x))
        return activated

    def add_dropped(self, y: Tensor, x: Tensor, rate: float) -> Tensor:
        """See `Ops`."""
        if not rate:
            return super().add_dropped(y, x, rate)
        added: Tensor = _AddedDropout.apply(y, x, drop(x.numel(), rate, x))
        return added

    def item_update(self, embedding: nn.Parameter, optimiser: torch.optim.AdamW) -> ItemUpdate:
        """See `Ops`."""
        return RowUpdate(embedding, optimiser)


def places(layout: Layout, in_decoder: bool) -> loops.Users:
    """Index of the first key and query of each user; in the encoder the queries are the history itself."""
    users = [group.users for group in layout]
    keys, queries = ([getattr(group, name) for group in layout] for name in ("keys", "queries"))
    begins = [np.concatenate([[0], np.repeat(sizes, users).cumsum()]) for sizes in (keys, queries)]
    return loops.Users(begins[0], begins[in_decoder], layout[0].causal)


def drop(count: int, rate: float, like: Tensor) -> loops.Dropped:
    """Draw which of `count` elements are dropped, as `dropout.dropout` does; the scale has the type of `like`."""
    number = like.detach().numpy().dtype.type
    if not rate:
        return loops.Dropped(np.empty(0, np.int16), 0, number(1))
    bits, below, scale = draw(count, rate, like.device)
    return loops.Dropped(bits.numpy(), below, number(scale))


def flat(x: Tensor) -> np.ndarray:
    """The elements of a tensor as one row, in order; a copy only if they are not in this order in memory."""
    row: np.ndarray = x.detach().reshape(-1).numpy()
    return row


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, users: loops.Users, pairs: int, dropped: loops.Dropped
    ) -> Tensor:
        """query: (Tq, H, Dh); key, value: (T, H, Dh); pairs: of all heads. Returns (Tq, D)."""
        q, k, v = (flat(x).reshape(len(x), -1) for x in (query, key, value))
        ctx.inputs = loops.Inputs(q, k, v, np.empty(pairs, q.dtype), dropped)
        ctx.users, ctx.heads = users, query.shape[1]
        out = np.empty_like(q)
        loops.attend(ctx.inputs, out, users, ctx.heads)
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """gradient: (Tq, D). Returns those of query, key and value, (.., H, Dh)."""
        x, users = ctx.inputs, ctx.users
        room = np.empty(int(np.diff(users.keys).max()), x.q.dtype)
        of = loops.Gradients(
            flat(gradient).reshape(x.q.shape), np.empty_like(x.q), np.zeros_like(x.k), np.zeros_like(x.v), room
        )
        loops.attend_backward(x, of, users, ctx.heads)
        of_q, of_k, of_v = (torch.from_numpy(one).view(len(one), ctx.heads, -1) for one in (of.q, of.k, of.v))
        return of_q, of_k, of_v, None, None, None


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, dropped: loops.Dropped) -> Tensor:
        """Any shape."""
        ctx.x, ctx.dropped = flat(x), dropped
        ctx.slope = ctx.x.dtype.type(slope)
        out = np.empty_like(ctx.x)
        loops.activate(ctx.x, ctx.slope, dropped, out)
        return torch.from_numpy(out).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """gradient: of x's shape."""
        out = np.empty_like(ctx.x)
        loops.activate_backward(flat(gradient), ctx.x, ctx.slope, ctx.dropped, out)
        return torch.from_numpy(out).view(gradient.shape), None, None


class _AddedDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, dropped: loops.Dropped) -> Tensor:
        """y, x: of one shape."""
        ctx.dropped, row = dropped, flat(x)
        out = np.empty_like(row)
        loops.add_dropped(flat(y), row, dropped, out)
        return torch.from_numpy(out).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """gradient: of their shape."""
        row = flat(gradient)
        out, one = np.empty_like(row), row.dtype.type(1)
        loops.activate_backward(row, row, one, ctx.dropped, out)
        return gradient, torch.from_numpy(out).view(gradient.shape), None
