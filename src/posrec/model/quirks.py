"""What the authors' released code computes differently in the encoder (docs/reference/released-code.md)."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Users(Protocol):
    """What is read of a group of users: see `attention.Group`."""

    @property
    def users(self) -> int:
        """Users of the group."""

    @property
    def keys(self) -> int:
        """History slots of each."""

    @property
    def real(self) -> Tensor | None:
        """Which slots hold an item, (B, n) bool; None: all."""


def real_slots(layout: Sequence[Users]) -> Tensor:
    """Which history slots hold an item: (T, 1) bool."""
    slots = [torch.ones(g.users, g.keys, dtype=torch.bool) if g.real is None else g.real for g in layout]
    return torch.cat([part.flatten() for part in slots])[:, None]


def batch_axis(layout: Sequence[Users], heads: int) -> Tensor:
    """The released code's rotation index of every history slot: head h of user b has h * B + b. Returns (T, H)."""
    users = sum(group.users for group in layout)
    slots = torch.tensor([group.keys for group in layout for _ in range(group.users)])
    user = torch.arange(users).repeat_interleave(slots)  # (T,)
    return user[:, None] + users * torch.arange(heads)


def second_softmax(weights: Tensor, causal: bool) -> Tensor:
    """The released code's second softmax, over all slots, padding included. weights: (B, H, n, n), a softmax's.

    A weight in 0 .. 1 becomes one within a factor e of uniform. Where there is a causal mask, later steps stay hidden:
    the released code has none, and the switch is not meant to show the future.
    """
    later = torch.full(weights.shape[2:], causal, device=weights.device).triu(1)
    return weights.masked_fill(later, -torch.inf).softmax(3)
