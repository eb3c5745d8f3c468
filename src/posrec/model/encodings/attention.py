"""Attention with any encoding in a model of your own: padded sequences (B, L), nothing of posrec's model beside it."""

import math

import torch
from torch import Tensor

from posrec.model.encodings.interface import Encoding, Pairs, Steps


def add_positions(encoding: Encoding, x: Tensor, times: Tensor | None = None) -> Tensor:
    """What an encoding adds to, or concatenates with, the items of B sequences. x: (B, L, D). Returns (B, L, D).

    times: (B, L) float64 days, for encodings that read them. Step t has position row t: pad sequences on the left.
    """
    rows = torch.arange(x.shape[1], device=x.device).repeat(len(x))  # (B * L,)
    return encoding.place(x.flatten(0, 1), rows, *encoding.given(_flat(times))).view_as(x)


def attend(
    encoding: Encoding,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    visible: Tensor,
    block: int = 0,
    times: Tensor | None = None,
    asked: Tensor | None = None,
) -> Tensor:
    """Self-attention of B sequences with an encoding, whatever it acts on: queries, keys, scores, weights, values.

    query, key, value: (B, L, H, Dh), before any rotation; visible: (B, L, L) bool, whether step i may see step j (a row
    without any gives the mean of all steps' values: leave those steps out of the loss); block: number of the attention
    in the model, below the shape's `blocks`; times, asked: (B, L) float64 days, see `Steps`. Returns (B, L, D).
    """
    users, length, _, width = query.shape
    place = torch.arange(length, device=query.device)
    rows = place.repeat(users)  # (B * L,)
    given = encoding.given(_flat(times))
    query, key = (encoding.rotate(x.flatten(0, 1), rows, block, *given).view_as(x) for x in (query, key))
    query, key, value = (x.transpose(1, 2) for x in (query / math.sqrt(width), key, value))  # (B, H, L, Dh)
    steps = Steps(place.expand(users, -1), times, asked)
    pairs = Pairs(place[None, :] - place[:, None], steps, steps, key, visible[:, None])
    scores = encoding.score(query @ key.transpose(2, 3), query, pairs, block)  # (B, H, L, L)
    hidden = scores.masked_fill(~visible[:, None], torch.finfo(scores.dtype).min)
    weights = encoding.reweigh(hidden.softmax(-1), pairs, block)
    y, shifted = weights @ value, encoding.values(weights, pairs, block)
    y = (y if shifted is None else y + shifted).transpose(1, 2).flatten(2)  # (B, L, D)
    return encoding.project(y.flatten(0, 1), block).view_as(y)


def _flat(times: Tensor | None) -> Tensor | None:
    return None if times is None else times.flatten()
