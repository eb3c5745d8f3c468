"""Users, ties and slots of candidates as the authors' released code evaluates them.

The positive has slot 0 of the L slots, negative j = 1, 2, ... has slot 1 + (j - 1) mod (L - 1): in file order, on
the full catalogue in the order of the items' numbers. Slots decide the position that a candidate carries
(`candidate_position_test`) and the encoded history item that the dot head multiplies it with (`dot_head_test`).
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model.batches import time_sources
from posrec.model.carca import Carca
from posrec.model.encodings import Steps
from posrec.model.evaluate.score import ITEM_BLOCK, Requests, Scorer, count_places, evaluating
from posrec.model.inputs import Tokens
from posrec.study.protocols import DRAWN_USERS, EvaluationSwitches


def negative_slots(count: int, max_length: int) -> np.ndarray:
    """Slots of negatives 1 .. count.

    >>> negative_slots(5, max_length=4).tolist()
    [1, 2, 3, 1, 2]
    """
    return 1 + np.arange(count) % (max_length - 1) if max_length > 1 else np.zeros(count, np.int64)


class SlotScorer(Scorer):
    """Scores every item in the slot of its number; and listed candidates in the slots of their order."""

    def __init__(self, model: Carca, data: Prepared, switches: EvaluationSwitches) -> None:
        super().__init__(model, data)
        self.positioned = switches.candidate_position_test == "released"
        self.by_slot = switches.dot_head_test == "released" and model.settings.head == "dot"
        slots = negative_slots(self.padded - 1, model.settings.max_length)
        self.item_slots = torch.from_numpy(np.concatenate([[0], slots])).to(self.device)  # (P,)

    def _rows(self, length: np.ndarray) -> np.ndarray:
        return np.zeros_like(length) if self.positioned else super()._rows(length)

    def _set_row(self, rows: Tensor) -> None:
        super()._set_row(self.item_slots if self.positioned else rows)

    def _score_group(self, histories: list[Tensor], steps: list[Steps], out: Tensor) -> None:
        if not self.by_slot:
            super()._score_group(histories, steps, out)
            return
        for history, scores in zip(histories, out, strict=False):
            slots = self._slots_of(history)  # (L, D)
            scores.copy_(self.model.dot_logits((self.candidates.T * slots[self.item_slots]).sum(1)))

    def _slots_of(self, history: Tensor) -> Tensor:
        """The L encoded slots of a history (n, D); a padded slot is masked to 0 before the last layer norm."""
        masked = history.new_zeros(self.model.settings.max_length - len(history), history.shape[1])
        padding = self.model.last_norm(masked)
        parts = [padding, history] if self.model.settings.position_start == "end" else [history, padding]
        return torch.cat(parts)

    def listed(self, requests: Requests, where: np.ndarray, negatives: np.ndarray) -> Tensor:
        """Scores of the target and then of the negatives of the requests `where`. negatives: (B, n). (B, 1 + n)."""
        part = requests.take(where)
        length = self._length(part)
        encoded, steps = self._encode_histories(part, length), self._steps(part, length)
        count = 1 + negatives.shape[1]
        padded = -(-count // ITEM_BLOCK) * ITEM_BLOCK  # a fixed shape: equal candidates tie at every position
        slots = np.concatenate([[0], negative_slots(padded - 1, self.model.settings.max_length)])
        items = np.zeros((len(where), padded), np.int64)
        items[:, 0], items[:, 1:count] = self.data.items[part.targets], negatives
        rows = np.tile(slots, (len(where), 1)) if self.positioned else np.repeat(self._rows(length)[:, None], padded, 1)
        context = np.repeat(self._context(part), padded, 0)
        times = np.repeat(self.clock.days(time_sources(part.targets, self.model.settings)), padded)
        columns = (torch.from_numpy(column) for column in (items.ravel(), context, rows.ravel(), times, times))
        tokens = Tokens(*columns).to(self.device)
        candidates = self.model.encode_tokens(self.history_parts, tokens).view(len(where), padded, -1)  # (B, m, D)
        parts = zip(encoded, candidates, steps, tokens.rows.view(len(where), padded), strict=True)
        scores = [self._head(history, of_user, slots, own, of_rows) for history, of_user, own, of_rows in parts]
        return torch.stack(scores)[:, :count]

    def _head(self, history: Tensor, candidates: Tensor, slots: np.ndarray, steps: Steps, rows: Tensor) -> Tensor:
        """history: (n, D); candidates: (m, D) in these slots and at these position rows. Returns (m,)."""
        if self.by_slot:
            return self.model.dot_logits(
                (self._slots_of(history)[torch.from_numpy(slots).to(self.device)] * candidates).sum(1)
            )
        if self.model.settings.head == "dot":
            return self.model.dot_logits((candidates * history[-1]).sum(1))
        return self.head_of_one(history, candidates, steps, rows)


@torch.no_grad()
def slot_scores(
    model: Carca, data: Prepared, requests: Requests, negatives: np.ndarray, switches: EvaluationSwitches
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Blocks of requests: positions (B,), scores of items 0 .. I and then of the request's negatives (B, I + 1 + n).

    An item's score is the one in the slot of its number, the target's the one in slot 0, a negative's that of its slot.
    """
    with evaluating(model):
        scorer = SlotScorer(model, data, switches)
        for where, block in scorer.score_all(requests, scorer.request_order(requests)):
            listed = scorer.listed(requests, where, negatives[where])
            targets = torch.from_numpy(data.items[requests.targets[where]].astype(np.int64)).to(block.device)
            items = block[:, : data.n_items + 1].scatter(1, targets[:, None], listed[:, :1])
            yield where, torch.cat([items, listed[:, 1:]], 1)


def slot_columns(negatives: np.ndarray, n_items: int) -> np.ndarray:
    """Columns of the negatives (R, n) in what `slot_scores` yields; 0 stays 0."""
    return np.where(negatives > 0, n_items + 1 + np.arange(negatives.shape[1]), 0)


def sorted_places(scores: Tensor, of_target: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """As `count_places`, but a target with ties has its place in an unstable sort of [target, candidates in order].

    scores: (B, n), -inf where there is none; of_target: (B, 1). Returns places and ties, (B,) each.
    """
    places, tied = count_places(scores, of_target)
    for row in np.flatnonzero(tied):
        candidates = torch.cat([of_target[row], scores[row]]).cpu().numpy()
        listed = candidates[candidates > -math.inf].astype(np.longdouble)
        # the released code's numpy sorted float32 by an introsort that newer numpy keeps for long doubles: its own sort
        # of float32 is vectorised, with an order of ties that depends on the processor
        places[row] = np.argsort(-listed).argmin()
    return places, tied


def draw_users(data: Prepared, stream: np.random.Generator) -> np.ndarray:
    """Draw min(10,000, users) test requests, with replacement: places among the users with a test item.

    A start is uniform over all users but the last, and the next user from there on with a test item is taken; where
    there is none, the start is drawn again. So a user after many without a test item is drawn more often.
    """
    eligible = np.flatnonzero(data.test >= 0)
    if data.n_users == 1 or not len(eligible):
        return np.arange(len(eligible))
    count, places = min(DRAWN_USERS, data.n_users), np.zeros(0, np.int64)
    while len(places) < count:
        start = stream.integers(0, data.n_users - 1, count - len(places))
        found = np.searchsorted(eligible, start)
        places = np.concatenate([places, found[found < len(eligible)]])
    return places
