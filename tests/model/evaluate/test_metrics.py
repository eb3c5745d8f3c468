"""Metrics worked out by hand, and their bounds for any counts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posrec.model.evaluate.metrics import hit, mean_metrics, ndcg, reciprocal_rank

COUNTS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=30)


def test_hit_by_hand() -> None:
    greater, tied = np.array([0, 9, 10, 5, 8, 0]), np.array([0, 0, 0, 9, 3, 100])
    # ranks 6..15: 5 of 10 places count; ranks 9..12: 2 of 4; ranks 1..101: 10 of 101
    assert hit(greater, tied).tolist() == pytest.approx([1, 1, 0, 0.5, 0.5, 10 / 101])


def test_ndcg_by_hand() -> None:
    greater, tied = np.array([0, 1, 9, 10, 0, 9]), np.array([0, 0, 0, 0, 1, 1])
    expected = [1, 1 / math.log2(3), 1 / math.log2(11), 0, (1 + 1 / math.log2(3)) / 2, 1 / math.log2(11) / 2]
    assert ndcg(greater, tied).tolist() == pytest.approx(expected)


def test_reciprocal_rank_by_hand() -> None:
    assert reciprocal_rank(np.array([0, 3, 0]), np.array([0, 0, 2])).tolist() == pytest.approx(
        [1, 1 / 4, (1 + 1 / 2 + 1 / 3) / 3]
    )


def test_means() -> None:
    means = mean_metrics(np.array([0, 20]), np.array([0, 0]))
    assert means == pytest.approx({"Hit@10": 0.5, "NDCG@10": 0.5, "MRR": (1 + 1 / 21) / 2})


@given(COUNTS)
def test_tied_metrics_are_means_over_the_places(counts: list[tuple[int, int]]) -> None:
    greater, tied = (np.array(column) for column in zip(*counts, strict=True))
    none = np.zeros(1, int)
    for metric in (hit, ndcg, reciprocal_rank):
        found = metric(greater, tied)
        assert ((found >= 0) & (found <= 1)).all()
        g, t = counts[0]
        places = [float(metric(np.array([rank]), none)[0]) for rank in range(g, g + t + 1)]
        assert found[0] == pytest.approx(np.mean(places), abs=1e-12)
