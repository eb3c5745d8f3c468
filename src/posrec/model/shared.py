"""Negatives that all targets of a batch share, and their logits: the softmax losses.

A softmax over the catalogue (or over K of its items) needs the logit of every negative at every step. With shared
negatives that is one product: (T, D) by (D, K) with the dot head; running sums over the history with CARCA's head.
Candidates carry no time and one position row, so what time and position add to a candidate is the same for all
candidates of a step. With the dot head it cancels in the softmax; with CARCA's head the study must switch it off.
Source: sampled softmax with the logQ correction (Bengio and Senecal 2008; Yi et al., RecSys 2019).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from posrec.model.attention import Group, Layout
from posrec.model.encodings import Steps
from posrec.model.inputs import Tokens
from posrec.model.ops.log_sums import HIDDEN

if TYPE_CHECKING:
    from posrec.model.carca import Carca


@dataclass(frozen=True)
class Shared:
    """Negatives of a batch: index into its distinct items (K,), correction (K,) added to their logits.

    A negative that stands for r items of the catalogue has the correction ln r.
    """

    index: Tensor
    correction: Tensor

    def to(self, device: torch.device) -> "Shared":
        """The same negatives on a device."""
        return Shared(self.index.to(device), self.correction.to(device))


def draw_uniform(n_items: int, count: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` distinct items of 1 .. I and their correction ln((I - 1) / K); the whole catalogue where K >= I.

    Returns (K,) int64 and (K,) float32.
    """
    if count >= n_items:
        return np.arange(1, n_items + 1), np.zeros(n_items, np.float32)
    items = 1 + stream.choice(n_items, count, replace=False, shuffle=False)
    return items, np.full(count, math.log((n_items - 1) / count), np.float32)


def in_batch(targets: np.ndarray, popularity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The batch's own targets as negatives, corrected by how often they are drawn (logQ).

    targets: (N,) items, 0 is padding; popularity: (I + 1,) share of each item among all training targets. An item that
    is c of the N targets has the correction ln(c / (N p)). Returns distinct items (K,) and corrections (K,).
    """
    items, count = np.unique(targets[targets > 0], return_counts=True)
    return items, np.log(count / (count.sum() * popularity[items])).astype(np.float32)


def running_attention(scores: Tensor, gain: Tensor) -> Tensor:
    """sum_i<=t softmax(scores)_i gain_i for every step t, as running sums with a running maximum.

    Without the maximum exp() overflows at scores near 100. scores: (B, H, n, K); gain broadcasts to it.
    Returns (B, n, K), summed over heads.
    """
    gain = gain.expand_as(scores)
    top, total, weighted, steps = scores[:, :, 0], torch.ones_like(scores[:, :, 0]), gain[:, :, 0], []
    steps.append(weighted.sum(1))
    for step in range(1, scores.shape[2]):
        new, score = torch.maximum(top, scores[:, :, step]), scores[:, :, step]  # (B, H, K)
        kept, added = (top - new).exp(), (score - new).exp()
        total, weighted = total * kept + added, weighted * kept + added * gain[:, :, step]
        top = new
        steps.append((weighted / total).sum(1))
    return torch.stack(steps, 1)


def group_logits(scores: Tensor, gain: Tensor, group: Group) -> Tensor:
    """What the decoder's attention gives every negative at each target of a group's users.

    scores: (B, H, n, K); gain: (B, H, n, K) or (B, H, n, 1). Returns (B * targets, K).
    """
    if group.real is not None:
        scores = scores.masked_fill(~group.real[:, None, :, None], HIDDEN)
    if group.causal:
        return running_attention(scores, gain).flatten(0, 1)
    seen = (scores.softmax(2) * gain).sum((1, 2))  # (B, K): every target sees the whole history
    return seen.repeat_interleave(group.queries, 0)


def shared_logits(model: "Carca", parts: Tensor, tokens: Tokens, layout: Layout, shared: Shared, length: int) -> Tensor:
    """See `Carca.forward`. parts: (M, D) of the batch's distinct items; length: T. Returns (Tq, 2)."""
    history, targets = tokens.take(length), tokens.index[length:]
    steps, _ = tokens.steps(length)
    x = model.encode_tokens(parts, history)
    encoded = model.encode_history(x, steps.rows, layout, steps.times, steps.asked)
    table = model.candidate_table(parts)  # (M, D)
    if model.settings.head == "dot":
        states = model.last_visible(encoded, layout)  # (Tq, D)
        of_target = (states * table.index_select(0, targets)).sum(-1)
        negatives = model.ops.linear(states, table.index_select(0, shared.index))  # (Tq, K)
    else:
        asked = Steps(torch.full_like(targets, model.encoding.shape.rows - 1))
        of_target = model.head(encoded, table.index_select(0, targets), layout, steps, asked)
        negatives = _running_head(model, encoded, table.index_select(0, shared.index), layout)
    of_negatives = model.ops.log_sums(negatives, shared.correction, shared.index, targets)
    return torch.stack([of_target, of_negatives], 1)


def _running_head(model: "Carca", history: Tensor, candidates: Tensor, layout: Layout) -> Tensor:
    """CARCA's head on candidates that are the same at every step. candidates: (K, D). Returns (Tq, K).

    Dropout of an attention weight holds for all later steps of its user.
    """
    heads = model.settings.heads
    query = model.decoder.project("query", candidates).transpose(0, 1)  # (H, K, Dh)
    weighted = (candidates * model.output_weight).unflatten(1, (heads, -1)).transpose(0, 1)  # (H, K, Dh)
    key, value = (model.decoder.project(name, history) for name in ("key", "value"))  # (T, H, Dh)
    sizes, outputs = [group.users * group.keys for group in layout], []
    for group, k, v in zip(layout, key.split(sizes), value.split(sizes), strict=True):
        k, v = (x.view(group.users, group.keys, heads, -1).transpose(1, 2) for x in (k, v))  # (B, H, n, Dh)
        scores = k @ query.transpose(1, 2) / math.sqrt(k.shape[3])  # (B, H, n, K)
        if model.settings.decoder_residual == "mul":  # the candidate and the output weight meet each value
            gain = v @ weighted.transpose(1, 2)  # (B, H, n, K)
        else:
            gain = (v * model.output_weight.view(heads, 1, -1)).sum(3, keepdim=True)  # (B, H, n, 1)
        gain = model.ops.dropout(gain.expand_as(scores), model.rate)
        outputs.append(group_logits(scores, gain, group))
    logits = torch.cat(outputs) + model.output_bias
    return logits + weighted.sum((0, 2)) if model.settings.decoder_residual == "sum" else logits
