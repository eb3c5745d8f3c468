"""The plain reference of the speed measurement, and the simulated work that both sides do.

Reference: float32, every history padded to L slots, attributes gathered as dense rows and projected per slot, history
and candidates encoded apart (`posrec.model.equations`), torch's AdamW over all parameters. It has no dropout, which the
packed engine has: that favours the reference.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model import equations
from posrec.model.batches import Batch, candidate_rows, slot_rows
from posrec.model.carca import Carca
from posrec.model.evaluate.score import Requests
from posrec.model.inputs import Clock
from posrec.model.losses import binary_cross_entropy
from posrec.study import study
from posrec.study.study import Cell

DAYS = 2000  # time features are those of a day: requests of one day share theirs


@dataclass(frozen=True)
class Work:
    """Counts of the data (users, items, mean and longest history, attributes, dense features) and the model's sizes."""

    users: int
    items: int
    mean_length: float
    attributes: int
    features: int
    dimension: int
    heads: int
    blocks: int
    max_length: int
    batch_size: int


def make_data(work: Work) -> Prepared:
    """Random users with 3 + geometric lengths, items by popularity 1 / rank^0.7, 4-10 attributes an item."""
    rng = np.random.default_rng(0)
    length = 2 + rng.geometric(1 / (work.mean_length - 2), work.users)
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    popularity = np.cumsum(np.arange(1, work.items + 1) ** -0.7)
    drawn = np.searchsorted(popularity / popularity[-1], rng.random(offsets[-1])) + 1
    count = (rng.integers(4, 11, work.items + 1) if work.attributes else np.zeros(work.items + 1, np.int64)) * (
        np.arange(work.items + 1) > 0
    )
    return Prepared(
        offsets=offsets,
        items=drawn.astype(np.int32),
        times=np.arange(offsets[-1]) * 86_400,
        context=rng.random((DAYS, 6), np.float32)[rng.integers(0, DAYS, offsets[-1])],
        train_length=(length - 2).astype(np.int32),
        validation=offsets[1:] - 2,
        test=offsets[1:] - 1,
        attribute_offsets=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        attribute_ids=rng.integers(0, max(1, work.attributes), int(count.sum())).astype(np.int32),
        features=rng.random((work.items + 1, work.features), np.float32),
    )


def make_cell(work: Work, engine: str = "torch") -> Cell:
    """The cell of this work: CARCA with learnt positions, all steps as targets, float32."""
    model = {name: getattr(work, name) for name in ("dimension", "heads", "blocks", "max_length")}
    raw = {
        "study": "speed",
        "datasets": {"simulated": {"simulate": {"users": 40, "items": 60, "mean_length": 5}}},
        "encodings": ["learnt"],
        "model": model,
        "training": {
            "learning_rate": 0.001,
            "batch_size": work.batch_size,
            "epochs": 2,
            "numerics": {"engine": engine},
        },
        "seeds": [1, 2, 3],
    }
    return study.from_dict(raw).cells[0]


def dense_attributes(data: Prepared) -> Tensor:
    """Multi-hot attributes and dense features of all items, (I + 1, A + F) float32."""
    if not data.n_attributes:
        return torch.from_numpy(data.features)
    dense = torch.zeros(data.n_items + 1, data.n_attributes + data.features.shape[1])
    item = np.repeat(np.arange(data.n_items + 1), np.diff(data.attribute_offsets))
    ids = torch.from_numpy(data.attribute_ids.astype(np.int64))
    dense.index_put_((torch.from_numpy(item), ids), torch.ones(()), accumulate=True)
    dense[:, data.n_attributes :] = torch.from_numpy(np.array(data.features))
    return dense


def reference_loss(model: Carca, batch: Batch, attributes: Tensor, length: int) -> Tensor:
    """The loss of a batch in which every history has L slots, as the equations read."""
    return binary_cross_entropy(reference_logits(model, batch, attributes, length), batch)


def reference_logits(model: Carca, batch: Batch, attributes: Tensor, length: int) -> Tensor:
    """Its logits, (B * 2L,)."""
    users = sum(group.users for group in batch.layout)
    history = _slots(batch, users, length, history=True)
    candidates = _slots(batch, users, length, history=False)
    step = torch.arange(length)
    past = (step <= step[:, None]).repeat(2, 1)  # (2L, L): positives, then negatives
    visible = past & history.real[:, None, :]
    return equations.logits(model, history, candidates, visible, attributes, model.item_embedding).flatten()


@torch.no_grad()
def reference_scores(model: Carca, data: Prepared, requests: Requests, items: np.ndarray, attributes: Tensor) -> Tensor:
    """Logits of these items (R, n) for each request, all of whose earlier interactions are its history. (R, n)."""
    settings, targets = model.settings, requests.targets
    length = np.minimum(targets - data.offsets[requests.users], settings.max_length)
    step = np.arange(settings.max_length) - (settings.max_length - length)[:, None]  # (R, L)
    at = np.where(step < 0, 0, (targets - length)[:, None] + step)
    rows = np.repeat(candidate_rows(length, settings)[:, None], items.shape[1], 1)
    history = _test_slots(data, np.where(step < 0, 0, data.items[at]), at, slot_rows(step, length, settings), at + 1)
    request = np.repeat(targets[:, None], items.shape[1], 1)
    asked = _test_slots(data, items, request, rows, request)
    visible = history.real[:, None, :].expand(-1, items.shape[1], -1)
    return equations.logits(model, history, asked, visible, attributes, model.bounded_embedding())


def _test_slots(
    data: Prepared, items: np.ndarray, at: np.ndarray, rows: np.ndarray, asked: np.ndarray
) -> equations.Slots:
    days = Clock(data).days
    arrays = (items.astype(np.int64), data.context[at], rows, days(at), days(asked))
    return equations.Slots(*(torch.from_numpy(array) for array in arrays))


def packed_loss(model: Carca, batch: Batch) -> Tensor:
    """The same loss by the packed engine."""
    return binary_cross_entropy(model(batch.items, batch.tokens, batch.layout), batch)


def _slots(batch: Batch, users: int, length: int, history: bool) -> equations.Slots:
    tokens, first = batch.tokens, users * length
    part = slice(0, first) if history else slice(first, None)
    assert tokens.times is not None
    assert tokens.asked is not None
    ids = batch.items.ids[tokens.index[part]].view(users, -1)
    context, rows = tokens.context[part].view(*ids.shape, -1), tokens.rows[part].view(ids.shape)
    times, asked = (each[part].view(ids.shape) for each in (tokens.times, tokens.asked))
    return equations.Slots(ids, context, rows, times, asked)
