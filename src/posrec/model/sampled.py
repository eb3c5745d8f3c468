"""Ranks among sampled candidates alone: only these are scored, from tables of all items that are computed once.

Scores are bit for bit those that the full catalogue gives (`evaluate.Scorer`): histories are encoded in the same blocks
and every sum runs in the same order. A product of three rows or fewer is computed in another order than one of four or
more: what stands in a longer product there is filled up to four rows here, and the rest goes through the same product.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.data.prepared import Prepared
from posrec.model.carca import Carca
from posrec.model.evaluate import (
    ENCODE_BLOCK,
    ITEM_BLOCK,
    USER_BLOCK,
    Requests,
    Scorer,
    check_finite,
    count_places,
    equal_runs,
    evaluating,
    model_scores,
    rank_requests,
)

CHUNK = 64  # users whose candidates are scored together: what is made of them stays in the cache
FEW_ROWS = 4  # from here on a row of a product doesn't depend on how many there are


@torch.no_grad()
def rank_sampled(
    model: Carca, data: Prepared, requests: Requests, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates scored above the target of each request, and equal to it, (R,) each: `rank_requests`' sampled counts.

    candidates: (R, n) items, 0 = none. Raises ScoreError on NaN or infinity.
    """
    if model.decoder_positions:  # then there are no tables of queries
        ranks = rank_requests(model_scores(model, data, requests), data, requests, candidates)
        return ranks.sampled_greater, ranks.sampled_tied
    greater, tied = (np.zeros(len(requests.users), np.int32) for _ in range(2))
    with evaluating(model):
        for where, scores in SampledScorer(model, data).score_listed(requests, candidates):
            check_finite(scores)
            missing = torch.from_numpy(candidates[where] == 0)
            greater[where], tied[where] = count_places(scores[:, 1:].masked_fill(missing, -math.inf), scores[:, :1])
    return greater, tied


class SampledScorer(Scorer):
    """Scores each request's own candidates.

    A row of the table is an item's share of what its score needs: its query and its encoding times the output weight,
    W = 2D values, or with the dot head its encoding, W = D.
    """

    def __init__(self, model: Carca, data: Prepared) -> None:
        super().__init__(model, data)
        self.attends = model.settings.head == "carca"
        self.width = model.settings.dimension * (2 if self.attends else 1)

    def score_listed(self, requests: Requests, candidates: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Blocks of requests: positions (B,), scores of the target and then of the candidates (B, 1 + n)."""
        order = self.request_order(requests)
        for first in range(0, len(order), ENCODE_BLOCK):
            where = order[first : first + ENCODE_BLOCK]
            part = requests.take(where)
            items = np.concatenate([self.data.items[part.targets][:, None], candidates[where]], 1)
            yield where, self._score_block(part, torch.from_numpy(items.astype(np.int64)))

    def _score_block(self, part: Requests, items: Tensor) -> Tensor:
        """items: (B, m). Returns (B, m)."""
        length = self._length(part)
        rows, context = self._rows(length), self._context(part)
        by_length = np.argsort(length, kind="stable")
        packed = self._encode_packed(part, length, by_length)  # (T, D)
        begin = torch.empty(len(length), dtype=torch.int64)  # of each history in it
        begin[by_length] = torch.from_numpy(np.cumsum(length[by_length]) - length[by_length])
        few = np.zeros(len(items), bool)
        shift = packed.new_empty(len(items), self.width)
        scores = packed.new_empty(items.shape)
        for same in equal_runs(rows, context):
            shift[same[0] : same[-1] + 1] = self._share(int(rows[same[0]]), context[same[0]])
        for run in _shared(rows, context):
            row, place = int(rows[run[0]]), slice(run[0], run[-1] + 1)
            if self.attends and length[run].sum() < FEW_ROWS:
                few[run] = True
                self._set_table(row)
                histories = [packed[begin[user] : begin[user] + length[user]] for user in run]
                scores[place] = self._score_few(histories, items[place], shift[place])
        memory = self._memory(packed) if self.attends else packed
        for n in np.unique(length[~few]):
            users = np.flatnonzero((length == n) & ~few)
            self._set_table(int(rows[users[0]]))
            for chunk in torch.from_numpy(users).split(CHUNK):
                at = begin[chunk][:, None] + torch.arange(n)  # (B, n)
                of_users = memory.index_select(0, at.flatten()).view(*at.shape, -1)
                score = self._attend_equal if self.attends else self._multiply_last
                scores[chunk] = score(of_users, items[chunk], shift[chunk])
        return scores

    def _set_table(self, row: int) -> None:
        """The items' shares for candidates at this position row: (P, W)."""
        if row == self.row:
            return
        self.row = row
        items = self.model.encoding.encode(self.parts, torch.full((self.padded,), row))  # (P, D)
        weighted = items * self.model.output_weight
        self.table = torch.cat([self._query_items(items), weighted], 1) if self.attends else items

    def _share(self, row: int, context: np.ndarray) -> Tensor:
        """The request's share of the same values: (W,)."""
        model, shift = self.model, self._shift(row, context)  # (D, 1)
        if not self.attends:
            return shift[:, 0]
        return torch.cat([model.decoder.query_weight @ shift, shift * model.output_weight[:, None]])[:, 0]

    def _candidates(self, items: Tensor, shift: Tensor) -> Tensor:
        """What the scores of the candidates need, as blocks of a fixed width: (B, M, W), M >= m.

        items: (B, m); shift: (B, W). A block reads on into the next one's candidates, and what that gives is dropped.
        """
        users, count = items.shape
        fixed = -(-count // ITEM_BLOCK) * ITEM_BLOCK
        rows = self.table.index_select(0, F.pad(items.flatten(), (0, fixed - count)))
        of_users = rows[: users * count].view(users, count, -1)
        of_users += shift[:, None]
        if self.attends:
            F.leaky_relu(of_users[..., : self.model.settings.dimension], 0.2, inplace=True)
        return rows.as_strided((users, fixed, self.width), (count * self.width, self.width, 1))

    def _memory(self, packed: Tensor) -> Tensor:
        """Key, over sqrt(Dh), and value of each encoded history slot. packed: (T, D). Returns (T, 2D)."""
        key, value = (self.model.decoder.project(name, packed) for name in ("key", "value"))  # (T, H, Dh)
        return torch.cat([key / math.sqrt(key.shape[2]), value], 1).flatten(1)

    def _attend_equal(self, memory: Tensor, items: Tensor, shift: Tensor) -> Tensor:
        """Logits for histories of equal length. memory: (B, n, 2D); items: (B, m); shift: (B, W). Returns (B, m)."""
        settings, weight = self.model.settings, self.model.output_weight
        length, block = memory.shape[1], self._candidates(items, shift)  # (B, M, W)
        if length < FEW_ROWS:
            memory = F.pad(memory, (0, 0, 0, FEW_ROWS - length))
        key, value = memory.unflatten(2, (2, settings.heads, -1)).unbind(2)  # (B, n, H, Dh)
        weights = _products(key, block[..., : settings.dimension])[:, :, :length].softmax(2)  # (H, B, n, M)
        if settings.decoder_residual == "mul":
            gain = _products(value, block[..., settings.dimension :])[:, :, :length]  # (H, B, n, M)
        else:
            of_value = (value[:, :length] * weight.view(value.shape[2:])).sum(-1, keepdim=True)  # (B, n, H, 1)
            gain = of_value.permute(2, 0, 1, 3)
        shape = (len(items), settings.heads, length, block.shape[1])
        each = torch.mul(weights.transpose(0, 1), gain.transpose(0, 1), out=block.new_empty(shape))
        total = each.sum((1, 2)) + self.model.output_bias
        if settings.decoder_residual == "sum":
            total += block[..., settings.dimension :].permute(2, 0, 1).contiguous().sum(0)
        return total[:, : items.shape[1]]

    def _multiply_last(self, packed: Tensor, items: Tensor, shift: Tensor) -> Tensor:
        """Logits of the dot head. packed: (B, n, D) encoded histories; items: (B, m); shift: (B, D). Returns (B, m)."""
        columns = self._candidates(items, shift).permute(2, 0, 1).contiguous()  # (D, B, M)
        products = (columns * packed[:, -1].T[..., None]).sum(0)
        return self.model.dot_logits(products)[:, : items.shape[1]]

    def _score_few(self, histories: list[Tensor], items: Tensor, shift: Tensor) -> Tensor:
        """Logits by the product of the full catalogue. histories: (n, D) each; items: (B, m); shift: (B, W). (B, m)."""
        block = self._candidates(items, shift)  # (B, M, W)
        columns = block.permute(2, 0, 1).contiguous().flatten(1)  # (W, B * M)
        self.query, self.weighted = columns.chunk(2)
        out = columns.new_empty(len(items), columns.shape[1])
        self._score_group(histories, out)
        own = out.view(len(items), len(items), -1).diagonal().T  # (B, M): each request's own candidates
        return own[:, : items.shape[1]]


def _shared(rows: np.ndarray, context: np.ndarray) -> Iterator[np.ndarray]:
    """Places of the requests that the full catalogue scores in one product. rows: (B,); context: (B, C)."""
    for first in range(0, len(rows), USER_BLOCK):
        yield from equal_runs(rows[first : first + USER_BLOCK], context[first : first + USER_BLOCK], first)


def _products(memory: Tensor, candidates: Tensor) -> Tensor:
    """Products of history slots and candidates. memory: (B, n, H, Dh); candidates: (B, M, D). Returns (H, B, n, M)."""
    users, slots, heads, width = memory.shape
    out = memory.new_empty(heads, users, slots, candidates.shape[1])
    for head in range(heads):  # the candidates of one head are a view: nothing is copied
        of_head = candidates[..., head * width : (head + 1) * width]
        torch.bmm(memory[:, :, head], of_head.transpose(1, 2), out=out[head])
    return out
