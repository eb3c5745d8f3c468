"""What an encoding is: the places where a position may reach the model, and the registry of kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from posrec.model.encodings.scaled import Scaled

Linear = Callable[..., Tensor]

DAY = 86_400.0  # seconds


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
class Steps:
    """Steps of B users, n each: position rows (B, n) int64, and two times (B, n) each, None where they are unknown.

    Times are float64 days since the data set's first training interaction. times: of the step itself. asked: of the
    request that the step answers, which for a step of the history is the one that the next item answered.
    """

    rows: Tensor
    times: Tensor | None = None
    asked: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Steps":
        """The same change of all that is known."""
        times, asked = (None if each is None else change(each) for each in (self.times, self.asked))
        return Steps(change(self.rows), times, asked)


@dataclass(frozen=True)
class Pairs:
    """Queries i and keys j of a group.

    distance: j - i in slots (m, n) int64; queries, keys: their steps, in the encoder the same; vectors: the keys
    (B, H, n, Dh), for `scores` alone; visible: whether a query sees a key, broadcast to (B, 1, m, n) bool; None: each.
    """

    distance: Tensor
    queries: Steps | None = None
    keys: Steps | None = None
    vectors: Tensor | None = None
    visible: Tensor | None = None

    def gaps(self, asked: bool = False) -> Tensor:
        """Days t_i - t_j from each key to each query, or to the request that it answers. Returns (B, 1, m, n)."""
        if self.queries is not None and self.keys is not None:
            to, of = self.queries.asked if asked else self.queries.times, self.keys.times
            if to is not None and of is not None:
                return to[:, None, :, None] - of[:, None, None, :]
        raise ValueError("this encoding needs the items' times: give Tokens their `times` and `asked`")


class Encoding(Scaled):
    """The interface, and no position at all: each method leaves things as they are."""

    second_softmax = False  # whether the released code has its second softmax here (switch rmha_softmax)
    acts_in_decoder = False  # whether `decoder_positions` lets it act in the decoder, as block number N
    linear_op: Linear = staticmethod(F.linear)  # x W' + b over tokens; `Carca.use` sets that of its operations
    reads_times = False  # whether `encode` and `rotate` get the times, and a candidate's scores depend on its time
    content = True  # whether scores hold the products of queries and keys; False: what `scores` returns, alone

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape.dimension)
        self.shape = shape

    @classmethod
    def acts_on_pairs(cls) -> bool:
        """Whether it acts on the attention's scores, weights or values."""
        methods = ("scores", "reweigh", "values")
        return not cls.content or any(getattr(cls, name) is not getattr(Encoding, name) for name in methods)

    def encode(self, x: Tensor, rows: Tensor, times: Tensor | None = None) -> Tensor:
        """Put positions into encoded items. x: (T, D); rows, times: (T,). Returns (T, D); must be affine in x."""
        return x

    def rotate(self, x: Tensor, rows: Tensor, block: int, times: Tensor | None = None) -> Tensor:
        """Rotate queries or keys of encoder block `block`.

        x: (T, H, Dh); rows: (T,) or (T, H); times: (T,). Returns (T, H, Dh).
        """
        return x

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor | None:
        """What is added to the scores of a block. query: (B, H, m, Dh), scaled by 1 / sqrt(Dh).

        Returns (B, H, m, n) or what broadcasts to it.
        """
        return None

    def reweigh(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor:
        """What becomes of the attention weights after the softmax. weights: (B, H, m, n). Returns (B, H, m, n)."""
        return weights

    def values(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor | None:
        """What is added to the attention's output. weights: (B, H, m, n). Returns (B, H, m, Dh)."""
        return None

    def project(self, y: Tensor, block: int) -> Tensor:
        """After the heads are concatenated. y: (T, D). Returns (T, D)."""
        return y

    def measures(self) -> dict[str, float]:
        """Figures of the encoding's own parameters that the diagnostics of a run show, by name."""
        return {}

    def given(self, times: Tensor | None) -> tuple[Tensor, ...]:
        """What `encode` and `rotate` get of the steps' times (T,): nothing, unless the encoding reads them."""
        if self.reads_times and times is None:
            raise ValueError(f"{type(self).__name__} needs the items' times: give Tokens their `times`")
        return () if times is None or not self.reads_times else (times,)

    def score(self, products: Tensor, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """The scores of a block, before the mask. products: (B, H, m, n), of queries and keys. Returns their shape."""
        added = self.scores(query, pairs, block)
        if added is None:
            return products
        return products + added if self.content else added.expand_as(products)


EncodingType = TypeVar("EncodingType", bound=type[Encoding])
REGISTRY: dict[str, type[Encoding]] = {}


def register(name: str, family: str, **parameters: Any) -> Callable[[EncodingType], EncodingType]:
    """Class decorator: make an encoding known as `name`, with its parameters' defaults, all plain values.

    The class is built as cls(shape, generator, **parameters). `posrec.study.encodings` reads the same line without
    running it, so family and defaults are only here.
    """

    def add(cls: EncodingType) -> EncodingType:
        REGISTRY[name] = cls
        return cls

    return add
