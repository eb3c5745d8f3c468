"""Evaluation: every request scored on the full catalogue once; sampled candidates are read from the same scores.

Ranks are counted on float logits, never sorted. Candidates are computed in blocks of a fixed shape (a multiple of 64
items) and each logit is a sum in the same order, so that equal candidates tie bit for bit at every position.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.data.prepare.prepared import Prepared
from posrec.errors import PosrecError
from posrec.model.attention import make_group
from posrec.model.batches import candidate_rows, context_at, context_sources, slot_rows, time_sources
from posrec.model.carca import Carca
from posrec.model.encodings import Encoding, Steps
from posrec.model.inputs import Clock, Tokens, distinct_items, ragged_arange
from posrec.model.ops.plain import PLAIN, Ops

ITEM_BLOCK = 64  # candidates are padded to a multiple: equal shapes, equal rounding
USER_BLOCK = 16  # users whose scores are ranked together
PRODUCT_BLOCK = 128  # users whose scores are one product with the dot head
ENCODE_BLOCK = 1024  # users whose histories are encoded together


class ScoreError(PosrecError):
    """A model gave scores that cannot be ranked."""


@dataclass(frozen=True)
class Requests:
    """Who asks when: users (R,), the index of each target interaction (R,).

    All earlier interactions are its history.
    """

    users: np.ndarray
    targets: np.ndarray

    def take(self, index: np.ndarray) -> "Requests":
        """The requests at `index` (B,)."""
        return Requests(self.users[index], self.targets[index])


@dataclass(frozen=True)
class Ranks:
    """Per request: candidates scored above the target (greater) and equal to it (tied), sampled and full.

    All are int32 (R,).
    """

    sampled_greater: np.ndarray
    sampled_tied: np.ndarray
    full_greater: np.ndarray
    full_tied: np.ndarray


def is_timed(model: Carca) -> bool:
    """Whether a candidate's scores depend on the very time of its request, and not on its context and row alone."""
    encoding = model.encoding
    return encoding.reads_times and (model.decoder_positions or type(encoding).encode is not Encoding.encode)


def requests_of(targets: np.ndarray) -> Requests:
    """Requests of the users that have a held-out interaction (`Prepared.test` or `.validation`)."""
    users = np.flatnonzero(targets >= 0)
    return Requests(users, targets[users])


def rank_requests(
    scores: Iterator[tuple[np.ndarray, Tensor]],
    data: Prepared,
    requests: Requests,
    candidates: np.ndarray,
    count: Callable[[Tensor, Tensor], tuple[np.ndarray, np.ndarray]] | None = None,
) -> Ranks:
    """Count ranks from blocks of scores.

    scores yields (positions in `requests` (B,), scores of items 0..I and maybe further columns (B, >= I + 1));
    candidates: (R, n) columns of the negatives, the items' own or further ones, 0 = none. The full catalogue leaves out
    the history's items, never the target. count: another way than `count_places`. Raises ScoreError on NaN or infinity.
    """
    count = count or count_places
    counts = np.zeros((4, len(requests.users)), np.int32)
    for where, block in scores:
        wide, block = block, block[:, : data.n_items + 1].clone()
        check_finite(block[:, 1:])
        part = requests.take(where)
        target = torch.from_numpy(data.items[part.targets].astype(np.int64)).to(block.device)
        of_target = block.gather(1, target[:, None])  # (B, 1)
        negatives = torch.from_numpy(candidates[where].astype(np.int64)).to(block.device)  # (B, n)
        block[:, 0] = -math.inf
        sampled = wide.gather(1, negatives).masked_fill(negatives == 0, -math.inf)
        counts[0, where], counts[1, where] = count(sampled, of_target)
        start = data.offsets[part.users]
        history = ragged_arange(start, part.targets - start)
        rows = np.repeat(np.arange(len(where)), part.targets - start)
        block[torch.from_numpy(rows), torch.from_numpy(data.items[history].astype(np.int64))] = -math.inf
        block.scatter_(1, target[:, None], -math.inf)  # not its own competitor; a repeated target counts once
        counts[2, where], counts[3, where] = count(block, of_target)
    return Ranks(*counts)


def check_finite(scores: Tensor) -> None:
    """Raise ScoreError where a score is NaN or infinite."""
    if not torch.stack(torch.aminmax(scores)).isfinite().all():  # NaN is both of them
        raise ScoreError("scores are NaN or infinite: the training has diverged (lower the learning rate)")


def count_places(scores: Tensor, of_target: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """How many scores are above the target's and how many equal it. scores: (B, n); of_target: (B, 1). (B,) each."""
    greater, tied = (scores > of_target).sum(1), (scores == of_target).sum(1)
    return greater.cpu().numpy(), tied.cpu().numpy()


def equal_runs(rows: np.ndarray, context: np.ndarray, first: int = 0) -> list[np.ndarray]:
    """Places of requests with equal row and context that follow one another, counted from `first`.

    rows: (B,); context: (B, C).
    """
    same = (rows[1:] == rows[:-1]) & (context[1:] == context[:-1]).all(1)
    return np.split(np.arange(first, first + len(rows)), np.flatnonzero(~same) + 1)


@torch.no_grad()
def model_scores(
    model: Carca, data: Prepared, requests: Requests, clock: Clock | None = None
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Logits of all items for every request, in blocks of users that ask at similar times. clock: see `Scorer`."""
    with evaluating(model):
        scorer = Scorer(model, data, clock)
        if model.settings.head == "dot" and not model.released_dot:
            yield from scorer.score_products(requests)
        else:
            yield from scorer.score_all(requests, scorer.request_order(requests))


@contextmanager
def evaluating(model: Carca, ops: Ops = PLAIN) -> Iterator[None]:
    """Put the model into evaluation mode with plain torch, for exact ties; restore its mode and operations on exit."""
    was_training = model.training
    model.eval()
    try:
        with model.using(ops):
            yield
    finally:
        model.train(was_training)


class Scorer:
    """Scores requests against all items; what depends on the items alone is computed once.

    Everything before the query's activation is affine in the encoded item, so a candidate's encoding and query are sums
    of an item's share (one table a position row) and the request's share (its time and position). clock: of the data
    that the model was trained on, where these are others.
    """

    parts_block = 16_384  # items whose attributes and dense features are in memory at once

    def __init__(self, model: Carca, data: Prepared, clock: Clock | None = None) -> None:
        self.model, self.data = model, data
        ids, embedding = np.arange(data.n_items + 1), model.bounded_embedding()
        blocks = np.array_split(ids, -(-len(ids) // self.parts_block))  # nearly equal sizes: none has few rows
        self.device = embedding.device
        self.padded = -(-len(ids) // ITEM_BLOCK) * ITEM_BLOCK
        self.parts = embedding.new_zeros(self.padded, embedding.shape[1])  # (P, D)
        for block in blocks:
            rows = slice(block[0], block[-1] + 1)
            self.parts[rows] = model.item_parts(distinct_items(data, block).to(self.device), embedding[rows])
        self.history_parts = self.parts[: len(ids)]
        self.context_weight = model.context_weight()
        self.zeros: dict[tuple[int, float], Tensor] = {}  # a candidate of nothing but its position row and time
        self.shared_queries = model.settings.head == "carca" and not model.decoder_positions  # of all items at once
        self.clock, self.timed = clock or Clock(data), is_timed(model)
        self.row, self.asked, self.context = -1, 0.0, np.full(data.context.shape[1], np.nan, np.float32)

    def request_order(self, requests: Requests) -> np.ndarray:
        """Requests sorted so that those with the same row, context and, where it counts, time follow one another."""
        keys = self._asked(requests), *self._context(requests).T, self._rows(self._length(requests))
        return np.lexsort(keys)

    def _asked(self, requests: Requests) -> np.ndarray:
        """The time of each request in days (R,); 0 where no candidate's scores depend on it."""
        if not self.timed:
            return np.zeros(len(requests.targets))
        return self.clock.days(time_sources(requests.targets, self.model.settings))

    def _context(self, requests: Requests) -> np.ndarray:
        return context_at(self.data, context_sources(requests.targets, self.model.settings))

    def _rows(self, length: np.ndarray) -> np.ndarray:
        after = int(self.model.switches.candidate_position_training == "sound")
        return candidate_rows(length, self.model.settings, after)

    def _length(self, requests: Requests) -> np.ndarray:
        return np.minimum(requests.targets - self.data.offsets[requests.users], self.model.settings.max_length)

    def score_all(self, requests: Requests, order: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Scores of the requests in this order, in blocks: positions (B,), scores (B, P)."""
        for first in range(0, len(order), ENCODE_BLOCK):
            yield from self.score(requests, order[first : first + ENCODE_BLOCK])

    def score_products(self, requests: Requests) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Scores of the dot head, one product per block of users: positions (B,), scores (B, P).

        What time and position add to a candidate is one vector per request, so it adds one number to all its scores.
        """
        table = self.model.candidate_table(self.parts)  # (P, D)
        for first in range(0, len(requests.users), ENCODE_BLOCK):
            where = np.arange(first, min(first + ENCODE_BLOCK, len(requests.users)))
            part = requests.take(where)
            last = torch.stack([history[-1] for history in self._encode_histories(part, self._length(part))])  # (B, D)
            added = (last * self._request_share(part)).sum(-1, keepdim=True)  # (B, 1)
            for place in range(0, len(where), PRODUCT_BLOCK):
                block = slice(place, place + PRODUCT_BLOCK)
                yield where[block], F.linear(last[block], table).add_(added[block])

    def _request_share(self, part: Requests) -> Tensor:
        """What the time and position of each request add to a candidate in the last row without a time: (B, D)."""
        columns = self._rows(self._length(part)), self._context(part), self._asked(part)
        rows, context, asked = (torch.from_numpy(column).to(self.device) for column in columns)
        of_context = self.model.context_parts(context, self.context_weight)
        encoded = self.model.encoding.place(of_context, rows, *self.model.encoding.given(asked))
        return encoded - self.model.candidate_table(self.parts.new_zeros(1, self.parts.shape[1]))

    def score(self, requests: Requests, where: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Scores of the requests `where`, (B, P), in blocks.

        Requests with equal row and context share their queries.
        """
        part = requests.take(where)
        length = self._length(part)
        rows, context, asked = self._rows(length), self._context(part), self._asked(part)
        moments = np.column_stack([context, asked])
        encoded = self._encode_histories(part, length)
        steps = self._steps(part, length) if self.model.decoder_positions else []
        for first in range(0, len(where), USER_BLOCK):
            last = min(first + USER_BLOCK, len(where))
            block = self.parts.new_empty(last - first, self.padded)
            for group in equal_runs(rows[first:last], moments[first:last], first):
                self._set_request(int(rows[group[0]]), context[group[0]], float(asked[group[0]]))
                of_group = slice(group[0], group[-1] + 1)
                self._score_group(encoded[of_group], steps[of_group], block[group[0] - first :])
            yield where[first:last], block

    def _encode_histories(self, part: Requests, length: np.ndarray) -> list[Tensor]:
        """The encoded history of each request, (n, D) each, in the order of `part`."""
        by_length = np.argsort(length, kind="stable")
        parts = self._encode_packed(part, length, by_length).split(length[by_length].tolist())
        return [parts[place] for place in np.argsort(by_length, kind="stable")]

    def _steps(self, part: Requests, length: np.ndarray) -> list[Steps]:
        """The steps of each request's history, (n,) each."""
        settings = self.model.settings
        found = []
        for target, n in zip(part.targets, length, strict=True):
            own = np.arange(target - n, target)
            rows = slot_rows(np.arange(n)[None], np.array([n]), settings)[0]
            columns = rows, self.clock.days(own), self.clock.days(time_sources(own + 1, settings))
            found.append(Steps(*(torch.from_numpy(column).to(self.device) for column in columns)))
        return found

    def _encode_packed(self, part: Requests, length: np.ndarray, by_length: np.ndarray) -> Tensor:
        """The encoded histories of the requests, one after another in the order `by_length`: (T, D)."""
        sizes = length[by_length]
        lengths, counts = np.unique(sizes, return_counts=True)
        slots = np.full_like(sizes, self.model.settings.max_length) if self.model.padded else sizes
        pad = slots - sizes
        step = ragged_arange(-pad, slots)  # (T,), below 0: padding
        interactions = np.repeat(part.targets[by_length] - sizes, slots) + np.maximum(step, 0)
        rows = slot_rows(step[:, None], np.repeat(sizes, slots), self.model.settings)[:, 0]
        tokens = Tokens(
            torch.from_numpy(np.where(step < 0, 0, self.data.items[interactions]).astype(np.int64)),
            torch.from_numpy(self.data.context[interactions]),
            torch.from_numpy(rows),
            torch.from_numpy(self.clock.days(interactions)),
            torch.from_numpy(self.clock.days(time_sources(interactions + 1, self.model.settings))),
        ).to(self.device)
        x = self.model.encode_tokens(self.history_parts, tokens, self.context_weight)
        layout = [
            make_group(np.full(count, keys), int(slots.max() if self.model.padded else keys), 1, self.model.causal)
            for keys, count in zip(lengths, counts, strict=True)
        ]
        layout = [group.to(self.device) for group in layout]
        x = self.model.encode_history(x, tokens.rows, layout, tokens.times, tokens.asked)
        real = torch.from_numpy(np.flatnonzero(step >= 0)).to(self.device)
        return x.index_select(0, real) if self.model.padded else x

    def _set_request(self, row: int, context: np.ndarray, asked: float) -> None:
        """Candidates as they are for a request with this position row and context at this time."""
        if row != self.row or asked != self.asked:
            self.row, self.asked, self.context = row, asked, np.full_like(context, np.nan)
            self._set_row(torch.full((self.padded,), row, device=self.device))
        if np.array_equal(context, self.context):
            return
        self.context = context
        model, shift = self.model, self._shift(row, context)
        torch.add(self.weighted_items, shift * model.output_weight[:, None], out=self.weighted)
        if self.shared_queries:
            torch.add(self.queries, model.decoder.query_weight @ shift, out=self.query)
            F.leaky_relu(self.query, 0.2, inplace=True)
        else:
            torch.add(self.items, shift, out=self.candidates)

    def _shift(self, row: int, context: np.ndarray) -> Tensor:
        """What a request's context adds to every encoded candidate: (D, 1)."""
        at, key = torch.full((1,), row, device=self.device), (row, self.asked)
        if key not in self.zeros:
            self.zeros[key] = self._encode(self.parts.new_zeros(1, self.parts.shape[1]), at)  # (1, D)
        of_context = self.model.context_parts(torch.from_numpy(context[None]).to(self.device), self.context_weight)
        return (self._encode(of_context, at) - self.zeros[key]).T

    def _encode(self, x: Tensor, rows: Tensor) -> Tensor:
        """Candidates of the request with their position. x: (P, D); rows: (P,). Returns (P, D)."""
        times = torch.full((len(x),), self.asked, dtype=torch.float64, device=self.device)
        return self.model.encoding.place(x, rows, *self.model.encoding.given(times))

    def _query_items(self, items: Tensor) -> Tensor:
        """The items' share of the candidates' queries. items: (P, D). Returns (P, D)."""
        return self.model.ops.linear(items, self.model.decoder.query_weight, self.model.decoder.query_bias)

    def _set_row(self, rows: Tensor) -> None:
        """The items' share, transposed: (D, P)."""
        self.candidate_rows = rows
        items = self._encode(self.parts, rows)
        self.items = items.T.contiguous()
        self.weighted_items = self.items * self.model.output_weight[:, None]
        self.weighted, self.candidates = torch.empty_like(self.items), torch.empty_like(self.items)
        if self.shared_queries:
            self.queries = self._query_items(items).T.contiguous()
            self.query = torch.empty_like(self.queries)

    def _score_group(self, histories: list[Tensor], steps: list[Steps], out: Tensor) -> None:
        """Logits of all candidates of requests that share their context. histories: (n, D) each; out: (B, P)."""
        model = self.model
        if model.settings.head == "dot":
            for history, scores in zip(histories, out, strict=False):
                scores.copy_(model.dot_logits((self.candidates * history[-1][:, None]).sum(0)))
            return
        if model.decoder_positions:
            candidates = self.candidates.T.contiguous()  # (P, D)
            for history, own, scores in zip(histories, steps, out, strict=False):
                scores.copy_(self.head_of_one(history, candidates, own, self.candidate_rows))
            return
        packed = torch.cat(histories)
        key, value = (model.decoder.project(name, packed).transpose(0, 1) for name in ("key", "value"))  # (H, T, Dh)
        heads, width = model.settings.heads, key.shape[2]
        scores = (key / math.sqrt(width)) @ self.query.view(heads, width, -1)  # (H, T, P)
        if model.settings.decoder_residual == "mul":  # the candidate and the output weight meet each value
            gain = value @ self.weighted.view(heads, width, -1)  # (H, T, P)
        else:
            gain = (value * model.output_weight.view(heads, 1, width)).sum(2, keepdim=True)  # (H, T, 1)
        sizes = [len(history) for history in histories]
        for of_user, of_gain, total in zip(scores.split(sizes, 1), gain.split(sizes, 1), out, strict=False):
            torch.add(of_user.softmax(1).mul_(of_gain).sum((0, 1)), model.output_bias, out=total)
            if model.settings.decoder_residual == "sum":
                total += self.weighted.sum(0)

    def head_of_one(self, history: Tensor, candidates: Tensor, steps: Steps, rows: Tensor) -> Tensor:
        """The model's head on one request, which its history's last step answers.

        history: (n, D) at `steps`, (n,) each; candidates: (m, D) at position rows (m,). Returns (m,).
        """
        group = make_group(np.array([len(history)]), len(history), len(candidates), causal=False).to(self.device)
        assert steps.asked is not None
        times = steps.asked[-1:].expand(len(rows))
        return self.model.head(history, candidates, [group], steps, Steps(rows, times, times))
