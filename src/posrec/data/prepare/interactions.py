"""Interactions as numbers: users and items are coded once, and all that follows works on integer arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Interactions:
    """N interactions in the order of the file.

    users, items: (N,) int64, places in `user_ids` and `item_ids`, which are in the order of `sort_ids`; times: (N,)
    int64 seconds since 1970 UTC. Every id occurs.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def keep(self, kept: np.ndarray) -> "Interactions":
        """The interactions that the mask `kept` (N,) selects; ids that no longer occur are removed."""
        if kept.all():
            return self
        users, user_ids = _compact(self.users[kept], self.user_ids)
        items, item_ids = _compact(self.items[kept], self.item_ids)
        return Interactions(users, items, self.times[kept], user_ids, item_ids)


def code(reviews: pd.DataFrame) -> Interactions:
    """Number the users and items of a table with the columns user, item (text or categories of text) and time."""
    users, user_ids = number_ids(reviews["user"])
    items, item_ids = number_ids(reviews["item"])
    return Interactions(users, items, reviews["time"].to_numpy(np.int64), user_ids, item_ids)


def number_ids(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The place (N,), from 0, of every id of a column among its different ids, and those ids in order."""
    codes, found = pd.factorize(column)
    texts = [str(value) for value in found]
    ordered = sort_ids(texts)
    place = {text: number for number, text in enumerate(ordered)}
    numbers = np.array([place[text] for text in texts], dtype=np.int64)
    return numbers[codes], np.array(ordered, dtype=object)


def sort_ids(ids: Sequence[str] | np.ndarray) -> list[str]:
    """Ids in their order: by value where all are whole numbers, else by letters."""
    texts = [str(value) for value in ids]
    if all(text.isascii() and text.isdigit() for text in texts):
        return sorted(texts, key=lambda text: (len(text.lstrip("0")), text.lstrip("0"), text))
    return sorted(texts)


def _compact(codes: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    present = np.bincount(codes, minlength=len(ids)) > 0
    return (np.cumsum(present) - 1)[codes], ids[present]
