"""The batches of several seeds in one layout, so that all are computed at once on a leading axis S.

Each seed has its own order and negatives, so its batch has other lengths, items and attributes. Every length class gets
as many users as it has in any of the batches, every batch as many distinct items and attributes. The
padding has no effect: padding users have no visible history, and their candidates have sign 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.data.prepare.prepared import Prepared
from posrec.model.attention import Group
from posrec.model.batches import Batch, Part, PartSlots, Sampler, all_slots, context_at, no_users, slot_times
from posrec.model.inputs import Clock, Items, Tokens, distinct_items
from posrec.model.ops.log_sums import HIDDEN
from posrec.model.shared import Shared


@dataclass(frozen=True)
class GroupSize:
    """Users of a length class, with their history and candidate slots each."""

    users: int
    keys: int
    queries: int


@dataclass(frozen=True)
class StackedBatch:
    """The batches of S seeds: the sizes that they share, and their tensors by name, (S, ...) each.

    ids, attribute_ids, attribute_rows, features: of `Items`; index, context, rows, times, asked: of `Tokens`;
    sign: (S, Tq); length: (S, B) of every user's history, 0 where a user only fills the batch up; shared_index,
    shared_correction: (S, K), of `Shared`, where the loss has shared negatives.
    """

    sizes: list[GroupSize]
    tensors: dict[str, Tensor]

    def to(self, device: torch.device) -> "StackedBatch":
        """The same batches on a device."""
        return StackedBatch(self.sizes, {name: tensor.to(device) for name, tensor in self.tensors.items()})

    def of_one(self, tensors: dict[str, Tensor], causal: bool) -> Batch:
        """The batch of one seed from its tensors, without their leading axis: what `torch.vmap` maps over."""
        items = Items(tensors["ids"], tensors["attribute_ids"], None, tensors["features"], tensors["attribute_rows"])
        lengths = tensors["length"].split([size.users for size in self.sizes])
        layout = [hiding_group(length, size, causal) for length, size in zip(lengths, self.sizes, strict=True)]
        tokens = Tokens(*(tensors[name] for name in ("index", "context", "rows", "times", "asked")))
        shared = Shared(tensors["shared_index"], tensors["shared_correction"]) if "shared_index" in tensors else None
        return Batch(items, tokens, layout, tensors["sign"], shared)


def stack_batches(samplers: Sequence[Sampler], batches: Sequence[Sequence[Part]]) -> StackedBatch:
    """One batch of each seed, in one layout. All seeds have the same data and settings."""
    sizes = common_sizes(batches)
    filled = [fill_up(parts, sizes) for parts in batches]
    drawn = [sampler.shared_negatives(parts) for sampler, parts in zip(samplers, batches, strict=True)]
    slots = [all_slots(parts, "items") for parts in filled]
    named = [np.concatenate([items, negatives]) for items, (negatives, _) in zip(slots, drawn, strict=True)]
    found = [np.unique(items, return_inverse=True) for items in named]
    most = 1 + max(len(distinct) for distinct, _ in found)  # the last is no slot's: attributes that fill up are its
    data = samplers[0].data
    ids = [np.pad(distinct, (0, most - len(distinct))) for distinct, _ in found]
    tensors = {
        **_items(data, ids),
        "index": _stack([index[: len(items)] for items, (_, index) in zip(slots, found, strict=True)]),
        **_shared(slots, found, drawn),
        **_tokens(data, filled),
        **_times(samplers[0].clock, filled),
        "sign": _stack([sampler.signs(parts) for sampler, parts in zip(samplers, filled, strict=True)]),
        "length": _stack([np.concatenate([part.length for part in parts]).astype(np.int64) for parts in filled]),
    }
    return StackedBatch(sizes, tensors)


def _shared(slots: Sequence[np.ndarray], found: Sequence[Any], drawn: Sequence[Any]) -> dict[str, Tensor]:
    """Shared negatives of each seed, filled up by some with no weight; nothing where targets have their own."""
    most = max(len(items) for items, _ in drawn)
    if not most:
        return {}
    indices = [index[len(items) :] for items, (_, index) in zip(slots, found, strict=True)]
    return {
        "shared_index": _stack([np.pad(index, (0, most - len(index))) for index in indices]),
        "shared_correction": _stack([np.pad(one, (0, most - len(one)), constant_values=HIDDEN) for _, one in drawn]),
    }


def common_sizes(batches: Sequence[Sequence[Part]]) -> list[GroupSize]:
    """Every length class of any batch, with the most users and the candidate slots that it has in one."""
    users: dict[int, int] = {}
    queries: dict[int, int] = {}
    for part in (part for parts in batches for part in parts):
        users[part.keys] = max(users.get(part.keys, 0), len(part.length))
        queries[part.keys] = part.candidates.items.shape[1]
    return [GroupSize(users[keys], keys, queries[keys]) for keys in sorted(users)]


def fill_up(parts: Sequence[Part], sizes: Sequence[GroupSize]) -> list[Part]:
    """The batch with as many users in every class; those that fill it up come first, with length 0 and item 0.

    The last user of a class stays the one with the longest history, which `decoder_distances` reads.
    """
    known = {part.keys: part for part in parts}
    filled = []
    for size in sizes:
        part = known.get(size.keys)
        missing = size.users - (0 if part is None else len(part.length))
        empty = no_users(missing, size.keys, size.queries)
        filled.append(empty if part is None else _joined(empty, part))
    return filled


def _joined(first: Part, second: Part) -> Part:
    slots = [
        PartSlots(*(np.concatenate(pair) for pair in zip(vars(one).values(), vars(other).values(), strict=True)))
        for one, other in ((first.history, second.history), (first.candidates, second.candidates))
    ]
    return Part(np.concatenate([first.length, second.length]), second.keys, *slots)


def _items(data: Prepared, ids: Sequence[np.ndarray]) -> dict[str, Tensor]:
    """Each seed's items (M,), their attributes filled up by some of the last item, and their dense features."""
    items = [distinct_items(data, of_seed) for of_seed in ids]
    longest = max(len(of_seed.attribute_ids) for of_seed in items)
    sizes = [data.attribute_offsets[of_seed + 1] - data.attribute_offsets[of_seed] for of_seed in ids]
    rows = [np.repeat(np.arange(len(count)), count) for count in sizes]
    last = len(ids[0]) - 1
    return {
        "ids": torch.stack([of_seed.ids for of_seed in items]),
        "features": torch.stack([of_seed.features for of_seed in items]),
        "attribute_ids": torch.stack(
            [F.pad(one.attribute_ids, (0, longest - len(one.attribute_ids))) for one in items]
        ),
        "attribute_rows": _stack([np.pad(one, (0, longest - len(one)), constant_values=last) for one in rows]),
    }


def _tokens(data: Prepared, batches: Sequence[Sequence[Part]]) -> dict[str, Tensor]:
    interactions = [all_slots(parts, "interactions") for parts in batches]
    return {
        "context": _stack([context_at(data, of_seed) for of_seed in interactions]),
        "rows": _stack([all_slots(parts, "rows") for parts in batches]),
    }


def _times(clock: Clock, batches: Sequence[Sequence[Part]]) -> dict[str, Tensor]:
    times = [slot_times(parts, clock) for parts in batches]
    return {name: _stack(of_seeds) for name, of_seeds in zip(("times", "asked"), zip(*times, strict=True), strict=True)}


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def hiding_group(length: Tensor, size: GroupSize, causal: bool) -> Group:
    """As `attention.make_group`, from lengths on the device, and with a bias also where it hides nothing."""
    slot = torch.arange(size.keys, device=length.device)
    padding = (slot < size.keys - length[:, None])[:, None, None]  # (B, 1, 1, n)

    def bias(queries: int) -> Tensor:
        step = torch.arange(queries, device=length.device)[:, None] % size.keys
        hidden = padding | (slot > step) if causal else padding  # (B, 1, m, n) or (B, 1, 1, n)
        return hidden.to(torch.float32) * -1e30

    real = slot >= size.keys - length[:, None]  # (B, n)
    return Group(size.users, size.keys, size.queries, bias(size.keys), bias(size.queries), real, causal)
