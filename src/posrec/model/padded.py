"""CARCA as its equations read: every slot padded, features dense, history and candidates encoded apart.

Slow and plain on purpose. It computes with the parameters of a `Carca` and checks the packed engine; nothing trains
with it.
Source: Rashed et al., RecSys 2022, sections 3 and 4; encodings as in arXiv 2405.10436.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.model.attention import Attention
from posrec.model.carca import ACTIVATIONS, Block, Carca, FeedForward, combine


@dataclass(frozen=True)
class Slots:
    """Items in slots, 0 is padding: ids (B, L), context (B, L, 6), position rows (B, L)."""

    ids: Tensor
    context: Tensor
    rows: Tensor

    @property
    def real(self) -> Tensor:
        """(B, L) bool: the slot holds an item."""
        return self.ids > 0


def encode_items(model: Carca, slots: Slots, attributes: Tensor, embedding: Tensor) -> Tensor:
    """x = W_c [e ; W_f [context ; attributes] + b_f] + b_c, then the position, then the mask. Returns (B, L, D).

    attributes: (I + 1, A) dense multi-hot; embedding: (I + 1, D).
    """
    context = slots.context if model.settings.context else torch.zeros_like(slots.context)
    features = torch.cat([context, attributes[slots.ids]], dim=-1)  # (B, L, 6 + A)
    features = F.linear(features, model.feature_weight, model.feature_bias)  # (B, L, 5D)
    item = embedding[slots.ids] * math.sqrt(model.settings.dimension)  # (B, L, D)
    x = F.linear(torch.cat([item, features], dim=-1), model.item_weight, model.item_bias)
    x = model.encoding.encode(x.flatten(0, 1), slots.rows.flatten()).view_as(x)
    return x * slots.real[..., None]


def attention(
    attn: Attention, query_in: Tensor, memory: Tensor, mask: Tensor, model: Carca, rows: Tensor | None, block: int
) -> Tensor:
    """softmax(mask(QK') / sqrt(Dh)) V of each head.

    query_in: (B, M, D); memory: (B, L, D); mask: (B, M, L). Returns (B, M, D).
    """
    query = attn.project("query", query_in)  # (B, M, H, Dh)
    key, value = (attn.project(name, memory) for name in ("key", "value"))
    if rows is not None:
        query = model.encoding.rotate(query.flatten(0, 1), rows.flatten()).view_as(query)
        key = model.encoding.rotate(key.flatten(0, 1), rows.flatten()).view_as(key)
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))  # (B, H, ., Dh)
    scores = query @ key.transpose(2, 3)  # (B, H, M, L)
    added = model.encoding.scores(query, block) if rows is not None else None
    scores = (scores if added is None else scores + added) / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1) * mask[:, None]
    y = weights @ value  # (B, H, M, Dh)
    shifted = model.encoding.values(weights, block) if rows is not None else None
    y = (y if shifted is None else y + shifted).transpose(1, 2).flatten(2)  # (B, M, D)
    return y if rows is None else model.encoding.project(y.flatten(0, 1), block).view_as(y)


def encoder_block(block: Block, x: Tensor, slots: Slots, mask: Tensor, model: Carca, number: int) -> Tensor:
    """q = LN(x); s = LN(attention(q, x, x) * q); s * FF(s), padding masked to 0. x: (B, L, D)."""
    q = block.norm1(x)
    s = block.norm2(
        combine(model.settings.residual, attention(block.attention, q, x, mask, model, slots.rows, number), q)
    )
    s = combine(model.settings.residual, feed_forward(block.feed_forward, s), s)
    return s * slots.real[..., None]


def feed_forward(layer: FeedForward, y: Tensor) -> Tensor:
    """y + W_2 act(W_1 y), with both products as 1x1 convolutions. y: (B, L, D)."""
    hidden = F.conv1d(y.transpose(1, 2), layer.weight1[..., None], layer.bias1)
    hidden = ACTIVATIONS[layer.settings.activation](hidden)
    return y + F.conv1d(hidden, layer.weight2[..., None], layer.bias2).transpose(1, 2)


def logits(
    model: Carca, history: Slots, candidates: Slots, visible: Tensor, attributes: Tensor, embedding: Tensor
) -> Tensor:
    """Logit of each candidate slot, without dropout. Returns (B, M).

    visible: (B, M, L) bool, the history slots that a candidate may see; attributes: (I + 1, A) dense; embedding:
    (I + 1, D), within the upper bound.
    """
    x = encode_items(model, history, attributes, embedding)
    pair = history.real[:, :, None] & history.real[:, None, :]  # (B, L, L)
    mask = pair & torch.ones_like(pair).tril() if model.causal else pair
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        x = encoder_block(block, x, history, mask, model, number)
    x = model.last_norm(x) * history.real[..., None]
    o = encode_items(model, candidates, attributes, embedding)  # (B, M, D)
    if model.settings.head == "dot":
        last = visible.long().mul(torch.arange(1, visible.shape[2] + 1)).argmax(-1)  # (B, M)
        return (x.gather(1, last[..., None].expand(-1, -1, x.shape[2])) * o).sum(-1)
    y = attention(model.decoder, o, x, visible & candidates.real[:, :, None], model, None, 0)
    return (combine(model.settings.decoder_residual, y, o) * model.output_weight).sum(-1) + model.output_bias
