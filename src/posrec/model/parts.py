"""A batch of users in parts, one a length class, as arrays of slots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Slots:
    """Slots of the users of a group, (B, n): item (0: padding), the interaction whose context it has, position row.

    asked: the interaction whose time is that of the request that the slot answers, or as a candidate belongs to.
    """

    items: np.ndarray
    interactions: np.ndarray
    rows: np.ndarray
    asked: np.ndarray

    def without_padding(self) -> "Slots":
        """Those that hold an item, (N,)."""
        real = self.items != 0
        return Slots(self.items[real], self.interactions[real], self.rows[real], self.asked[real])


@dataclass(frozen=True)
class Part:
    """The users of a batch in one length class: histories of these lengths (B,) in `keys` slots each."""

    length: np.ndarray
    keys: int
    history: Slots
    candidates: Slots

    def without_padding(self) -> "Part":
        """The same users with their slots in one row, (N,) each."""
        return replace(self, history=self.history.without_padding(), candidates=self.candidates.without_padding())


def no_users(count: int, keys: int, queries: int) -> Part:
    """Users that only fill up a batch: no history that anything sees, and candidates of sign 0."""
    slots = (Slots(*(np.zeros((count, slots), np.int64) for _ in range(4))) for slots in (keys, queries))
    return Part(np.zeros(count, np.int64), keys, *slots)


def all_slots(parts: Sequence[Part], name: str) -> np.ndarray:
    """One array of `Slots` of a whole batch: its T history slots and then its Tq candidate slots."""
    slots = [part.history for part in parts] + [part.candidates for part in parts]
    return np.concatenate([getattr(of_part, name).ravel() for of_part in slots])
