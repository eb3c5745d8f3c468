"""Where the attention of a block goes: its entropy, and its weights by distance and by gap in time."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from posrec.model.encodings.tensors import slot_distance
from posrec.model.encodings.time_biases import time_bucket
from posrec.model.evaluate.bins import DISTANCES, GAPS

GAP_BUCKETS = 128  # of the time between two items, each a third longer than the one before


@dataclass
class Means:
    """Sums and numbers of pairs by some index of `size` values."""

    size: int
    sums: np.ndarray = field(init=False)  # (2, size) float64

    def __post_init__(self) -> None:
        self.sums = np.zeros((2, self.size))

    def add(self, values: Tensor, numbers: Tensor, index: Tensor) -> None:
        """values: sums over heads; numbers: how many they are of; index; (B, L, L) each."""
        for total, part in zip(self.sums, (values, numbers), strict=True):
            total += np.bincount(index.numpy().ravel(), part.numpy().ravel(), self.size)

    @property
    def between(self) -> float:
        """The sum of squares that the index explains."""
        total, number = self.sums
        return float((total**2 / np.maximum(number, 1)).sum())

    def named(self, names: tuple[str, ...]) -> dict[str, float]:
        """The mean by name, of those that have any pair."""
        total, number = self.sums
        return {name: total[i] / number[i] for i, name in enumerate(names) if number[i]}


class AttentionSums:
    """What is summed over the queries of one block that see two slots or more, of at most `length` slots."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.entropy, self.queries = 0.0, 0
        self.squares = 0.0  # of the log weights about their query's mean
        self.logs_by_distance, self.logs_by_gap = Means(2 * length - 1), Means(GAP_BUCKETS + 1)
        self.by_distance, self.by_gap = Means(len(DISTANCES)), Means(len(GAPS) + 1)

    def add(self, weights: Tensor, visible: Tensor, real: Tensor, times: Tensor, acting: Tensor | None = None) -> None:
        """weights: (B, H, L, L); visible: (B, L, L) bool; real: (B, L) bool; times: (B, L) days.

        acting: the weights after the encoding's own, where it has any (`Encoding.reweigh`).
        """
        seen = visible & (real & (visible.sum(-1) > 1))[..., None]  # (B, L, L)
        count = seen.sum(-1)[:, None].double()  # (B, 1, L)
        entropy = torch.special.entr(weights.double()).sum(-1) / count.clamp_min(2).log()  # (B, H, L)
        self.entropy += float((entropy * (count > 0)).sum())
        self.queries += int((count > 0).sum()) * weights.shape[1]
        log = weights.double().clamp_min(1e-38).log() * seen[:, None]  # (B, H, L, L)
        log = (log - log.sum(-1, keepdim=True) / count.clamp_min(1)[..., None]) * seen[:, None]
        self.squares += float((log**2).sum())
        number, distance = seen.double() * weights.shape[1], slot_distance(*weights.shape[2:])
        days = times[:, :, None] - times[:, None, :]  # (B, L, L)
        self.logs_by_distance.add(log.sum(1), number, (distance + self.length - 1).expand_as(days))
        self.logs_by_gap.add(log.sum(1), number, time_bucket(days, GAP_BUCKETS))
        share = (weights if acting is None else acting).double() * seen[:, None] * count[..., None]  # 1: uniform
        self.by_distance.add(share.sum(1), number, distance_index(distance).expand_as(days))
        self.by_gap.add(share.sum(1), number, torch.where(distance == 0, len(GAPS), gap_index(days)))

    def summary(self) -> tuple[float, float, float]:
        """Mean entropy as a share of the most possible, and the shares of the squares that distance and gap explain."""
        if not self.queries:
            return math.nan, math.nan, math.nan
        between = self.logs_by_distance.between, self.logs_by_gap.between
        distance, gap = (each / self.squares if self.squares else 0.0 for each in between)
        return self.entropy / self.queries, distance, gap

    def curves(self) -> tuple[dict[str, float], dict[str, float]]:
        """Mean weight by distance and by gap, times the slots that its query sees: 1 is uniform."""
        return self.by_distance.named(DISTANCES), self.by_gap.named(tuple(GAPS))


def distance_index(distance: Tensor) -> Tensor:
    """The place in DISTANCES of distances in slots, in either direction.

    >>> distance_index(torch.tensor([0, -1, 2, 3, -4, 5, 16, 17, 128, 500])).tolist()
    [0, 1, 2, 3, 3, 4, 5, 6, 8, 9]
    """
    steps = distance.abs()
    return torch.where(steps > 0, steps.clamp_min(1).double().log2().ceil().long() + 1, 0).clamp_max(len(DISTANCES) - 1)


def gap_index(days: Tensor) -> Tensor:
    """The place in GAPS of times between two items, in either direction.

    >>> gap_index(torch.tensor([0.0, -0.9, 1.0, 29.9, 30.0, 5000.0])).tolist()
    [0, 0, 1, 2, 3, 5]
    """
    bounds = torch.tensor(list(GAPS.values())[:-1], dtype=days.dtype)
    return torch.bucketize(days.abs().contiguous(), bounds, right=True)
