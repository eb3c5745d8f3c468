"""CARCA (Rashed et al., RecSys 2022) over packed tokens, with a cross-attention or a dot-product head.

Operations that an engine may replace are calls of `self.ops` (`ops/plain.py`): `linear` over tokens, `attend`,
`activate`, `dropout`, `add_dropped`, `look_up`. A product written as `@` has few rows or columns: it is always torch's.

There is no non-linearity between the feature layer W_f and the item layer W_c, so attributes and context go through the
product W_c W_f, and each distinct item of a batch is encoded once. The result is that of `equations.py`.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from posrec.model.attention import Layout, Packing, Relative, decoder_distances
from posrec.model.blocks import BLOCKS
from posrec.model.blocks.layers import Attention, Layer, combine, make_norm
from posrec.model.bounds import bound_rows, bounded
from posrec.model.encodings import Encoding, Shape, Steps, build_encoding
from posrec.model.inputs import Items, Tokens
from posrec.model.ops.plain import Ops
from posrec.model.quirks import batch_axis, real_slots
from posrec.model.shared import Shared, shared_logits
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings

CONTEXT_WIDTH = 6
FEATURE_FACTOR = 5  # the feature layer has 5D outputs


class Carca(Layer):
    """The model of I items and A attributes.

    Trunk parameters are drawn from one generator, the encoding's from another: a paired design across encodings.
    """

    def __init__(
        self,
        settings: ModelSettings,
        encoding: str,
        n_items: int,
        n_attributes: int,
        switches: TrainingSwitches,
        trunk: torch.Generator,
        encoding_generator: torch.Generator,
        context_width: int = CONTEXT_WIDTH,
        n_features: int = 0,
    ) -> None:
        super().__init__()
        width = settings.dimension
        self.settings = settings
        self.switches = switches
        self.dropout = settings.dropout
        self.feature_widths = [context_width, n_attributes, n_features]  # of the columns of W_f
        self.item_embedding = nn.Parameter(torch.randn(n_items + 1, width, generator=trunk))
        self.item_embedding.data[0] = 0
        self.feature_weight = nn.Parameter(_normal((FEATURE_FACTOR * width, sum(self.feature_widths)), trunk))
        self.feature_bias = nn.Parameter(torch.zeros(FEATURE_FACTOR * width))
        self.item_weight = nn.Parameter(_normal((width, width + FEATURE_FACTOR * width), trunk))
        self.item_bias = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList([BLOCKS[settings.block](settings, switches, trunk) for _ in range(settings.blocks)])
        self.last_norm = make_norm(settings) if settings.norm_place == "before" else nn.Identity()
        self.decoder = Attention(width, settings.heads, trunk)
        self.output_weight = nn.Parameter((torch.rand(width, generator=trunk) * 2 - 1) * math.sqrt(6 / (width + 1)))
        self.output_bias = nn.Parameter(torch.zeros(()))
        if self.released_dot:  # a linear layer 1 -> 1 between two sigmoids: Xavier uniform, bias 0
            self.dot_weight = nn.Parameter((torch.rand((), generator=trunk) * 2 - 1) * math.sqrt(3))
            self.dot_bias = nn.Parameter(torch.zeros(()))
        candidate_row = switches.candidate_position_training == "sound"
        asked = settings.decoder_positions and settings.head == "carca"
        shape = Shape(
            width,
            settings.heads,
            settings.blocks,
            settings.max_length,
            self.causal,
            candidate_row,
            asked,
            backwards=switches.sinusoid_direction == "released",
            linear_start=switches.rmha_projection == "released",
        )
        self.encoding = build_encoding(encoding, shape, encoding_generator)
        self.start_norms: tuple[float, float] | None = None  # of items and positions (`start_scale`)

    def use(self, ops: Ops) -> None:
        """Compute with these operations from here on, in all layers and in the encoding."""
        for module in self.modules():
            if isinstance(module, Layer):
                module.ops = ops
            elif isinstance(module, Encoding):
                module.linear_op = ops.linear

    @contextmanager
    def using(self, ops: Ops) -> Iterator[None]:
        """Compute with these operations in this context; restore the previous ones on exit."""
        before = self.ops
        self.use(ops)
        try:
            yield
        finally:
            self.use(before)

    @property
    def causal(self) -> bool:
        """Whether step t sees items 1 .. t only."""
        return self.switches.masked

    @property
    def released_dot(self) -> bool:
        """Whether the head is the released code's dot product with its three sigmoids."""
        return self.settings.head == "dot" and self.switches.dot_head == "released"

    @property
    def padded(self) -> bool:
        """Whether histories must be padded to L slots: the second softmax gives padding a weight."""
        return self.switches.rmha_softmax == "released" and self.encoding.second_softmax

    @property
    def packing(self) -> Packing:
        """How the histories of training batches are packed."""
        if self.padded:
            return "padded"
        return "exact" if self.ops.exact and not self.encoding.acts_on_pairs() else "classes"

    @property
    def decoder_positions(self) -> bool:
        """Whether the encoding acts in the decoder's cross-attention, too."""
        return self.encoding.shape.decoder and self.encoding.acts_in_decoder

    def bound_embedding(self, ids: Tensor) -> None:
        """Renormalise the rows of these items to the upper bound (max_norm), in place.

        What a training step does first.
        """
        bound_rows(self.item_embedding.data, ids, self.settings, self.switches)

    def bounded_embedding(self) -> Tensor:
        """All item embeddings within the upper bound, as a copy: evaluation changes nothing. (I + 1, D)."""
        return bounded(self.item_embedding.detach(), self.settings, self.switches)

    def item_parts(self, items: Items, embedding: Tensor) -> Tensor:
        """What an item's id and attributes give, without context and position. embedding: (M, D). Returns (M, D)."""
        width = self.settings.dimension
        of_id, of_features = self.item_weight.split([width, FEATURE_FACTOR * width], dim=1)
        bias = (of_features @ self.feature_bias[None].T).squeeze(1) + self.item_bias  # (D,)
        parts = self.ops.linear(embedding * math.sqrt(width), of_id, bias)
        _, of_attributes, of_dense = self.feature_weight.split(self.feature_widths, dim=1)
        if len(items.attribute_ids):
            table = self.ops.linear(of_features, of_attributes.T).T.contiguous()  # (A, D); whole rows are faster
            parts = parts + items.sum_attributes(table)
        if items.features.shape[1]:
            weight = self.ops.linear(of_features, of_dense.T)  # (D, F)
            parts = parts + self.ops.linear(items.features.to(parts.dtype), weight)  # (M, D)
        return parts

    def context_weight(self) -> Tensor:
        """The time features' columns of W_c W_f: (D, C)."""
        return self.item_weight[:, self.settings.dimension :] @ self.feature_weight[:, : self.feature_widths[0]]

    def context_parts(self, context: Tensor, weight: Tensor | None = None) -> Tensor:
        """What the time features give. context: (T, C); weight: `context_weight()` if it is known. Returns (T, D)."""
        if not self.settings.context:
            return self.item_weight.new_zeros(len(context), self.settings.dimension)
        weight = self.context_weight() if weight is None else weight
        return context.to(self.item_weight.dtype) @ weight.T

    def encode_tokens(self, parts: Tensor, tokens: Tokens, weight: Tensor | None = None) -> Tensor:
        """Items with their context and position. parts: (M, D); weight: see `context_parts`. Returns (T, D)."""
        x = parts.index_select(0, tokens.index)
        if self.settings.context:
            x = x + self.context_parts(tokens.context, weight)
        return self.encoding.place(x, tokens.rows, *self.encoding.given(tokens.times))

    def encode_history(
        self, x: Tensor, rows: Tensor, layout: Layout, times: Tensor | None = None, asked: Tensor | None = None
    ) -> Tensor:
        """The encoder. x: (T, D) encoded history items; rows, times, asked: (T,), see `Steps`. Returns (T, D)."""
        steps = Steps(rows, times, asked)
        real = real_slots(layout) if self.padded else None
        if self.switches.rope_axis == "released":
            rows = batch_axis(layout, self.settings.heads).to(x.device)
        x = self.ops.dropout(x if real is None else x * real, self.rate)
        for number, block in enumerate(self.blocks):
            x = block(x, rows, layout, Relative(self.encoding, number, steps, self.padded))
            x = x if real is None else x * real
        return self.last_norm(x)

    def head(self, history: Tensor, candidates: Tensor, layout: Layout, steps: Steps, asked: Steps) -> Tensor:
        """Logit of one candidate a query.

        history: (T, D) at `steps`, (T,) each; candidates: (Tq, D) at `asked`, (Tq,) each, in the layout's order.
        Returns (Tq,).
        """
        if self.settings.head == "dot":
            return self.dot_logits((self.last_visible(history, layout) * candidates).sum(-1))
        y = self._cross_attention(history, candidates, layout, steps, asked)
        y = combine(self.settings.decoder_residual, y, candidates)
        return (y * self.output_weight).sum(-1) + self.output_bias

    def _cross_attention(
        self, history: Tensor, candidates: Tensor, layout: Layout, steps: Steps, asked: Steps
    ) -> Tensor:
        """The decoder's, with positions if it has them. Returns (Tq, D).

        The other forms of the decoder: `equations.py` per user and slot, without and with positions; `score.Scorer` for
        all items at once and `sampled.SampledScorer` for lists, both with the output layer folded in.
        """
        query = self.decoder.project("query", candidates)  # (Tq, H, Dh)
        key, value = (self.decoder.project(name, history) for name in ("key", "value"))
        number = self.settings.blocks
        if not self.decoder_positions:
            return self.ops.attend(query, key, value, layout, self.rate)
        if self.switches.rope_axis == "sound":  # released: queries and keys of a head would be rotated alike
            query = self.encoding.rotate(query, asked.rows, number, *self.encoding.given(asked.times))
            key = self.encoding.rotate(key, steps.rows, number, *self.encoding.given(steps.times))
        distances = decoder_distances(layout, steps.rows, asked.rows)
        relative = Relative(self.encoding, number, steps, distances=distances, candidates=asked)
        y = self.ops.attend(query, key, value, layout, self.rate, relative)
        return self.encoding.project(y, number)

    def dot_logits(self, products: Tensor) -> Tensor:
        """Logits of the dot head: the products, or as released sigmoid(w sigmoid(product) + b). Any shape."""
        if not self.released_dot:
            return products
        return torch.sigmoid(self.dot_weight * torch.sigmoid(products) + self.dot_bias)

    def last_visible(self, history: Tensor, layout: Layout) -> Tensor:
        """The encoded item that a candidate follows: its own step where all are targets, else the last. (Tq, D)."""
        outputs = []
        for group, part in zip(layout, history.split([group.users * group.keys for group in layout]), strict=True):
            of_users = part.view(group.users, group.keys, -1)  # (B, n, D)
            step = (
                torch.arange(group.queries, device=part.device) % group.keys
                if self.switches.targets == "all" and group.queries > 1
                else torch.full((group.queries,), group.keys - 1, device=part.device)
            )
            outputs.append(of_users.index_select(1, step).flatten(0, 1))
        return torch.cat(outputs)

    def forward(self, items: Items, tokens: Tokens, layout: Layout, shared: Shared | None = None) -> Tensor:
        """Training logits of all candidate slots, (Tq,). tokens: T history slots, then Tq candidate slots.

        shared: negatives of all targets together; then the target's logit and the ln sum exp of theirs, (Tq, 2).
        """
        parts = self.item_parts(items, self.ops.look_up(self.item_embedding, items.ids))
        length = sum(group.users * group.keys for group in layout)
        if shared is not None:
            return shared_logits(self, parts, tokens, layout, shared, length)
        x = self.encode_tokens(parts, tokens)  # (T + Tq, D)
        history, candidates = x.split([length, len(x) - length])
        steps, asked = tokens.steps(length)
        encoded = self.encode_history(history, steps.rows, layout, steps.times, steps.asked)
        return self.head(encoded, candidates, layout, steps, asked)

    def candidate_table(self, parts: Tensor) -> Tensor:
        """Items as candidates without a time, in the row after a full history. parts: (M, D). Returns (M, D)."""
        rows = torch.full((len(parts),), self.encoding.shape.rows - 1, device=parts.device)
        return self.encoding.place(parts, rows, *self.encoding.given(torch.zeros_like(rows, dtype=torch.float64)))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) * 0.01
