"""Small tensor functions that encodings and attention share."""

import math

import torch
from torch import Tensor


def slot_distance(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Distance j - i of every query slot i and key slot j. Returns (m, n) int64."""
    return torch.arange(keys, device=device)[None, :] - torch.arange(queries, device=device)[:, None]


def keys_first(query: Tensor, keys: Tensor) -> Tensor:
    """query @ keys', so that equal queries give equal rows bit for bit. (..., m, Dh), (..., n, Dh) to (..., m, n).

    With few keys a row of the plain product depends on its place: the library sums some rows in another order.
    """
    keys = keys.expand(*query.shape[:-2], -1, -1)  # torch turns a product of a matrix and more dimensions round
    return (keys @ query.transpose(-2, -1)).transpose(-2, -1)


def narrow(value: Tensor, like: Tensor) -> Tensor:
    """A float64 value in the type of a model in lower precision: `like` stays what it is when both are combined."""
    wider = value.dtype == torch.float64 and like.dtype != torch.float64
    return value.float() if wider else value


def draw_uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    """Uniform over -bound .. bound."""
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound


def xavier_bound(rows: int, columns: int) -> float:
    """Bound of Xavier's uniform distribution (Glorot and Bengio 2010, equation 16)."""
    return math.sqrt(6 / (rows + columns))
