"""What a trained model does with positions, measured once per run on the weights of the selected epoch.

Everything follows from the run: the sample of test users is fixed; only the shuffled positions of a probe are random.
The attention weights are those of the plain padded model (`equations.py`), which equals the packed one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from posrec.data.prepare.prepared import Prepared
from posrec.model import equations
from posrec.model.batches import slot_rows, time_sources
from posrec.model.blocks import Block
from posrec.model.carca import Carca
from posrec.model.evaluate.attention_sums import AttentionSums
from posrec.model.evaluate.probes import probe
from posrec.model.evaluate.score import Requests, evaluating, model_scores, requests_of
from posrec.model.inputs import Clock, Tokens, distinct_items
from posrec.model.runs.failures import EVALUATION_STEP, Progress, TrainingFailed, model_code
from posrec.model.start_scale import item_norm, position_norm
from posrec.model.train import Curve

SAMPLE_USERS = 256
SCORED_USERS = 64  # the first of these users: each has one score per item
SAMPLE_SEED = 20240517  # the sample is the same for every run on the same data
CHUNK = 32  # users whose attention weights are held together
DIGITS = 6  # significant digits that are kept
PROBED = ("from_begin", "from_end", "gap_before")


@dataclass(frozen=True)
class Histories:
    """Histories of some users in slots, and their items' encodings without and with position, (B, L, D) each."""

    slots: equations.Slots
    content: Tensor
    encoded: Tensor


def diagnose(model: Carca, data: Prepared, curve: Curve) -> dict[str, Any]:
    """What the run file says under `diagnostics`; see docs/reference/files.md.

    If the code of an encoding raises here, the run only lacks its diagnostics, and `failure` says why.
    """
    found: dict[str, Any] = {"gradient_norm": gradient_summary(curve)}
    try:
        with model_code(Progress(EVALUATION_STEP)):
            return {**found, **measure(model, data)}
    except TrainingFailed as error:
        return {**found, "failure": error.reason}


def gradient_summary(curve: Curve) -> dict[str, float | None]:
    """Mean of the gradient's norm over all steps, and its variance within an epoch, averaged over the epochs."""
    kinds = {"mean": curve.gradient_mean, "variance": curve.gradient_variance}
    return {kind: significant(float(np.mean(values))) if values else None for kind, values in kinds.items()}


@torch.no_grad()
def measure(model: Carca, data: Prepared) -> dict[str, Any]:
    """Saturation, attention, probes and the encoding's own figures on the sample of test users."""
    requests = sample_of(data)
    sums = [AttentionSums(model.settings.max_length) for _ in model.blocks]
    vectors: dict[str, list[Tensor]] = {"content": [], "encoded": [], "first_block": []}
    positions = []
    with evaluating(model):
        for histories in histories_of(model, data, requests):
            real = histories.slots.real
            first = watch_attention(model, histories, sums)
            for name, x in (("content", histories.content), ("encoded", histories.encoded), ("first_block", first)):
                vectors[name].append(x[real])
            positions.append(_positions(real, histories.slots.times))
    of_blocks = [one.summary() for one in sums]
    entropy, distance, gap = zip(*of_blocks, strict=True) if of_blocks else ((), (), ())
    return {
        "users": len(requests.users),
        "attention": {
            "entropy": [significant(value) for value in entropy],
            "distance_share": [significant(value) for value in distance],
            "gap_share": [significant(value) for value in gap],
            **_curves(sums),
        },
        "position": _probes({name: torch.cat(parts) for name, parts in vectors.items()}, np.concatenate(positions)),
        "encoding": {name: significant(value) for name, value in model.encoding.measures().items()},
        "norms": norms(model, data),
        "saturation": saturation(model, data, requests),
    }


def _curves(sums: list[AttentionSums]) -> dict[str, list[dict[str, float | None]]]:
    """Mean weights by distance and by gap, of each block."""
    found: dict[str, list[dict[str, float | None]]] = {"by_distance": [], "by_gap": []}
    for one in sums:
        for rows, curve in zip(found.values(), one.curves(), strict=True):
            rows.append({name: significant(value) for name, value in curve.items()})
    return found


def norms(model: Carca, data: Prepared) -> dict[str, list[float | None]]:
    """Root mean square norms of the items' encodings and of the vectors of positions, at the start and at the end."""
    ends = (item_norm(model, data), position_norm(model, data))
    starts = model.start_norms or ends
    names = ("items", "positions")
    return {name: [significant(a), significant(b)] for name, a, b in zip(names, starts, ends, strict=True)}


def sample_of(data: Prepared) -> Requests:
    """A fixed sample of at most SAMPLE_USERS test users."""
    requests = requests_of(data.test)
    if len(requests.users) <= SAMPLE_USERS:
        return requests
    chosen = np.random.default_rng(SAMPLE_SEED).choice(len(requests.users), SAMPLE_USERS, replace=False)
    return requests.take(np.sort(chosen))


def histories_of(model: Carca, data: Prepared, requests: Requests) -> Iterator[Histories]:
    """The requests' histories, left-padded, CHUNK users at a time, those of similar length together."""
    limit = model.settings.max_length
    length = np.minimum(requests.targets - data.offsets[requests.users], limit)
    order = np.argsort(length, kind="stable")
    for first in range(0, len(order), CHUNK):
        chosen = order[first : first + CHUNK]
        slots = limit if model.padded else int(length[chosen].max())
        yield _histories(model, data, requests.targets[chosen], length[chosen], slots)


def _histories(model: Carca, data: Prepared, targets: np.ndarray, length: np.ndarray, slots: int) -> Histories:
    step = np.arange(slots) - (slots - length[:, None])  # (B, L), below 0: padding
    interactions = (targets - length)[:, None] + np.maximum(step, 0)
    ids = np.where(step < 0, 0, data.items[interactions]).astype(np.int64)
    rows = slot_rows(step, length, model.settings)
    context, clock = torch.from_numpy(data.context[interactions]), Clock(data)
    sources = interactions, time_sources(interactions + 1, model.settings)
    times, asked = (torch.from_numpy(clock.days(source)) for source in sources)
    distinct, index = np.unique(ids, return_inverse=True)
    items = distinct_items(data, distinct)
    parts = model.item_parts(items, embedding(items.ids, model.bounded_embedding()))  # (M, D)
    at = torch.from_numpy(rows)
    tokens = Tokens(torch.from_numpy(index.ravel()), context.flatten(0, 1), at.flatten(), times.flatten())
    content = parts.index_select(0, tokens.index) + model.context_parts(tokens.context)  # (B L, D)
    encoded = model.encode_tokens(parts, tokens)
    found = equations.Slots(torch.from_numpy(ids), context, at, times, asked)
    shape = (*ids.shape, -1)
    return Histories(found, content.view(shape), encoded.view(shape) * found.real[..., None])


def watch_attention(model: Carca, histories: Histories, sums: list[AttentionSums]) -> Tensor:
    """Run the encoder and add each block's attention to its sums. Returns the first block's output, (B, L, D)."""
    x, slots = histories.encoded, histories.slots
    outputs = [x]
    for number, (block, total) in enumerate(zip(model.blocks, sums, strict=True)):
        assert isinstance(block, Block)
        query, memory = block.inputs(x)
        weights, visible = equations.attention_weights(block, query, memory, slots, model, number)
        acting = model.encoding.reweigh(weights, equations.slot_pairs(slots, model.causal), number)
        total.add(weights, visible, slots.real, slots.times, acting)
        x = equations.encoder_block(block, x, slots, model, number, weights)
        outputs.append(x)
    return outputs[min(1, len(model.blocks))]


def _positions(real: Tensor, times: Tensor) -> np.ndarray:
    """Of each item the steps from the start and from the end, and ln(1 + days) since the one before, 0 where none is.

    real, times: (B, L). Returns (T, 3).
    """
    begin = real.long().cumsum(1) - 1  # (B, L)
    end = begin.max(1, keepdim=True).values - begin
    days = torch.diff(times, prepend=times[:, :1]).abs() * (begin > 0)
    return torch.stack([begin.double(), end.double(), days.log1p()], -1)[real].numpy()


def _probes(vectors: dict[str, Tensor], positions: np.ndarray) -> dict[str, dict[str, float | None]]:
    """R2 and chance of both positions and of the gap by kind of vector. positions: (T, 3), as PROBED."""
    users = np.cumsum(positions[:, 0] == 0)  # an item at step 0 is the first of its user
    found = {}
    for name, x in vectors.items():
        r2, chance = probe(x.double().numpy(), positions, users)
        values = dict(zip((*PROBED, *(f"chance_{what}" for what in PROBED)), (*r2, *chance), strict=True))
        found[name] = {key: significant(value) for key, value in values.items()}
    return found


def saturation(model: Carca, data: Prepared, requests: Requests) -> dict[str, float | None]:
    """Share of the sigmoid scores of all items that are exactly 0 and exactly 1 in float32."""
    counts = np.zeros(2)
    requests = requests.take(np.arange(min(SCORED_USERS, len(requests.users))))
    for _, block in model_scores(model, data, requests):
        scores = block[:, 1 : data.n_items + 1].float().sigmoid()
        counts += [int((scores == bound).sum()) for bound in (0, 1)]
    total = max(1, len(requests.users) * data.n_items)
    return {name: significant(value / total) for name, value in zip(("zero", "one"), counts, strict=True)}


def significant(value: float) -> float | None:
    """The value with DIGITS significant digits; None where it is not finite, which JSON cannot say.

    >>> significant(0.123456789), significant(float("nan"))
    (0.123457, None)
    """
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
