"""Ranks of scores that are one base for all requests of a group plus a sparse row per request.

They are those of `score.rank_requests` on the same scores as dense rows, at the cost of what is counted alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from posrec.data.prepare.prepared import Prepared
from posrec.model.evaluate.score import Ranks, Requests
from posrec.model.inputs import ragged_arange

BLOCK = 512  # requests whose rows are in memory at once


@dataclass(frozen=True)
class SparseScores:
    """Scores base[group] + row: base (G, I + 1) float32, group (R,), and the sparse rows of requests, or None.

    rows: gives the rows of the requests at these places (B,), as (B, I + 1).
    """

    base: np.ndarray
    group: np.ndarray
    rows: Callable[[np.ndarray], csr_matrix] | None = None


def rank_sparse(scores: SparseScores, data: Prepared, requests: Requests, candidates: np.ndarray) -> Ranks:
    """Sampled and full ranks of every request. candidates: (R, n), 0 = none."""
    order, found = np.sort(scores.base[:, 1:], axis=1), []
    for where in _blocks(len(requests.users)):
        rows = csr_matrix((len(where), data.n_items + 1), dtype=np.float32)
        if scores.rows is not None:
            rows = scores.rows(where)
            rows.sum_duplicates()
        block = _Block(scores.base, order, scores.group[where], rows)
        found.append(block.count(data, requests.take(where), candidates[where]))
    return Ranks(*(np.concatenate(part).astype(np.int32) for part in zip(*found, strict=True)))


@dataclass
class _Block:
    """Some requests: base, its values in ascending order (G, I), each request's group (B,) and row (B, I + 1)."""

    base: np.ndarray
    order: np.ndarray
    group: np.ndarray
    rows: csr_matrix

    def count(self, data: Prepared, requests: Requests, candidates: np.ndarray) -> list[np.ndarray]:
        """Sampled greater and tied, full greater and tied: (B,) each."""
        users, targets = np.arange(len(self.group)), data.items[requests.targets]
        of_target = self.score(users, targets)
        sampled = self.score(np.broadcast_to(users[:, None], candidates.shape), candidates)
        sampled = np.where(candidates > 0, sampled, -np.inf)
        counts = [(sampled > of_target[:, None]).sum(1), (sampled == of_target[:, None]).sum(1)]
        begin, end = (self._places(of_target, side) for side in ("left", "right"))
        greater, tied = self.order.shape[1] - end, end - begin
        user, item = np.repeat(users, np.diff(self.rows.indptr)), self.rows.indices
        real = item > 0
        user, item = user[real], item[real]
        _move(greater, tied, user, self.base[self.group[user], item], of_target, -1)  # they have counts: not the base
        _move(greater, tied, user, self.score(user, item), of_target, 1)
        user, item = _history(data, requests, targets)
        _move(greater, tied, user, self.score(user, item), of_target, -1)
        return [*counts, greater, tied - 1]  # the target is not its own competitor

    def score(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores of these items for these requests of the block, any shape."""
        total: np.ndarray = self.base[self.group[user], item]
        if user.size and self.rows.nnz:
            total = total + np.asarray(self.rows[user.ravel(), item.ravel()], np.float32).reshape(user.shape)
        return total

    def _places(self, of_target: np.ndarray, side: str) -> np.ndarray:
        """Where each target's score belongs among the base of its group: (B,)."""
        places = np.empty(len(of_target), np.int64)
        for group in np.unique(self.group):
            here = self.group == group
            places[here] = np.searchsorted(self.order[group], of_target[here], side)  # type: ignore[call-overload]
        return places


def _move(
    greater: np.ndarray, tied: np.ndarray, row: np.ndarray, value: np.ndarray, of_target: np.ndarray, sign: int
) -> None:
    """Count these scores in (sign 1) or out (-1). row, value: (N,)."""
    np.add.at(greater, row, sign * (value > of_target[row]))
    np.add.at(tied, row, sign * (value == of_target[row]))


def _history(data: Prepared, requests: Requests, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct items of each request's history except the target: requests (N,) and items (N,)."""
    start = data.offsets[requests.users]
    length = requests.targets - start
    rows = np.repeat(np.arange(len(start)), length)
    keys = np.unique(rows * (data.n_items + 1) + data.items[ragged_arange(start, length)])
    rows, items = np.divmod(keys, data.n_items + 1)
    other = items != targets[rows]
    return rows[other], items[other]


def _blocks(count: int) -> Iterator[np.ndarray]:
    for first in range(0, count, BLOCK):
        yield np.arange(first, min(first + BLOCK, count))
