"""The equations of CARCA, written out: every slot padded, features dense, history and candidates encoded separately.

The first file to read. It is slow and plain on purpose, and nothing trains with it. It computes with the parameters of
a `Carca`, checks the packed model (`carca.py`) and gives the attention weights, which a fast engine does not keep
(`evaluate/diagnostics.py`).
Source: Rashed et al., RecSys 2022, sections 3 and 4; encodings as in arXiv 2405.10436.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.model.blocks import Block, CarcaBlock, LigrBlock, SasrecBlock
from posrec.model.blocks.layers import Attention, FeedForward, combine
from posrec.model.carca import Carca
from posrec.model.encodings import Pairs, Steps
from posrec.model.ops.plain import ACTIVATIONS


@dataclass(frozen=True)
class Slots:
    """Items in slots, 0 is padding: ids (B, L), context (B, L, 6), position rows (B, L).

    times, asked: (B, L) float64 days, of the item and of the request that it answers (`Steps`); equal in candidates.
    """

    ids: Tensor
    context: Tensor
    rows: Tensor
    times: Tensor
    asked: Tensor

    @property
    def steps(self) -> Steps:
        """Rows and times."""
        return Steps(self.rows, self.times, self.asked)

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
    times = model.encoding.given(slots.times.flatten())
    x = model.encoding.place(x.flatten(0, 1), slots.rows.flatten(), *times).view_as(x)
    return x * slots.real[..., None]


def attention_weights(
    block: Block, query_in: Tensor, memory: Tensor, history: Slots, model: Carca, n: int
) -> tuple[Tensor, Tensor]:
    """The attention weights of encoder block number n, positions included, and which slots they may fall on.

    query_in, memory: (B, L, D). Returns (B, H, L, L) and (B, L, L) bool.
    """
    encoding, attn = model.encoding, block.attention
    rows = history.rows.flatten()  # (B * L,)
    if model.switches.rope_axis == "released":  # head h of user b is rotated by h * B + b at every slot
        user = torch.arange(len(history.ids)).repeat_interleave(history.ids.shape[1])
        rows = user[:, None] + len(history.ids) * torch.arange(attn.heads)
    times = encoding.given(history.times.flatten())
    query, key = attn.project("query", query_in), attn.project("key", memory)
    query, key = (encoding.rotate(x.flatten(0, 1), rows, n, *times).view_as(x) for x in (query, key))  # (B, L, H, Dh)
    query, key = query.transpose(1, 2) / math.sqrt(query.shape[-1]), key.transpose(1, 2)  # (B, H, L, Dh)
    pairs = slot_pairs(history, model.causal, key)
    assert pairs.visible is not None
    mask = pairs.visible[:, 0]  # (B, L, L)
    weights = masked_softmax(encoding.score(query @ key.transpose(2, 3), query, pairs, n), mask)
    if not (model.switches.rmha_softmax == "released" and encoding.second_softmax):
        return weights, mask
    past = torch.ones_like(mask).tril() if model.causal else torch.ones_like(mask)
    exponent = weights.exp() * past[:, None]
    return exponent / exponent.sum(-1, keepdim=True), past


def slot_pairs(history: Slots, causal: bool, key: Tensor | None = None) -> Pairs:
    """Every two slots: their distance, rows, times, and whether the first sees the second. key: (B, H, L, Dh)."""
    slot, real = torch.arange(history.ids.shape[1]), history.real
    mask = real[:, :, None] & real[:, None, :]  # (B, L, L)
    visible = mask.tril() if causal else mask
    return Pairs(slot[None, :] - slot[:, None], history.steps, history.steps, key, visible[:, None])


def encoder_attention(block: Block, weights: Tensor, memory: Tensor, history: Slots, model: Carca, n: int) -> Tensor:
    """The attention of encoder block number n, positions included.

    weights: (B, H, L, L); memory: (B, L, D). Returns (B, L, D).
    """
    value = block.attention.project("value", memory).transpose(1, 2)  # (B, H, L, Dh)
    pairs = slot_pairs(history, model.causal)
    weights = model.encoding.reweigh(weights, pairs, n)
    y, shifted = weights @ value, model.encoding.values(weights, pairs, n)
    y = (y if shifted is None else y + shifted).transpose(1, 2).flatten(2)  # (B, L, D)
    return model.encoding.project(y.flatten(0, 1), n).view_as(y)


def decoder_attention(attn: Attention, candidates: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
    """softmax(mask(QK') / sqrt(Dh)) V of each head.

    candidates: (B, M, D); memory: (B, L, D); mask: (B, M, L). Returns (B, M, D).
    """
    query = attn.project("query", candidates).transpose(1, 2)  # (B, H, M, Dh)
    key, value = (attn.project(name, memory).transpose(1, 2) for name in ("key", "value"))
    weights = masked_softmax(query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]), mask)
    return (weights @ value).transpose(1, 2).flatten(2)


def positioned_decoder_attention(
    model: Carca, o: Tensor, x: Tensor, candidates: Slots, history: Slots, mask: Tensor
) -> Tensor:
    """The same with the encoding's rotation, scores, values and projection, user by user.

    o: (B, M, D) encoded candidates; x: (B, L, D) encoded history; mask: (B, M, L). Returns (B, M, D).
    """
    encoding, number, users = model.encoding, model.settings.blocks, []
    for user in range(len(o)):
        query, key, value = (model.decoder.project(n, z[user]) for n, z in (("query", o), ("key", x), ("value", x)))
        rows, candidate_rows = history.rows[user], candidates.rows[user]
        if model.switches.rope_axis == "released":  # the rotation index of a head is the same for queries and keys
            head = user + len(o) * torch.arange(model.settings.heads)
            origin = [encoding.given(torch.zeros(len(z), dtype=torch.float64)) for z in (query, key)]
            turned = zip((query, key), origin, strict=True)
            query, key = (encoding.rotate(z, head.expand(len(z), -1), number, *at) for z, at in turned)
        else:
            query = encoding.rotate(query, candidate_rows, number, *encoding.given(candidates.times[user]))
            key = encoding.rotate(key, rows, number, *encoding.given(history.times[user]))
        query, key, value = (z.transpose(0, 1)[None] for z in (query, key, value))  # (1, H, M or L, Dh)
        query = query / math.sqrt(query.shape[-1])
        asked, steps = (Steps(z.rows[[user]], z.times[[user]], z.asked[[user]]) for z in (candidates, history))
        pairs = Pairs(rows[None, :] - candidate_rows[:, None], asked, steps, key, mask[[user], None])
        scores = encoding.score(query @ key.transpose(2, 3), query, pairs, number)
        weights = encoding.reweigh(masked_softmax(scores, mask[[user]]), pairs, number)
        y, shifted = weights @ value, encoding.values(weights, pairs, number)
        y = (y if shifted is None else y + shifted)[0].transpose(0, 1).flatten(1)  # (M, D)
        users.append(encoding.project(y, number))
    return torch.stack(users)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the visible slots, 0 elsewhere. scores: (B, H, M, L); mask: (B, M, L)."""
    hidden = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
    return hidden.softmax(-1) * mask[:, None]


def encoder_block(
    block: Block, x: Tensor, slots: Slots, model: Carca, number: int, weights: Tensor | None = None
) -> Tensor:
    """One block, padding masked to 0. x: (B, L, D); weights: its attention's, where they are known already."""
    query, memory = block.inputs(x)
    if weights is None:
        weights, _ = attention_weights(block, query, memory, slots, model, number)
    y = encoder_attention(block, weights, memory, slots, model, number)  # (B, L, D)
    if isinstance(block, SasrecBlock):
        z = feed_forward(block.feed_forward, block.norm2(y + block.norm1(x)))
    elif isinstance(block, LigrBlock):
        z = ligr_block(block, x, y)
    else:
        assert isinstance(block, CarcaBlock)
        z = carca_block(block, x, y, model)
    return z * slots.real[..., None]


def carca_block(block: CarcaBlock, x: Tensor, y: Tensor, model: Carca) -> Tensor:
    """x: (B, L, D) the block's input; y: (B, L, D) its attention. Returns (B, L, D).

    Norm before: q = LN(x); s = LN(attention(q, x, x) * q); s * FF(s). After: s = LN(attention(x, x, x) * x);
    LN(s * FF(s)). Released "mul": the last product goes through FF once more.
    """
    kind, before = model.settings.residual, model.settings.norm_place == "before"
    s = combine(kind, y, block.norm1(x) if before else x)  # (B, L, D)
    s = block.norm2(s) if before else block.norm1(s)  # (B, L, D)
    s = combine(kind, feed_forward(block.feed_forward, s), s)  # (B, L, D)
    if kind == "mul" and model.switches.ff_residual == "released":
        s = feed_forward(block.feed_forward, s)
    return s if before else block.norm2(s)


def ligr_block(block: LigrBlock, x: Tensor, y: Tensor) -> Tensor:
    """x + sigmoid(G_1 x) * W_o y = s; s + sigmoid(G_2 s) * W_3 (silu(W_1 LN(s)) * W_2 LN(s)). (B, L, D) each."""
    s = x + torch.sigmoid(x @ block.gate1.T) * (y @ block.output_weight.T)
    normal, glu = block.norm2(s), block.feed_forward
    hidden = F.silu(normal @ glu.weight1.T) * (normal @ glu.weight2.T)  # (B, L, 4D)
    return s + torch.sigmoid(s @ block.gate2.T) * (hidden @ glu.weight3.T)


def feed_forward(layer: FeedForward, y: Tensor) -> Tensor:
    """y + W_2 act(W_1 y), with both products as 1x1 convolutions. y: (B, L, D)."""
    hidden = F.conv1d(y.transpose(1, 2), layer.weight1[..., None], layer.bias1)
    hidden = ACTIVATIONS[layer.activation](hidden)  # (B, D, L)
    return y + F.conv1d(hidden, layer.weight2[..., None], layer.bias2).transpose(1, 2)


def logits(
    model: Carca, history: Slots, candidates: Slots, visible: Tensor, attributes: Tensor, embedding: Tensor
) -> Tensor:
    """Logit of each candidate slot, without dropout. Returns (B, M).

    visible: (B, M, L) bool, the history slots that a candidate may see; attributes: (I + 1, A) dense; embedding:
    (I + 1, D), within the upper bound.
    """
    x = encode_items(model, history, attributes, embedding)  # (B, L, D)
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        x = encoder_block(block, x, history, model, number)
    x = model.last_norm(x) * history.real[..., None]  # (B, L, D)
    o = encode_items(model, candidates, attributes, embedding)  # (B, M, D)
    if model.settings.head == "dot":
        last = visible.long().mul(torch.arange(1, visible.shape[2] + 1)).argmax(-1)  # (B, M)
        product = (x.gather(1, last[..., None].expand(-1, -1, x.shape[2])) * o).sum(-1)  # (B, M)
        if model.switches.dot_head == "sound":
            return product
        return torch.sigmoid(model.dot_weight * torch.sigmoid(product) + model.dot_bias)
    mask = visible & candidates.real[:, :, None]  # (B, M, L)
    if model.decoder_positions:
        y = positioned_decoder_attention(model, o, x, candidates, history, mask)
    else:
        y = decoder_attention(model.decoder, o, x, mask)
    return (combine(model.settings.decoder_residual, y, o) * model.output_weight).sum(-1) + model.output_bias
