"""The best items of each user from scores of all items: exact, and the same list for the same scores."""

from torch import Tensor


def top_items(scores: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """Places and scores of the `top` largest of each row; of equal scores the item with the smaller number is first.

    scores: (B, n), -inf where an item is left out. Returns (B, k) int64 and (B, k), k = min(top, n).
    """
    values, places = scores.topk(min(top, scores.shape[1]), 1)
    last = values[:, -1:]
    # torch takes any of the items that are equal to the last one: where not all of them fit, the first are wanted
    undecided = (scores == last).sum(1) > (values == last).sum(1)
    for row in undecided.nonzero().flatten().tolist():
        order = scores[row].sort(descending=True, stable=True).indices[: values.shape[1]]
        places[row], values[row] = order, scores[row, order]
    by_number = places.argsort(dim=1)
    values, places = values.gather(1, by_number), places.gather(1, by_number)
    by_score = values.argsort(dim=1, descending=True, stable=True)
    return places.gather(1, by_score), values.gather(1, by_score)
