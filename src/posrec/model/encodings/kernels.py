"""Kernels over positions: attention weights multiplied by them, or learnt in place of the products."""

import torch
from torch import Tensor, nn

from posrec.model.encodings.interface import Encoding, Pairs, Shape, Steps, register


def at_rows(matrix: Tensor, queries: Steps | None, keys: Steps | None) -> Tensor:
    """Entries of a matrix at the position rows of each pair.

    matrix: (H, L, L); rows of the queries (B, m) and of the keys (B, n). Returns (B, H, m, n).
    """
    if queries is None or keys is None:
        raise ValueError("this encoding needs the position rows of queries and keys")
    heads, length, _ = matrix.shape
    index = (queries.rows[:, :, None] * length + keys.rows[:, None, :]).flatten(1)  # (B, m * n)
    flat = matrix.flatten(1).expand(len(index), -1, -1)  # (B, H, L * L)
    found = flat.gather(2, index[:, None].expand(-1, heads, -1))
    return found.unflatten(2, (queries.rows.shape[1], keys.rows.shape[1]))


@register("kernel", "kernel", form=("toeplitz", "full"))
class Kernel(Encoding):
    """Attention weights multiplied by a learnt kernel over positions, in every block; near 1 at the start.

    toeplitz: by distance; full: the product of a lower and an upper triangular matrix, by the rows of query and key,
    whose first column and first row start at 1 and all else at N(0, 0.02). One for all heads. The weights no longer sum
    to 1. A kernel of nothing but 1 is `none`.

    Formula: weights * C[i, j], C learnt
    Source: arXiv 2602.21052 (Position-Aware Sequential Attention)
    Claim: above learnt, relative and rotary positions on seven data sets, not above rope on long repeated sequences
    Learnt: N * (2 * L - 1 if form == "toeplitz" else L * (L + 1))
    """

    places: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator, form: str = "toeplitz") -> None:
        super().__init__(shape, generator)
        self.form, length = form, shape.max_length
        if form == "toeplitz":
            self.by_distance = nn.Parameter(torch.ones(shape.blocks, 2 * length - 1))
            return
        entries = length * (length + 1) // 2
        self.lower, self.upper = (
            nn.Parameter(0.02 * torch.randn(shape.blocks, entries, generator=generator)) for _ in range(2)
        )
        rows, columns = torch.tril_indices(length, length)
        self.register_buffer("places", rows * length + columns, persistent=False)
        with torch.no_grad():
            self.lower[:, columns == 0] = 1
            self.upper[:, columns == 0] = 1

    def kernel(self, block: int) -> Tensor:
        """The full form's matrix: (L, L)."""
        length = self.shape.max_length
        lower, upper = (
            each.new_zeros(length * length).scatter(0, self.places, each).view(length, length)
            for each in (self.lower[block], self.upper[block])
        )
        return lower @ upper.T

    def measures(self) -> dict[str, float]:
        """How much the kernel differs from pair to pair: standard deviation of its entries, mean over blocks."""
        blocks = range(self.shape.blocks)
        entries = [self.kernel(block) if self.form == "full" else self.by_distance[block] for block in blocks]
        spreads = [float(each.detach().double().std(correction=0)) for each in entries]
        return {**super().measures(), "kernel_spread": sum(spreads) / len(spreads) if spreads else 0.0}

    def reweigh(self, weights: Tensor, pairs: Pairs, block: int) -> Tensor:
        """weights: (B, H, n, n). Returns their shape."""
        if self.form == "full":
            return weights * at_rows(self.kernel(block)[None], pairs.queries, pairs.keys)
        return weights * self.by_distance[block][pairs.distance + self.shape.max_length - 1]


@register("kernel_control", "control")
class KernelControl(Encoding):
    """The attention's output multiplied by a learnt gain for each channel; 1 at the start.

    What weights that need not sum to 1 give, without a position.

    Formula: output * g, g learnt
    Source: ours: `kernel` without position
    Learnt: N * D
    """

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.gain = nn.Parameter(torch.ones(shape.blocks, shape.dimension))

    def project(self, y: Tensor, block: int) -> Tensor:
        """y: (T, D). Returns (T, D)."""
        return y * self.gain[block]


@register("parec", "kernel")
class Parec(Encoding):
    """Attention weights learnt for each pair of position rows and each head; no product of queries and keys.

    N(0, 0.01) at the start, and divided by sqrt(Dh) before the softmax, as in the authors' code. The query and key
    layers stay in the model and learn nothing.

    Formula: scores = P[i, j] / sqrt(Dh), P learnt
    Source: Luo et al. 2024, arXiv 2407.02793 (PARec), and its code
    Claim: above SASRec
    Learnt: N * H * L * L
    """

    content = False

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        size = (shape.blocks, shape.heads, shape.max_length, shape.max_length)
        self.matrix = nn.Parameter(0.01 * torch.randn(size, generator=generator))

    def attention(self, block: int) -> Tensor:
        """The learnt scores: (H, L, L)."""
        return self.matrix[block]

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Returns (B, H, n, n)."""
        return at_rows(self.attention(block), pairs.queries, pairs.keys) / query.shape[3] ** 0.5


@register("fparec", "kernel", rank=40)
class FactorisedParec(Encoding):
    """`parec` whose matrix is the product of two of `rank` columns (40 in the authors' settings).

    Formula: scores = A[i] B[j] / sqrt(Dh), A, B learnt
    Source: Luo et al. 2024, arXiv 2407.02793 (FPARec), and its code
    Claim: above SASRec and PARec
    Learnt: 2 * N * H * L * rank
    """

    content = False

    def __init__(self, shape: Shape, generator: torch.Generator, rank: int = 40) -> None:
        super().__init__(shape, generator)
        size, spread = (shape.blocks, shape.heads, shape.max_length, rank), 0.1 / rank**0.25
        self.of_query, self.of_key = (nn.Parameter(spread * torch.randn(size, generator=generator)) for _ in range(2))

    def scores(self, query: Tensor, pairs: Pairs, block: int) -> Tensor:
        """Returns (B, H, n, n)."""
        matrix = self.of_query[block] @ self.of_key[block].mT
        return at_rows(matrix, pairs.queries, pairs.keys) / query.shape[3] ** 0.5
