"""Multi-head attention over packed tokens: users of nearly equal length are computed together.

Tokens of a batch lie one after another, T in all, users sorted by length; a `Layout` says how many users have which
length. Linear layers work on (T, D); only the attention itself looks at users, as views of the packed tensors. In
training lengths are rounded up a little (`batches.LENGTH_CLASSES`), since many tiny groups cost more than a few masked
slots.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, leaky_relu, linear

from posrec.model.encodings import Encoding


@dataclass(frozen=True)
class Group:
    """Users with (nearly) equal histories.

    There are `users` of them with `keys` history slots and `queries` candidate slots each.
    encoder_bias, decoder_bias: added to the scores of history with history and of candidates with history, broadcast to
    (B, 1, n, n) and (B, 1, m, n); None where every query sees every key.
    """

    users: int
    keys: int
    queries: int
    encoder_bias: Tensor | None = None
    decoder_bias: Tensor | None = None


Layout = Sequence[Group]


def make_group(lengths: np.ndarray, keys: int, queries: int, causal: bool) -> Group:
    """A group of users whose histories of these lengths end in the last of `keys` slots.

    Under a causal mask candidate slot i stands at step i mod n: a user's positives and then its negatives.
    """
    encoder, decoder = (_bias(lengths, keys, count, causal) for count in (keys, queries))
    return Group(len(lengths), keys, queries, encoder, decoder)


def _bias(lengths: np.ndarray, keys: int, queries: int, causal: bool) -> Tensor | None:
    hidden = np.zeros((1, 1, 1, 1), bool)
    if causal:
        hidden = np.arange(keys) > np.arange(queries)[:, None] % keys  # (m, n)
    if lengths.min() < keys:
        hidden = hidden | (np.arange(keys) < keys - lengths[:, None])[:, None, None]  # (B, 1, m, n)
    # a large negative number and not -inf: a padded query sees nothing, and softmax of -inf alone is NaN
    return torch.from_numpy(np.where(hidden, np.float32(-1e30), np.float32(0))) if hidden.any() else None


class Attention(nn.Module):
    """Query, key and value through a linear layer and LeakyReLU(0.2); softmax(QK' / sqrt(Dh)) V.

    No output projection.
    """

    query_weight: nn.Parameter
    query_bias: nn.Parameter
    key_weight: nn.Parameter
    key_bias: nn.Parameter
    value_weight: nn.Parameter
    value_bias: nn.Parameter

    def __init__(self, dimension: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        bound = math.sqrt(3 / dimension)  # Xavier uniform
        for name in ("query", "key", "value"):
            weight = (torch.rand(dimension, dimension, generator=generator) * 2 - 1) * bound
            self.register_parameter(f"{name}_weight", nn.Parameter(weight))
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.zeros(dimension)))

    def project(self, name: str, x: Tensor) -> Tensor:
        """x: (T, D). Returns the query, key or value of each head: (T, H, Dh)."""
        y = linear(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"))
        return leaky_relu(y, 0.2).unflatten(-1, (self.heads, -1))


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    dropout_rate: float,
    relative: tuple[Encoding, int] | None = None,
) -> Tensor:
    """Attention of each user's queries to its own keys.

    query: (Tq, H, Dh); key, value: (T, H, Dh); relative: the encoding and the encoder block whose scores and values are
    added, given in the encoder, where the queries are the history itself; without it the queries are the candidates.
    Returns (Tq, D).
    """
    queries = [group.queries if relative is None else group.keys for group in layout]
    key_sizes = [group.users * group.keys for group in layout]
    query_sizes = [group.users * count for group, count in zip(layout, queries, strict=True)]
    parts = zip(query.split(query_sizes), key.split(key_sizes), value.split(key_sizes), strict=True)
    outputs = []
    for group, count, (q, k, v) in zip(layout, queries, parts, strict=True):
        q = q.view(group.users, count, *q.shape[1:]).transpose(1, 2)  # (B, H, m, Dh)
        k = k.view(group.users, group.keys, *k.shape[1:]).transpose(1, 2)  # (B, H, n, Dh)
        v = v.view(group.users, group.keys, *v.shape[1:]).transpose(1, 2)  # (B, H, n, Dh)
        bias = group.decoder_bias if relative is None else group.encoder_bias
        y = _attend_group(q, k, v, bias, dropout_rate, relative)  # (B, H, m, Dh)
        outputs.append(y.transpose(1, 2).reshape(group.users * count, -1))  # (B * m, D)
    return torch.cat(outputs)


def _attend_group(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, dropout_rate: float, relative: tuple[Encoding, int] | None
) -> Tensor:
    q = q / math.sqrt(q.shape[3])
    scores = q @ k.transpose(2, 3)  # (B, H, m, n)
    added = relative[0].scores(q, relative[1]) if relative else None
    if added is not None:
        scores = scores + added
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    weights = scores.softmax(3)
    if dropout_rate:
        weights = dropout(weights, dropout_rate)
    y = weights @ v  # (B, H, m, Dh)
    shifted = relative[0].values(weights, relative[1]) if relative else None
    return y if shifted is None else y + shifted
