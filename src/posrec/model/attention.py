"""Multi-head attention over packed tokens: users of nearly equal length are computed together.

Tokens of a batch follow one another, T in all, users sorted by length; a `Layout` says how many users have which
length. Linear layers work on (T, D); only the attention itself looks at users, as views of the packed tensors. In
training lengths are rounded up a little (`batches.LENGTH_CLASSES`), since many tiny groups cost more than a few masked
slots.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from posrec.model.encodings.interface import Encoding, Pairs, Steps
from posrec.model.encodings.tensors import keys_first, slot_distance
from posrec.model.quirks import second_softmax


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
    """What an attention needs of the encoding: which block it is, and the history's steps, (T,) each.

    second_softmax: the released code's, over all slots (switch rmha_softmax); distances, candidates: those of the
    decoder, one (m, n) per group, and its queries' steps, (Tq,) each; None in the encoder, where queries and keys are
    the same slots.
    """

    encoding: Encoding
    block: int
    steps: Steps | None = None
    second_softmax: bool = False
    distances: Sequence[Tensor] | None = None
    candidates: Steps | None = None


Layout = Sequence[Group]
# how histories are placed in training batches: rounded up to a length class, all padded to L, or as long as they are
Packing = Literal["classes", "padded", "exact"]


def make_group(lengths: np.ndarray, keys: int, queries: int, causal: bool) -> Group:
    """A group of users whose histories of these lengths end in the last of `keys` slots.

    Under a causal mask candidate slot i is at step i mod n: a user's positives and then its negatives.
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


def decoder_distances(layout: Layout, rows: Tensor, candidate_rows: Tensor) -> list[Tensor]:
    """How far each history slot is from each candidate of its user, (m, n) int64 per group, the same for all its users.

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
    in_decoder = relative is None or relative.distances is not None
    queries = [group.queries if in_decoder else group.keys for group in layout]
    key_sizes = [group.users * group.keys for group in layout]
    query_sizes = [group.users * count for group, count in zip(layout, queries, strict=True)]
    parts = zip(query.split(query_sizes), key.split(key_sizes), value.split(key_sizes), strict=True)
    pairs = [None] * len(layout) if relative is None else group_pairs(layout, queries, relative, query.device)
    outputs = []
    for group, count, (q, k, v), of_group in zip(layout, queries, parts, pairs, strict=True):
        q = q.view(group.users, count, *q.shape[1:]).transpose(1, 2)  # (B, H, m, Dh)
        k = k.view(group.users, group.keys, *k.shape[1:]).transpose(1, 2)  # (B, H, n, Dh)
        v = v.view(group.users, group.keys, *v.shape[1:]).transpose(1, 2)  # (B, H, n, Dh)
        if relative is None or of_group is None:
            y = _attend_group(q, k, v, group.decoder_bias, drop)  # (B, H, m, Dh)
        else:
            y = _attend_relative(q, k, v, group, drop, relative, replace(of_group, vectors=k))
        outputs.append(y.transpose(1, 2).reshape(group.users * count, -1))  # (B * m, D)
    return torch.cat(outputs)


def group_pairs(layout: Layout, queries: Sequence[int], relative: Relative, device: torch.device) -> list[Pairs]:
    """The pairs of each group, without the keys' vectors; nothing but distances where the encoding acts on no pair."""
    in_decoder = relative.distances is not None
    distances = relative.distances or [slot_distance(count, count, device) for count in queries]
    if not relative.encoding.acts_on_pairs():
        return [Pairs(distance) for distance in distances]
    keys = _split_steps(relative.steps, layout, [group.keys for group in layout])
    of_queries = _split_steps(relative.candidates, layout, queries) if in_decoder else keys
    biases = [group.decoder_bias if in_decoder else group.encoder_bias for group in layout]
    visible = [None if bias is None else bias == 0 for bias in biases]
    parts = zip(distances, of_queries, keys, visible, strict=True)
    return [Pairs(distance, query, key, None, seen) for distance, query, key, seen in parts]


def _split_steps(steps: Steps | None, layout: Layout, counts: Sequence[int]) -> Sequence[Steps | None]:
    """Steps of users one after another, (T,) each, by group: (B, n) each."""
    if steps is None:
        return [None] * len(layout)
    ends = np.cumsum([0, *(group.users * count for group, count in zip(layout, counts, strict=True))])

    def of_group(number: int, x: Tensor) -> Tensor:
        return x[ends[number] : ends[number + 1]].view(layout[number].users, -1)

    return [steps.map(partial(of_group, number)) for number in range(len(layout))]


def _attend_group(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, drop: Callable[[Tensor], Tensor]) -> Tensor:
    weights = _weights(q @ k.transpose(2, 3), bias)  # (B, H, m, n)
    return drop(weights) @ v


def _attend_relative(
    q: Tensor, k: Tensor, v: Tensor, group: Group, drop: Callable[[Tensor], Tensor], relative: Relative, pairs: Pairs
) -> Tensor:
    encoding, block = relative.encoding, relative.block
    products = q @ k.transpose(2, 3) if relative.distances is None else keys_first(q, k)  # (B, H, m, n)
    bias = group.encoder_bias if relative.distances is None else group.decoder_bias
    weights = _weights(encoding.score(products, q, pairs, block), bias)
    if relative.second_softmax:
        weights = second_softmax(weights, group.causal)
    weights = drop(encoding.reweigh(weights, pairs, block))
    y = weights @ v  # (B, H, n, Dh)
    shifted = encoding.values(weights, pairs, block)
    return y if shifted is None else y + shifted


def _weights(scores: Tensor, bias: Tensor | None) -> Tensor:
    return (scores if bias is None else scores + bias.to(scores.dtype)).softmax(3)
