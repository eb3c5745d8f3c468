"""The best items: worked out by hand, and against a full stable sort."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from posrec.serve.top import top_items


def test_best_first_and_of_equals_the_smaller_number() -> None:
    scores = torch.tensor([[-torch.inf, 2.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    places, values = top_items(scores, 3)
    assert places.tolist() == [[2, 4, 1], [0, 1, 2]]
    assert values.tolist() == [[3.0, 3.0, 2.0], [0.0, 0.0, 0.0]]


@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 4))
def test_the_best_blocks_hold_the_best_items(seed: int, top: int, values: int) -> None:
    """Many items, most of them equal to others; some left out."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 10**values, (3, 256)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    scores[0, 10:] = -np.inf
    places, found = top_items(torch.from_numpy(scores), top)
    order = np.argsort(-scores, 1, kind="stable")[:, :top]
    assert np.array_equal(places.numpy(), order)
    assert np.array_equal(found.numpy(), np.take_along_axis(scores, order, 1))


@given(st.lists(st.lists(st.integers(0, 4), min_size=9, max_size=9), min_size=1, max_size=5), st.integers(1, 12))
def test_as_a_full_stable_sort(rows: list[list[int]], top: int) -> None:
    scores = np.array(rows, np.float32)
    places, values = top_items(torch.from_numpy(scores), top)
    order = np.argsort(-scores, 1, kind="stable")[:, :top]
    assert np.array_equal(places.numpy(), order)
    assert np.array_equal(values.numpy(), np.take_along_axis(scores, order, 1))
