"""The upper bound of item embeddings (max_norm)."""

import torch
from torch import Tensor

from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings


def bound_rows(table: Tensor, ids: Tensor, settings: ModelSettings, switches: TrainingSwitches) -> None:
    """Renormalise these rows of a table of embeddings to the upper bound, in place. table: (I, D); ids: (M,)."""
    if settings.upper_bound is not None:
        table[ids] = bounded(table[ids], settings, switches)


def bounded(rows: Tensor, settings: ModelSettings, switches: TrainingSwitches) -> Tensor:
    """Rows within the upper bound: those whose norm is larger are scaled down to it. rows: (M, D). Returns (M, D)."""
    bound = settings.upper_bound
    if bound is None:
        return rows
    norm = rows.norm(p=settings.upper_bound_norm, dim=-1, keepdim=True)
    # the released code has torch's embedding renormalise, which divides by norm + 1e-7
    divisor = norm + 1e-7 if switches.max_norm == "released" else norm.clamp_min(1e-30)
    return torch.where(norm > bound, rows * (bound / divisor), rows)
