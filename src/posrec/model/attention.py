"""Multi-head attention over packed tokens: users of nearly equal length are computed together.

Tokens of a batch lie one after another, T in all, users sorted by length; a `Layout` says how many users have which
length. Linear layers work on (T, D); only the attention itself looks at users, as views of the packed tensors. In
training lengths are rounded up a little (`batches.LENGTH_CLASSES`), since many tiny groups cost more than a few masked
slots.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from posrec.model.encodings.interface import Encoding, Pairs, keys_first, slot_distance


@dataclass(frozen=True)
class Group:
    """Users with (nearly) equal histories.

    There are `users` of them with `keys` history slots and `queries` candidate slots each.
    encoder_bias, decoder_bias: added to the scores of history with history and of candidates with history, broadcast to
    (B, 1, n, n) and (B, 1, m, n); None where every query sees every key. real: (B, n) bool, the slots that hold an
    item; causal: whether a step sees the steps before it only.
    """

    users: int
    keys: int
    queries: int
    encoder_bias: Tensor | None = None
    decoder_bias: Tensor | None = None
    real: Tensor | None = None
    causal: bool = False

    def to(self, device: torch.device) -> "Group":
        """The same group with its tensors on a device."""
        encoder, decoder, real = (
            None if one is None else one.to(device) for one in (self.encoder_bias, self.decoder_bias, self.real)
        )
        return replace(self, encoder_bias=encoder, decoder_bias=decoder, real=real)


@dataclass(frozen=True)
class Relative:
    """What an attention needs of the encoding: which block it is, and the history's times (T,) if any.

    second_softmax: the released code's, over all slots (switch rmha_softmax); distances: those of the decoder, one
    (m, n) a group; None in the encoder, where queries and keys are the same slots.
    """

    encoding: Encoding
    block: int
    times: Tensor | None = None
    second_softmax: bool = False
    distances: Sequence[Tensor] | None = None


Layout = Sequence[Group]
# how histories lie in training batches: rounded up to a length class, all padded to L, or as long as they are
Packing = Literal["classes", "padded", "exact"]


def make_group(lengths: np.ndarray, keys: int, queries: int, causal: bool) -> Group:
    """A group of users whose histories of these lengths end in the last of `keys` slots.

    Under a causal mask candidate slot i stands at step i mod n: a user's positives and then its negatives.
    """
    encoder, decoder = (_bias(lengths, keys, count, causal) for count in (keys, queries))
    real = torch.from_numpy(np.arange(keys) >= keys - lengths[:, None])
    return Group(len(lengths), keys, queries, encoder, decoder, real, causal)


def exact_group(users: int, keys: int, queries: int, causal: bool) -> Group:
    """A group of users who all have `keys` items."""
    encoder, decoder = (_exact_bias(keys, count, causal) for count in (keys, queries))
    return Group(users, keys, queries, encoder, decoder, None, causal)


@lru_cache(maxsize=1000)
def _exact_bias(keys: int, queries: int, causal: bool) -> Tensor | None:
    return _bias(np.array([keys]), keys, queries, causal)


def real_slots(layout: Layout) -> Tensor:
    """Which history slots hold an item: (T, 1) bool."""
    slots = [torch.ones(g.users, g.keys, dtype=torch.bool) if g.real is None else g.real for g in layout]
    return torch.cat([part.flatten() for part in slots])[:, None]


def batch_axis(layout: Layout, heads: int) -> Tensor:
    """The released code's rotation index of every history slot: head h of user b has h * B + b. Returns (T, H)."""
    users = sum(group.users for group in layout)
    slots = torch.tensor([group.keys for group in layout for _ in range(group.users)])
    user = torch.arange(users).repeat_interleave(slots)  # (T,)
    return user[:, None] + users * torch.arange(heads)


def decoder_distances(layout: Layout, rows: Tensor, candidate_rows: Tensor) -> list[Tensor]:
    """How far each history slot lies from each candidate of its user, (m, n) int64 a group, the same for all its users.

    rows: (T,); candidate_rows: (Tq,). Read off the last user: it has the longest history, so that no row of a slot that
    another user fills is clipped at 0.
    """
    keys = rows.split([group.users * group.keys for group in layout])
    queries = candidate_rows.split([group.users * group.queries for group in layout])
    parts = zip(layout, keys, queries, strict=True)
    return [key[-group.keys :] - query[-group.queries :, None] for group, key, query in parts]


def _bias(lengths: np.ndarray, keys: int, queries: int, causal: bool) -> Tensor | None:
    hidden = np.zeros((1, 1, 1, 1), bool)
    if causal:
        hidden = np.arange(keys) > np.arange(queries)[:, None] % keys  # (m, n)
    if lengths.min() < keys:
        hidden = hidden | (np.arange(keys) < keys - lengths[:, None])[:, None, None]  # (B, 1, m, n)
    # a large negative number and not -inf: a padded query sees nothing, and softmax of -inf alone is NaN
    return torch.from_numpy(np.where(hidden, np.float32(-1e30), np.float32(0))) if hidden.any() else None


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    drop: Callable[[Tensor], Tensor],
    relative: Relative | None = None,
) -> Tensor:
    """Attention of each user's queries to its own keys.

    query: (Tq, H, Dh); key, value: (T, H, Dh); drop: dropout of the weights; relative: the encoding whose scores and
    values are added. In the encoder the queries are the history itself; without `relative`, or with its distances, they
    are the candidates.
    Returns (Tq, D).
    """
    query = query / math.sqrt(query.shape[2])
    distances = None if relative is None else relative.distances
    in_decoder = relative is None or distances is not None
    queries = [group.queries if in_decoder else group.keys for group in layout]
    key_sizes = [group.users * group.keys for group in layout]
    query_sizes = [group.users * count for group, count in zip(layout, queries, strict=True)]
    parts = zip(query.split(query_sizes), key.split(key_sizes), value.split(key_sizes), strict=True)
    times = [None] * len(layout) if relative is None or relative.times is None else relative.times.split(key_sizes)
    apart: Sequence[Tensor | None] = distances or [None] * len(layout)
    outputs = []
    for group, count, (q, k, v), at, distance in zip(layout, queries, parts, times, apart, strict=True):
        q = q.view(group.users, count, *q.shape[1:]).transpose(1, 2)  # (B, H, m, Dh)
        k = k.view(group.users, group.keys, *k.shape[1:]).transpose(1, 2)  # (B, H, n, Dh)
        v = v.view(group.users, group.keys, *v.shape[1:]).transpose(1, 2)  # (B, H, n, Dh)
        if relative is None:
            y = _attend_group(q, k, v, group.decoder_bias, drop)  # (B, H, m, Dh)
        else:
            distance = slot_distance(count, group.keys, q.device) if distance is None else distance
            pairs = Pairs(distance, None if at is None else at.view(group.users, -1))
            y = _attend_relative(q, k, v, group, drop, relative, pairs)
        outputs.append(y.transpose(1, 2).reshape(group.users * count, -1))  # (B * m, D)
    return torch.cat(outputs)


def _attend_group(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, drop: Callable[[Tensor], Tensor]) -> Tensor:
    weights = _weights(q @ k.transpose(2, 3), bias)  # (B, H, m, n)
    return drop(weights) @ v


def _attend_relative(
    q: Tensor, k: Tensor, v: Tensor, group: Group, drop: Callable[[Tensor], Tensor], relative: Relative, pairs: Pairs
) -> Tensor:
    encoding, block = relative.encoding, relative.block
    scores = q @ k.transpose(2, 3) if relative.distances is None else keys_first(q, k)  # (B, H, m, n)
    added = encoding.scores(q, pairs, block)
    bias = group.encoder_bias if relative.distances is None else group.decoder_bias
    weights = _weights(scores if added is None else scores + added, bias)
    if relative.second_softmax:
        weights = second_softmax(weights, group.causal)
    weights = drop(weights)
    y = weights @ v  # (B, H, n, Dh)
    shifted = encoding.values(weights, pairs, block)
    return y if shifted is None else y + shifted


def _weights(scores: Tensor, bias: Tensor | None) -> Tensor:
    return (scores if bias is None else scores + bias.to(scores.dtype)).softmax(3)


def second_softmax(weights: Tensor, causal: bool) -> Tensor:
    """The released code's second softmax, over all slots, padding included. weights: (B, H, n, n), a softmax's.

    A weight in 0 .. 1 becomes one within a factor e of uniform. Where there is a causal mask, later steps stay hidden:
    the released code has none, and the switch is not meant to show the future.
    """
    later = torch.full(weights.shape[2:], causal, device=weights.device).triu(1)
    return weights.masked_fill(later, -torch.inf).softmax(3)
