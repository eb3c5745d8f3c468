"""The best items of each user from scores of all items: exact, and the same list for the same scores."""

import torch
from torch import Tensor

BLOCK = 64  # items; the best `top` items are in the `top` blocks with the largest maximum


def top_items(scores: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """Places and scores of the `top` largest of each row; of equal scores the item with the smaller number is first.

    scores: (B, n), -inf where an item is left out. Returns (B, k) int64 and (B, k), k = min(top, n). One pass over all
    scores finds the maxima of blocks; what follows reads the best blocks alone.
    """
    count = min(top, scores.shape[1])
    places, values, sure = _of_best_blocks(scores, count) if scores.shape[1] % BLOCK == 0 else _of_all(scores, count)
    for row in (~sure).nonzero().flatten().tolist():  # torch takes any of those equal to the last one
        order = scores[row].sort(descending=True, stable=True).indices[:count]
        places[row], values[row] = order, scores[row, order]
    by_number = places.argsort(dim=1)
    values, places = values.gather(1, by_number), places.gather(1, by_number)
    by_score = values.argsort(dim=1, descending=True, stable=True)
    return places.gather(1, by_score), values.gather(1, by_score)


def _of_all(scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Places and values of the largest (B, k), and whether no other score equals the last of them (B,)."""
    values, places = scores.topk(count, 1)
    return places, values, (scores >= values[:, -1:]).sum(1) == count


def _of_best_blocks(scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """As `_of_all`, by blocks: fewer than k blocks have a maximum above the k-th largest score, so all are read."""
    blocks = scores.unflatten(1, (-1, BLOCK))  # (B, n / BLOCK, BLOCK)
    maxima = blocks.amax(2)
    read = min(count, maxima.shape[1])
    best = maxima.topk(read, 1).indices  # (B, m)
    candidates = blocks.gather(1, best[..., None].expand(-1, -1, BLOCK)).flatten(1)  # (B, m * BLOCK)
    inside, values, sure = _of_all(candidates, count)
    places = best.gather(1, torch.div(inside, BLOCK, rounding_mode="floor")) * BLOCK + inside % BLOCK
    return places, values, sure & ((maxima >= values[:, -1:]).sum(1) <= read)
