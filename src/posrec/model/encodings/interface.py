"""What an encoding is: the places where a position may reach the model, and the registry of kinds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Linear = Callable[..., Tensor]


@dataclass(frozen=True)
class Shape:
    """What an encoding must know of the model: width D, heads H, encoder blocks, length L, whether it is causal.

    backwards, linear_start: the switches `sinusoid_direction` and `rmha_projection` are released.
    decoder: whether the decoder's cross-attention asks the encoding too, as block number `blocks`.
    """

    dimension: int
    heads: int
    blocks: int
    max_length: int
    causal: bool = False
    candidate_row: bool = True  # a row of its own for the candidate after the history (False: as released, L rows)
    decoder: bool = False
    backwards: bool = False
    linear_start: bool = False

    @property
    def rows(self) -> int:
        """Rows of a position table: L slots of the history and one for the candidate after it."""
        return self.max_length + self.candidate_row

    @property
    def attentions(self) -> int:
        """Attentions in which the encoding may act: those of the encoder's blocks, and the decoder's."""
        return self.blocks + self.decoder


@dataclass(frozen=True)
class Pairs:
    """Queries i and keys j of a group: distance j - i in slots (m, n) int64, and times in seconds (B, n), or None."""

    distance: Tensor
    times: Tensor | None = None


class Encoding(nn.Module):
    """The interface, and no position at all: each method leaves things as they are."""

    second_softmax = False  # whether the released code has its second softmax here (switch rmha_softmax)
    acts_in_decoder = False  # whether `decoder_positions` lets it act in the decoder, as block number N
    linear_op: Linear = staticmethod(F.linear)  # x W' + b over tokens; `Carca.use` sets that of its operations

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape

    @classmethod
    def acts_on_pairs(cls) -> bool:
        """Whether something is added to the attention's scores or values."""
        return cls.scores is not Encoding.scores or cls.values is not Encoding.values

    def encode(self, x: Tensor, rows: Tensor) -> Tensor:
        """Put positions into encoded items. x: (T, D); rows: (T,). Returns (T, D); must be affine in x."""
        return x

    def rotate(self, x: Tensor, rows: Tensor, block: int) -> Tensor:
        """Rotate queries or keys of encoder block `block`. x: (T, H, Dh); rows: (T,) or (T, H). Returns (T, H, Dh)."""
        return x

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor | None:
        """What is added to the scores of a block. query: (B, H, m, Dh), scaled by 1 / sqrt(Dh).

        Returns (B, H, m, n) or what broadcasts to it.
        """
        return None

    def values(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor | None:
        """What is added to the attention's output. weights: (B, H, m, n). Returns (B, H, m, Dh)."""
        return None

    def project(self, y: Tensor, block: int) -> Tensor:
        """After the heads are concatenated. y: (T, D). Returns (T, D)."""
        return y

    def measures(self) -> dict[str, float]:
        """Figures of the encoding's own parameters that the diagnostics of a run show, by name."""
        return {}


EncodingType = TypeVar("EncodingType", bound=type[Encoding])
REGISTRY: dict[str, type[Encoding]] = {}


def register(name: str, family: str, **parameters: Any) -> Callable[[EncodingType], EncodingType]:
    """Class decorator: make an encoding known as `name`, with its parameters' defaults, all plain values.

    The class is built as cls(shape, generator, **parameters). `posrec.study.encodings` reads the same line without
    running it, so family and defaults stand here alone.
    """

    def add(cls: EncodingType) -> EncodingType:
        REGISTRY[name] = cls
        return cls

    return add


def slot_distance(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Distance j - i of every query slot i and key slot j. Returns (m, n) int64."""
    return torch.arange(keys, device=device)[None, :] - torch.arange(queries, device=device)[:, None]


def keys_first(query: Tensor, keys: Tensor) -> Tensor:
    """query @ keys', so that equal queries give equal rows bit for bit. (..., m, Dh), (..., n, Dh) to (..., m, n).

    With few keys a row of the plain product depends on its place: the library sums some rows in another order.
    """
    keys = keys.expand(*query.shape[:-2], -1, -1)  # torch turns a product of a matrix and more dimensions round
    return (keys @ query.transpose(-2, -1)).transpose(-2, -1)


def draw_uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    """Uniform over -bound .. bound."""
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound


def xavier_bound(rows: int, columns: int) -> float:
    """Bound of Xavier's uniform distribution (Glorot and Bengio 2010, equation 16)."""
    return math.sqrt(6 / (rows + columns))
