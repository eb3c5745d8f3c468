"""How large the vectors of positions are at the start, beside the items that they are added to or concatenated with."""

import math

import numpy as np
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model.carca import Carca
from posrec.model.inputs import Clock, distinct_items, ragged_arange

MEASURED = 2_000  # items at most whose norm is measured, evenly spaced over the ids


def set_start_scale(model: Carca, data: Prepared) -> None:
    """Multiply the vectors of positions so that their norm is the one that `position_scale` asks for.

    Under `position_norm: released`, and with `unit`, they stay as they are drawn. Vectors of zeros stay zeros. The
    model remembers the norms of items and positions.
    """
    items, positions, asked = item_norm(model, data), position_norm(model, data), model.settings.position_scale
    if positions and asked != "unit" and model.switches.position_norm == "sound":
        wanted = items if asked == "items" else float(asked)
        model.encoding.rescale(wanted / positions)
        positions = wanted
    model.start_norms = (items, positions)


def position_norm(model: Carca, data: Prepared) -> float:
    """Root mean square norm of the vectors of positions over all rows; of vectors of time, over the training's times.

    0 where the encoding adds and concatenates nothing.
    """
    rows = torch.arange(model.encoding.shape.rows, device=model.item_embedding.device)
    times = (_times(data, len(rows)).to(rows.device),) if model.encoding.reads_times else ()
    with torch.no_grad():
        return _root_mean_square(model.encoding.vectors_at(rows, *times))


def item_norm(model: Carca, data: Prepared) -> float:
    """Root mean square norm of the items' encodings within the upper bound, without time features and positions."""
    ids = np.unique(np.linspace(1, data.n_items, MEASURED).round().astype(np.int64))
    with torch.no_grad():
        embedding = model.bounded_embedding()[ids]
        return _root_mean_square(model.item_parts(distinct_items(data, ids).to(embedding.device), embedding))


def _times(data: Prepared, count: int) -> Tensor:
    """Times of training interactions in days, evenly spaced among all of them in order. (count,)."""
    days = np.sort(Clock(data).days(ragged_arange(data.offsets[:-1], data.train_length)))
    return torch.from_numpy(days[np.linspace(0, len(days) - 1, count).round().astype(np.int64)])


def _root_mean_square(vectors: Tensor) -> float:
    """Of the norms of rows (n, D)."""
    return math.sqrt(vectors.double().square().sum(1).mean())
