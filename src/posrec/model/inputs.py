"""What the model reads: tokens (items at positions in time), and the distinct items that they name."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.data.prepare.prepared import Prepared
from posrec.model.encodings.interface import DAY, Steps


@dataclass(frozen=True)
class Tokens:
    """Items at positions in time: index into the batch's distinct items (T,), context (T, C), position rows (T,).

    times, asked: (T,) float64 days, of the token and of the request that it answers (`Steps`); a candidate's are equal.
    """

    index: Tensor
    context: Tensor
    rows: Tensor
    times: Tensor | None = None
    asked: Tensor | None = None

    def to(self, device: torch.device) -> "Tokens":
        """The same tokens on a device."""
        times, asked = (None if each is None else each.to(device) for each in (self.times, self.asked))
        return Tokens(self.index.to(device), self.context.to(device), self.rows.to(device), times, asked)

    def steps(self, length: int) -> tuple[Steps, Steps]:
        """The steps of the history, which are the first `length` tokens, and those of the candidates."""
        steps = Steps(self.rows, self.times, self.asked)
        return steps.map(lambda x: x[:length]), steps.map(lambda x: x[length:])

    def take(self, count: int) -> "Tokens":
        """The first `count` tokens."""
        times, asked = (None if each is None else each[:count] for each in (self.times, self.asked))
        return Tokens(self.index[:count], self.context[:count], self.rows[:count], times, asked)


class Clock:
    """The times of a data set's interactions as encodings read them: float64 days since the first one for training.

    start: the second that counts as day 0, where it is not that of these data.
    """

    def __init__(self, data: Prepared, start: int | None = None) -> None:
        first = data.offsets[:-1][data.train_length > 0]
        self.times = data.times
        self.start = int(data.times[first].min(initial=np.iinfo(np.int64).max)) if start is None else start

    def days(self, interactions: np.ndarray) -> np.ndarray:
        """Of interactions, any shape."""
        passed: np.ndarray = (self.times[interactions] - self.start) / DAY
        return passed


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


def ragged_arange(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """start[0] .. start[0] + length[0] - 1, start[1] .., in one array.

    >>> ragged_arange(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(length)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - (ends - length), length)


class FeatureRoom:
    """Room for the dense features of a batch's items, reused by all batches: allocation would cost as much as the copy.

    What it holds is overwritten by the next batch.
    """

    def __init__(self, data: Prepared) -> None:
        self.features = data.features
        self.room = np.empty((0, self.features.shape[1]), self.features.dtype)

    def take(self, ids: np.ndarray) -> np.ndarray:
        """The features of these items (M,): (M, F)."""
        if len(ids) > len(self.room):
            self.room = np.empty((len(ids) + len(ids) // 8, self.room.shape[1]), self.room.dtype)
        # "clip" writes into the room as it goes; "raise" would fill a copy first. Ids are those of the data
        return np.take(self.features, ids, 0, out=self.room[: len(ids)], mode="clip")


def distinct_items(data: Prepared, ids: np.ndarray, room: FeatureRoom | None = None) -> Items:
    """Items, their attribute bags and their dense features; `room`: where the features are put."""
    first = data.attribute_offsets[ids]
    count = data.attribute_offsets[ids + 1] - first
    # of a memory map only these rows are read, and copied once
    features = np.asarray(data.features[ids]) if room is None else room.take(ids)
    return Items(
        torch.from_numpy(ids.astype(np.int64)),
        torch.from_numpy(data.attribute_ids[ragged_arange(first, count)].astype(np.int64)),
        torch.from_numpy(np.cumsum(count) - count),
        torch.from_numpy(features),
    )
