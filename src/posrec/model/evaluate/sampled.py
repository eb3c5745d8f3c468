"""Ranks among sampled candidates alone: only these are scored, from tables of all items that are computed once.

For callers with their own candidate lists who do not need the full catalogue; a study ranks both from the same scores
(`score.rank_requests`). Products are those of training (`TrainingOps`), so a score differs from that of the full
catalogue by float32 rounding; equal candidates of a request still tie bit for bit.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.data.prepare.prepared import Prepared
from posrec.model.carca import Carca
from posrec.model.evaluate.score import (
    Requests,
    Scorer,
    check_finite,
    count_places,
    evaluating,
    is_timed,
    model_scores,
    rank_requests,
)
from posrec.model.ops.training import TrainingOps

VALUES = 400_000  # of histories that are encoded together, D per slot
CHUNK = 64  # users whose candidates are scored together, so that intermediate results stay in the cache
COLUMNS = 16  # candidates are padded to a multiple: equal shapes, equal rounding


@torch.inference_mode()
def rank_sampled(
    model: Carca, data: Prepared, requests: Requests, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates scored above the target of each request, and equal to it, (R,) each: `rank_requests`' sampled counts.

    candidates: (R, n) items, 0 = none. Raises ScoreError on NaN or infinity.
    """
    if model.decoder_positions or is_timed(model):  # then a query is not a row of a table
        ranks = rank_requests(model_scores(model, data, requests), data, requests, candidates)
        return ranks.sampled_greater, ranks.sampled_tied
    greater, tied = (np.zeros(len(requests.users), np.int32) for _ in range(2))
    with evaluating(model, TrainingOps()):
        for where, scores in SampledScorer(model, data).score_listed(requests, candidates):
            check_finite(scores)
            missing = torch.from_numpy(candidates[where] == 0).to(scores.device)
            greater[where], tied[where] = count_places(scores[:, 1:].masked_fill(missing, -math.inf), scores[:, :1])
    return greater, tied


class SampledScorer(Scorer):
    """Scores each request's own candidates from their items' rows in two tables, of encodings and of queries."""

    parts_block = 4096  # dense features are copied in parts that stay in the cache

    def score_listed(self, requests: Requests, candidates: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Blocks of requests: positions (B,), scores of the target and then of the candidates (B, 1 + n)."""
        length = self._length(requests)
        order = np.argsort(length, kind="stable")
        block = np.cumsum(length[order]) // max(1, VALUES // self.model.settings.dimension)
        for where in np.split(order, np.flatnonzero(np.diff(block)) + 1):
            part = requests.take(where)
            items = np.concatenate([self.data.items[part.targets][:, None], candidates[where]], 1)
            yield where, self._score_block(part, torch.from_numpy(items.astype(np.int64)).to(self.device))

    def _score_block(self, part: Requests, items: Tensor) -> Tensor:
        """Scores of requests that are sorted by the length of their history. items: (B, m). Returns (B, m)."""
        length, attends = self._length(part), self.model.settings.head == "carca"
        packed = self._encode_packed(part, length, np.arange(len(length)))  # (T, D)
        memory, score = (self._memory(packed), self._attend) if attends else ([packed], self._multiply_last)
        shares, scores = self._shares(part, length), packed.new_empty(items.shape)
        user = token = 0
        for n, count in zip(*np.unique(length, return_counts=True), strict=True):
            self._set_tables(int(self._rows(np.array([n]))[0]))
            of_users = [each[token : token + n * count].unflatten(0, (count, n)) for each in memory]
            token += n * count
            for at in range(0, count, CHUNK):
                chunk = slice(user + at, user + min(at + CHUNK, count))
                own = [each[at : at + CHUNK] for each in of_users]
                scores[chunk] = score(own, shares[chunk], items[chunk])
            user += count
        return scores

    def _set_tables(self, row: int) -> None:
        """The items as candidates at this position row, without the time of a request: (P, D) each."""
        if row == self.row:
            return
        self.row = row
        self.item_rows = self.model.encoding.place(self.parts, torch.full((self.padded,), row, device=self.device))
        if self.model.settings.head == "carca":
            self.query_rows = self._query_items(self.item_rows)

    def _shares(self, part: Requests, length: np.ndarray) -> Tensor:
        """What each request's time adds to the encodings of its candidates, and to their queries: (B, 2, D)."""
        rows, encode = torch.from_numpy(self._rows(length)).to(self.device), self.model.encoding.place
        times = torch.from_numpy(self._context(part)).to(self.device)
        context = self.model.context_parts(times, self.context_weight)  # (B, D)
        shift = encode(context, rows) - encode(torch.zeros_like(context), rows)
        return torch.stack([shift, shift @ self.model.decoder.query_weight.T], 1)

    def _memory(self, packed: Tensor) -> list[Tensor]:
        """Key, over sqrt(Dh), and value, times the output weight: (T, H, Dh) each. packed: (T, D)."""
        key, value = (self.model.decoder.project(name, packed) for name in ("key", "value"))
        return [key / math.sqrt(key.shape[2]), value * self.model.output_weight.view(value.shape[1:])]

    def _attend(self, memory: Sequence[Tensor], shares: Tensor, items: Tensor) -> Tensor:
        """Logits (B, m) for histories of equal length. memory: (B, n, H, Dh) each; shares: (B, 2, D); items: (B, m)."""
        model, (key, value) = self.model, memory
        query, block = _rows_at(self.query_rows, items)  # (B, m, D), (B, M, D)
        query += shares[:, 1:]
        F.leaky_relu(query, 0.2, inplace=True)
        weights = _products(key, block).softmax(2)  # (H, B, n, M)
        weights *= self._gain(value, shares[:, 0], items)
        total = _sum_in_order(weights) + model.output_bias
        if model.settings.decoder_residual == "sum":
            own, block = _rows_at(self.item_rows, items)
            own += shares[:, :1]
            total += block @ model.output_weight
        return total[:, : items.shape[1]]

    def _gain(self, value: Tensor, shift: Tensor, items: Tensor) -> Tensor:
        """What a slot adds to the logit of a candidate that attends to it alone: (H, B, n, M), or (H, B, n, 1).

        value: (B, n, H, Dh), times the output weight; shift: (B, D); items: (B, m).
        """
        if self.model.settings.decoder_residual != "mul":
            return value.sum(3).permute(2, 0, 1)[..., None]
        gain = _products(value, _rows_at(self.item_rows, items)[1])
        gain += (value * shift.view(len(shift), 1, *value.shape[2:])).sum(3).permute(2, 0, 1)[..., None]
        return gain

    def _multiply_last(self, memory: Sequence[Tensor], shares: Tensor, items: Tensor) -> Tensor:
        """Logits of the dot head. memory: histories, (B, n, D); shares: (B, 2, D); items: (B, m). Returns (B, m)."""
        own, block = _rows_at(self.item_rows, items)
        own += shares[:, :1]
        return self.model.dot_logits((block @ memory[0][:, -1, :, None])[:, : items.shape[1], 0])


def _rows_at(table: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """New rows of a table (P, D) at places (B, m): (B, m, D), and over the same memory (B, M, D), M a multiple.

    A user's surplus rows are the next one's first: a product with them is dropped.
    """
    users, count = places.shape
    columns = -(-count // COLUMNS) * COLUMNS
    rows = table.index_select(0, F.pad(places.flatten(), (0, columns - count)))
    width = rows.shape[1]
    return rows[: users * count].view(users, count, width), rows.as_strided(
        (users, columns, width), (count * width, width, 1)
    )


def _products(memory: Tensor, candidates: Tensor) -> Tensor:
    """Products of history slots and candidates. memory: (B, n, H, Dh); candidates: (B, M, D). Returns (H, B, n, M)."""
    users, slots, heads, width = memory.shape
    out = memory.new_empty(heads, users, slots, candidates.shape[1])
    for head in range(heads):  # the candidates of one head are a view: nothing is copied
        of_head = candidates[..., head * width : (head + 1) * width]
        torch.bmm(memory[:, :, head], of_head.transpose(1, 2), out=out[head])
    return out


def _sum_in_order(each: Tensor) -> Tensor:
    """Sums over heads and slots, (H, B, n, M) to (B, M): torch's own sum takes some columns in another order."""
    heads = each[:, :, 0].clone()
    for slot in range(1, each.shape[2]):
        heads += each[:, :, slot]
    total = heads[0]
    for head in heads[1:]:
        total += head
    return total
