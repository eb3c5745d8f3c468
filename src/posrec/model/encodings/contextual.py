"""Positions that the content counts."""

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Pairs, Shape, register


def interpolated(table: Tensor, place: Tensor) -> Tensor:
    """Rows of numbers read between whole places. table: (B, H, m, P); place: (B, H, m, n) in 0 .. P - 1. Its shape."""
    below = place.detach().floor()
    share = place - below
    low, high = below.long(), place.detach().ceil().long()
    return table.gather(3, low) * (1 - share) + table.gather(3, high) * share


@register("cope", "relative")
class Cope(Encoding):
    """Positions counted by gates: how many items that the query counts are from the key to the query, both included.

    As in the public code, gates are the sigmoid of the scaled score, positions share their vectors among the heads of a
    block, and these start at 0. Without a causal mask keys after the query count towards it too, with vectors of their
    own; the public code then counts to the end of the history, whatever the query.

    Formula: scores + q e[p_ij], p_ij = sum of g_ik over k from j to i, g = sigmoid(q k), e read between whole places
    Source: Golovneva et al. 2024, arXiv 2405.18719, equations 3 to 5
    Claim: positions of items that matter, where their number is not known
    Learnt: N * (L + 1) * D / H * (1 + (not causal))
    """

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        sides = 1 if shape.causal else 2
        self.vectors = nn.Parameter(
            torch.zeros(shape.blocks, sides, shape.max_length + 1, shape.dimension // shape.heads)
        )

    def gates(self, query: Tensor, keys: Tensor) -> Tensor:
        """How much each query counts each key, 0 .. 1. query: (B, H, m, Dh); keys: (B, H, n, Dh). (B, H, m, n)."""
        return (query @ keys.mT).sigmoid()

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """query: (B, H, n, Dh), scaled. Returns (B, H, n, n)."""
        if pairs.vectors is None:
            raise ValueError("cope needs the keys themselves")
        gates = self.gates(query, pairs.vectors)
        counted = (gates if pairs.visible is None else gates * pairs.visible).cumsum(3)  # up to each key
        own = counted.diagonal(dim1=2, dim2=3)[..., None]  # up to the query
        before = (own - counted + gates).clamp(0, self.shape.max_length)
        products = query @ self.vectors[block, 0].T  # (B, H, n, L + 1)
        found = interpolated(products, before)
        if self.shape.causal:
            return found
        itself = gates.diagonal(dim1=2, dim2=3)[..., None]
        after = (counted - own + itself).clamp(0, self.shape.max_length)
        later = interpolated(query @ self.vectors[block, 1].T, after)
        return torch.where(pairs.distance > 0, later, found)
