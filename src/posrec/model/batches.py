"""Training batches, one epoch at a time in arrays: order, cuts, negatives, packing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.errors import DataError
from posrec.model.attention import Group, Packing, exact_group, make_group
from posrec.model.inputs import Clock, FeatureRoom, Items, Tokens, distinct_items, ragged_arange
from posrec.model.shared import Shared, draw_uniform, in_batch
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings

# Histories are padded to the next of these lengths inside a batch: a few masked slots cost less than many tiny groups.
LENGTH_CLASSES = np.array([2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 10**9])
# Where histories are not padded, users of nothing fill a batch up to a multiple of so many rows, and item 0 its items:
# oneDNN prepares a product for each number of rows that it meets, which takes longer than many of the products.
ROWS = 64


@dataclass(frozen=True)
class Batch:
    """One training step: distinct items, T history slots and then Tq candidate slots, user after user.

    A user's candidates are its positives and then as many negatives. sign: (Tq,) +1 positive, -1 negative, 0 padding.
    shared: negatives of all targets together; then the candidates are the positives alone.
    """

    items: Items
    tokens: Tokens
    layout: list[Group]
    sign: Tensor
    shared: Shared | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        if device == self.sign.device:
            return self
        layout = [group.to(device) for group in self.layout]
        shared = None if self.shared is None else self.shared.to(device)
        return Batch(self.items.to(device), self.tokens.to(device), layout, self.sign.to(device), shared)


@dataclass(frozen=True)
class PartSlots:
    """Slots of the users of a group, (B, n): item (0: padding), the interaction whose context it has, position row.

    asked: the interaction whose time is that of the request that the slot answers, or as a candidate belongs to.
    """

    items: np.ndarray
    interactions: np.ndarray
    rows: np.ndarray
    asked: np.ndarray

    def without_padding(self) -> "PartSlots":
        """Those that hold an item, (N,)."""
        real = self.items != 0
        return PartSlots(self.items[real], self.interactions[real], self.rows[real], self.asked[real])


@dataclass(frozen=True)
class Part:
    """The users of a batch in one length class: histories of these lengths (B,) in `keys` slots each."""

    length: np.ndarray
    keys: int
    history: PartSlots
    candidates: PartSlots

    def without_padding(self) -> "Part":
        """The same users with their slots in one row, (N,) each."""
        return replace(self, history=self.history.without_padding(), candidates=self.candidates.without_padding())


@dataclass(frozen=True)
class Samples:
    """One sample per user: its history is interactions start .. start + length - 1, (U,) each.

    negatives: the negative items of all targets, one after another; a user's start at first_negative (U,).
    """

    start: np.ndarray
    length: np.ndarray
    first_negative: np.ndarray
    negatives: np.ndarray

    def take(self, index: np.ndarray) -> "Samples":
        """The samples at `index` (B,); all negatives stay, since first_negative counts from the first of them."""
        return Samples(self.start[index], self.length[index], self.first_negative[index], self.negatives)


class Sampler:
    """Draws epochs from the training interactions of a prepared data set.

    Every user with at least 2 training items comes once per epoch, in random order (`order` stream). With
    `targets="all"` every step after the first is a target; with "last" a cut, uniform over the training items from the
    second on, is the only one. A target's negative is uniform over the items outside the user's training items
    (`negatives` stream). padded: every history has L slots.
    """

    def __init__(
        self,
        data: Prepared,
        settings: ModelSettings,
        switches: TrainingSwitches,
        batch_size: int,
        order: np.random.Generator,
        negatives: np.random.Generator,
        packing: Packing = "classes",
        negatives_a_target: int = 1,
        shared: int = 0,
        from_batch: bool = False,
    ) -> None:
        """shared: negatives per batch, uniform, or with `from_batch` the batch's own targets."""
        self.data, self.settings, self.switches, self.batch_size = data, settings, switches, batch_size
        self.order, self.negative_stream, self.packing = order, negatives, packing
        self.room = FeatureRoom(data)
        self.shared, self.from_batch = shared, from_batch
        self.negatives_a_target, self.released = negatives_a_target, switches.sampling == "released"
        known = data.n_users - self.released  # released: the last user is never drawn
        self.users = np.flatnonzero(data.train_length[:known] >= 2)
        self.catalogue = data.n_items - self.released  # released: the last item is never a negative
        self.met = met_keys(data)
        self.popularity = target_shares(data) if from_batch else np.empty(0)
        if len(self.users) == 0:
            raise DataError(
                "no user has two training items: nothing to train on; lower k_core or use a larger data set"
            )
        self.clock = Clock(data)
        if np.bincount(self.met // (data.n_items + 1), minlength=data.n_users).max() >= self.catalogue:
            raise DataError(
                "a user's training items are the whole catalogue, so it has no negatives: use a larger data set"
            )

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        if self.released:
            return max(1, self.data.n_users // self.batch_size)
        return -(-len(self.users) // self.batch_size)

    def stream_states(self) -> list[Any]:
        """Where both streams are, as plain values."""
        return [self.order.bit_generator.state, self.negative_stream.bit_generator.state]

    def set_streams(self, states: list[Any]) -> None:
        """Put both streams back to where they were."""
        self.order.bit_generator.state, self.negative_stream.bit_generator.state = states

    def epoch(self) -> Iterator[Batch]:
        """The batches of one epoch."""
        return (self._batch(samples) for samples in self._epoch_samples())

    def epoch_parts(self) -> Iterator[list[Part]]:
        """The batches of one epoch, each in parts by length class, in ascending order of their slots."""
        return (self._parts(samples) for samples in self._epoch_samples())

    def _epoch_samples(self) -> Iterator[Samples]:
        """The samples of each batch, sorted by length."""
        users = self._epoch_users()
        samples = self._samples(users)
        for first in range(0, len(users), self.batch_size):
            chosen = np.arange(first, min(first + self.batch_size, len(users)))
            yield samples.take(chosen[np.argsort(samples.length[chosen], kind="stable")])

    def _epoch_users(self) -> np.ndarray:
        """Every user once in random order; released: full batches of users drawn with replacement."""
        if self.released:
            return self.order.choice(self.users, self.steps * self.batch_size)
        return self.order.permutation(self.users)

    def _samples(self, users: np.ndarray) -> Samples:
        begin, last = self.data.offsets[users], self.data.train_length[users].astype(np.int64) - 1
        cut = last if self.switches.targets == "all" else self.order.integers(1, last + 1)  # index of the last target
        length = np.minimum(cut, self.settings.max_length)
        targets = length if self.switches.targets == "all" else np.ones_like(length)
        drawn = np.repeat(users, targets * self.negatives_a_target)
        negatives = draw_unmet(drawn, self.met, self.data.n_items, self.catalogue, self.negative_stream)
        first = np.cumsum(targets) - targets
        return Samples(begin + cut - length, length, first * self.negatives_a_target, negatives)

    def _parts(self, samples: Samples) -> list[Part]:
        """samples: sorted by length."""
        classes = LENGTH_CLASSES[-1:] if self.packing == "padded" else LENGTH_CLASSES
        slots = np.minimum(classes[np.searchsorted(classes, samples.length)], self.settings.max_length)
        parts = []
        for keys in np.unique(slots):
            part = samples.take(np.flatnonzero(slots == keys))
            parts.append(Part(part.length, int(keys), *self._group_slots(part, int(keys))))
        return parts

    def _batch(self, samples: Samples) -> Batch:
        """samples: sorted by length."""
        parts = self._parts(samples)
        sign = self.signs(parts)
        shared_items, correction = self.shared_negatives(parts)
        if self.packing != "exact":
            groups = self._groups(parts)
        else:
            filling = int(-samples.length.sum() % ROWS)
            groups = self._exact_groups(samples.length, filling)
            parts = [part.without_padding() for part in parts] + [no_users(filling, 1, 1 + self.negatives_a_target)]
            sign = np.pad(sign[sign != 0], (0, parts[-1].candidates.items.size))
        items, interactions, rows = (all_slots(parts, name) for name in ("items", "interactions", "rows"))
        distinct, index = np.unique(np.concatenate([items, shared_items]), return_inverse=True)
        index, shared_index = np.split(index, [len(items)])
        if self.packing == "exact":
            distinct = np.pad(distinct, (0, -len(distinct) % ROWS))
        context = torch.from_numpy(context_at(self.data, interactions))
        times, asked = (torch.from_numpy(each) for each in slot_times(parts, self.clock))
        tokens = Tokens(torch.from_numpy(index), context, torch.from_numpy(rows), times, asked)
        of_batch = distinct_items(self.data, distinct, self.room)
        shared = Shared(torch.from_numpy(shared_index), torch.from_numpy(correction)) if self.shared else None
        return Batch(of_batch, tokens, groups, torch.from_numpy(sign), shared)

    def shared_negatives(self, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
        """Items and corrections of the negatives that the batch's targets share; empty where each has its own."""
        if not self.shared:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if self.from_batch:
            targets = np.concatenate([part.candidates.items.ravel() for part in parts])
            return in_batch(targets, self.popularity)
        return draw_uniform(self.catalogue, self.shared, self.negative_stream)

    def _groups(self, parts: Sequence[Part]) -> list[Group]:
        masked = self.switches.masked
        return [make_group(part.length, part.keys, part.candidates.items.shape[1], masked) for part in parts]

    def _exact_groups(self, length: np.ndarray, filling: int) -> list[Group]:
        """One group of each length (B,), which are sorted, and one of the users that fill the batch up."""
        groups = [*zip(*np.unique(length, return_counts=True), strict=True), *[(1, filling)] * (filling > 0)]
        targets = [keys if self.switches.targets == "all" else 1 for keys, _ in groups]
        queries = [int(count * (1 + self.negatives_a_target)) for count in targets]
        masked = self.switches.masked
        return [
            exact_group(int(users), int(keys), count, masked)
            for (keys, users), count in zip(groups, queries, strict=True)
        ]

    def _group_slots(self, samples: Samples, keys: int) -> tuple[PartSlots, PartSlots]:
        """History slots (B, n) and candidate slots (B, n + kn), or (B, 1 + k) where the last step is the only target.

        k: negatives per target.
        """
        step = np.arange(keys) - (keys - samples.length)[:, None]  # (B, n); below 0: padding
        real = step >= 0
        history = np.where(real, samples.start[:, None] + step, 0)
        rows = slot_rows(step, samples.length, self.settings)
        after = int(self.switches.candidate_position_training == "sound")  # released: the slot's own row
        if self.switches.targets == "all":
            target, target_step, target_rows = np.where(real, history + 1, 0), np.maximum(step, 0), rows + after
        else:
            target, target_step = (samples.start + samples.length)[:, None], np.zeros((len(step), 1), np.int64)
            real = np.ones_like(target, bool)
            target_rows = candidate_rows(samples.length, self.settings, after)[:, None]
        count = self.negatives_a_target
        first = samples.first_negative[:, None] + target_step * count
        negatives = [samples.negatives[first + number] for number in range(count)]
        items = np.where(np.tile(real, 1 + count), np.concatenate([self.data.items[target], *negatives], 1), 0)
        source, asked = context_sources(target, self.settings), time_sources(target, self.settings)
        of_targets = (source, target_rows, asked)  # a negative has its target's context, row and time
        candidates = PartSlots(items, *(np.tile(each, 1 + count) for each in of_targets))
        of_history = time_sources(history + 1, self.settings)
        return PartSlots(np.where(step < 0, 0, self.data.items[history]), history, rows, of_history), candidates

    def signs(self, parts: Sequence[Part]) -> np.ndarray:
        """The sign of every candidate slot of a batch (Tq,)."""
        return np.concatenate([self._sign(part.candidates.items).ravel() for part in parts])

    def _sign(self, items: np.ndarray) -> np.ndarray:
        """+1 for each user's positives, which come first, -1 for negatives, 0 for padding. items: (B, m)."""
        positives = items.shape[1] // (1 + self.negatives_a_target)
        return np.where(items == 0, 0, np.where(np.arange(items.shape[1]) < positives, 1, -1))


def no_users(count: int, keys: int, queries: int) -> Part:
    """Users that only fill up a batch: no history that anything sees, and candidates of sign 0."""
    slots = (PartSlots(*(np.zeros((count, slots), np.int64) for _ in range(4))) for slots in (keys, queries))
    return Part(np.zeros(count, np.int64), keys, *slots)


def all_slots(parts: Sequence[Part], name: str) -> np.ndarray:
    """One array of `PartSlots` of a whole batch: its T history slots and then its Tq candidate slots."""
    slots = [part.history for part in parts] + [part.candidates for part in parts]
    return np.concatenate([getattr(of_part, name).ravel() for of_part in slots])


def draw_unmet(
    users: np.ndarray, met: np.ndarray, n_items: int, catalogue: int, stream: np.random.Generator
) -> np.ndarray:
    """For each of `users` an item of 1 .. `catalogue` that is not among its `met_keys`, uniform and independent."""
    width = n_items + 1
    items = stream.integers(1, catalogue + 1, len(users))
    redraw = np.arange(len(users))
    while len(redraw):
        keys = users[redraw] * width + items[redraw]
        found = np.searchsorted(met, keys)
        redraw = redraw[met[np.minimum(found, len(met) - 1)] == keys]
        items[redraw] = stream.integers(1, catalogue + 1, len(redraw))
    return items


def context_sources(targets: np.ndarray, settings: ModelSettings) -> np.ndarray:
    """The interactions whose time a target's candidates carry; -1: none."""
    if settings.candidate_context == "none":
        return np.full_like(targets, -1)
    return targets - (settings.candidate_context == "last_interaction")


def time_sources(targets: np.ndarray, settings: ModelSettings) -> np.ndarray:
    """The interactions whose time a target's request has: its own, or where that is kept from the candidates the last.

    Also without context: the time of the last interaction is known.
    """
    return targets - (settings.candidate_context != "request_time")


def slot_times(parts: Sequence[Part], clock: Clock) -> tuple[np.ndarray, np.ndarray]:
    """Days of every slot of a batch and of the request that it answers: T history slots, then Tq candidates, each."""
    history = np.concatenate([part.history.interactions.ravel() for part in parts])
    asked = all_slots(parts, "asked")
    own = np.concatenate([history, asked[len(history) :]])
    return clock.days(own), clock.days(asked)


def context_at(data: Prepared, interactions: np.ndarray) -> np.ndarray:
    """Time features of interactions; zeros for -1. Returns (..., 6)."""
    context: np.ndarray = data.context[interactions]
    if (interactions < 0).any():
        context[interactions < 0] = 0
    return context


def met_keys(data: Prepared) -> np.ndarray:
    """Sorted keys user * (I + 1) + item of all training interactions."""
    interactions = ragged_arange(data.offsets[:-1], data.train_length.astype(np.int64))
    users = np.repeat(np.arange(data.n_users), data.train_length)
    return np.unique(users * (data.n_items + 1) + data.items[interactions])


def target_shares(data: Prepared) -> np.ndarray:
    """The share of each item among all training targets, (I + 1,)."""
    targets = ragged_arange(data.offsets[:-1] + 1, np.maximum(data.train_length.astype(np.int64) - 1, 0))
    count = np.bincount(data.items[targets], minlength=data.n_items + 1)
    shares: np.ndarray = count / count.sum()
    return shares


def slot_rows(step: np.ndarray, length: np.ndarray, settings: ModelSettings) -> np.ndarray:
    """Position row of history step 0 .. n - 1 of users with this many items.

    Right-aligned in L slots, or from the start.
    step: (B, n), below 0 for padding; length: (B,). Returns (B, n).
    """
    shift = settings.max_length - length[:, None] if settings.position_start == "end" else 0
    return np.maximum(step + shift, 0)


def candidate_rows(length: np.ndarray, settings: ModelSettings, after: int = 1) -> np.ndarray:
    """Row of a candidate after a history of this length: L, or min(n, L) if counted from the start.

    after: 0 where training had L rows (candidate_position_training: released): the last item's row.
    """
    rows = np.full_like(length, settings.max_length) if settings.position_start == "end" else length
    return rows - (1 - after)
