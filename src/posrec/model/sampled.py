"""Ranks among sampled candidates alone: only these are scored, from a table of all items that is computed once.

For candidate lists of one's own, where the full catalogue isn't asked for; a study ranks both from the same scores
(`evaluate.rank_requests`). Products take the library that training takes, so a score differs from that of the full
catalogue by float32 rounding; equal candidates of a request still tie bit for bit.
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
    Requests,
    Scorer,
    check_finite,
    count_places,
    evaluating,
    model_scores,
    rank_requests,
)
from posrec.model.products import linear, routed_evaluation

TOKENS = 8192  # history slots that are encoded together
CHUNK = 32  # users whose candidates are scored together: what is made of them stays in the cache
COLUMNS = 16  # candidates are filled up to a multiple: no kernel meets a ragged edge


@torch.no_grad()
def rank_sampled(
    model: Carca, data: Prepared, requests: Requests, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates scored above the target of each request, and equal to it, (R,) each: `rank_requests`' sampled counts.

    candidates: (R, n) items, 0 = none. Raises ScoreError on NaN or infinity.
    """
    if model.decoder_positions:  # then there is no table of queries
        ranks = rank_requests(model_scores(model, data, requests), data, requests, candidates)
        return ranks.sampled_greater, ranks.sampled_tied
    greater, tied = (np.zeros(len(requests.users), np.int32) for _ in range(2))
    with evaluating(model), routed_evaluation():
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

    parts_block = 4096  # dense features are copied in parts that stay in the cache

    def __init__(self, model: Carca, data: Prepared) -> None:
        super().__init__(model, data)
        self.attends = model.settings.head == "carca"
        self.width = model.settings.dimension * (2 if self.attends else 1)

    def score_listed(self, requests: Requests, candidates: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Blocks of requests: positions (B,), scores of the target and then of the candidates (B, 1 + n)."""
        length = self._length(requests)
        order = np.argsort(length, kind="stable")
        block = np.cumsum(length[order]) // TOKENS
        for where in np.split(order, np.flatnonzero(np.diff(block)) + 1):
            part = requests.take(where)
            items = np.concatenate([self.data.items[part.targets][:, None], candidates[where]], 1)
            yield where, self._score_block(part, torch.from_numpy(items.astype(np.int64)))

    def _score_block(self, part: Requests, items: Tensor) -> Tensor:
        """Scores of requests that are sorted by the length of their history. items: (B, m). Returns (B, m)."""
        length = self._length(part)
        packed = self._encode_packed(part, length, np.arange(len(length)))  # (T, D)
        memory = self._memory(packed) if self.attends else packed
        score = self._attend if self.attends else self._multiply_last
        shares, scores = self._shares(part, length), packed.new_empty(items.shape)
        user = token = 0
        for n, count in zip(*np.unique(length, return_counts=True), strict=True):
            self._set_table(int(self._rows(np.array([n]))[0]))
            of_users = memory[token : token + n * count].view(count, n, -1)
            token += n * count
            for at in range(0, count, CHUNK):
                chunk = slice(user + at, user + min(at + CHUNK, count))
                scores[chunk] = score(of_users[at : at + CHUNK], items[chunk], shares[chunk])
            user += count
        return scores

    def _set_table(self, row: int) -> None:
        """The items' shares for candidates at this position row: (P, W)."""
        if row == self.row:
            return
        self.row = row
        items = self.model.encoding.encode(self.parts, torch.full((self.padded,), row))  # (P, D)
        self.table = self._table(items, bias=True) if self.attends else items

    def _table(self, items: Tensor, bias: bool) -> Tensor:
        """Queries without their activation, and encodings times the output weight. items: (P, D). Returns (P, 2D)."""
        decoder = self.model.decoder
        queries = linear(items, decoder.query_weight, decoder.query_bias if bias else None)
        return torch.cat([queries, items * self.model.output_weight], 1)

    def _shares(self, part: Requests, length: np.ndarray) -> Tensor:
        """What each request's time adds to the rows of the table: (B, W)."""
        rows = torch.from_numpy(self._rows(length))
        context = self.model.context_parts(torch.from_numpy(self._context(part)), self.context_weight)  # (B, D)
        encode = self.model.encoding.encode
        shift = encode(context, rows) - encode(torch.zeros_like(context), rows)
        return self._table(shift, bias=False) if self.attends else shift

    def _candidates(self, items: Tensor, shares: Tensor) -> Tensor:
        """What the scores of the candidates need. items: (B, m); shares: (B, W). Returns (B, M, W), M >= m."""
        users, count = items.shape
        items = F.pad(items, (0, -count % COLUMNS))
        block = self.table.index_select(0, items.flatten()).view(users, -1, self.width)
        block += shares[:, None]
        if self.attends:
            F.leaky_relu(block[..., : self.model.settings.dimension], 0.2, inplace=True)
        return block

    def _memory(self, packed: Tensor) -> Tensor:
        """Key, over sqrt(Dh), and value of each encoded history slot. packed: (T, D). Returns (T, 2D)."""
        key, value = (self.model.decoder.project(name, packed) for name in ("key", "value"))  # (T, H, Dh)
        return torch.cat([key / math.sqrt(key.shape[2]), value], 1).flatten(1)

    def _attend(self, memory: Tensor, items: Tensor, shares: Tensor) -> Tensor:
        """Logits for histories of equal length. memory: (B, n, 2D); items: (B, m); shares: (B, W). Returns (B, m)."""
        settings, block = self.model.settings, self._candidates(items, shares)  # (B, M, W)
        key, value = memory.unflatten(2, (2, settings.heads, -1)).unbind(2)  # (B, n, H, Dh)
        weights = _products(key, block[..., : settings.dimension]).softmax(2)  # (H, B, n, M)
        if settings.decoder_residual == "mul":
            weights *= _products(value, block[..., settings.dimension :])
        else:
            weights *= (value * self.model.output_weight.view(value.shape[2:])).sum(3).permute(2, 0, 1)[..., None]
        total = weights.sum((0, 2)) + self.model.output_bias
        if settings.decoder_residual == "sum":
            total += block[..., settings.dimension :].sum(2)
        return total[:, : items.shape[1]]

    def _multiply_last(self, packed: Tensor, items: Tensor, shares: Tensor) -> Tensor:
        """Logits of the dot head. packed: (B, n, D), encoded; items: (B, m); shares: (B, D). Returns (B, m)."""
        products = self._candidates(items, shares) @ packed[:, -1, :, None]  # (B, M, 1)
        return self.model.dot_logits(products[:, : items.shape[1], 0])


def _products(memory: Tensor, candidates: Tensor) -> Tensor:
    """Products of history slots and candidates. memory: (B, n, H, Dh); candidates: (B, M, D). Returns (H, B, n, M)."""
    users, slots, heads, width = memory.shape
    out = memory.new_empty(heads, users, slots, candidates.shape[1])
    for head in range(heads):  # the candidates of one head are a view: nothing is copied
        of_head = candidates[..., head * width : (head + 1) * width]
        torch.bmm(memory[:, :, head], of_head.transpose(1, 2), out=out[head])
    return out
