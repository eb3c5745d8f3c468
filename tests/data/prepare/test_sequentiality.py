"""The sequentiality score: worked out by hand, near 0 without order, high with it."""

from collections.abc import Callable

import numpy as np
import pytest

from posrec.data.prepare import card
from posrec.data.prepare.prepared import Prepared
from posrec.data.prepare.sequentiality import sequentiality

DAY = 86_400


def _rows(histories: list[list[int]]) -> list[tuple[str, str, int]]:
    return [
        (f"u{user}", str(item), (user + place) * DAY)
        for user, items in enumerate(histories)
        for place, item in enumerate(items)
    ]


def test_a_chain_worked_out_by_hand(make_prepared: Callable[..., Prepared]) -> None:
    """Twenty items; u0 and u1 both went from 1 to 2, so u2's target 2 after 1 is the chain's first guess.

    u0's and u1's own targets never followed anything: each ties with the items outside its history, less itself and
    those that did follow its last item.
    """
    histories = [[1, 2, 3], [1, 2, 4], [5, 1, 2], *([item] for item in range(6, 21))]
    prepared = make_prepared(_rows(histories), [[] for _ in range(20)])
    found = sequentiality(prepared)
    assert found is not None
    # u0: after 2 nothing followed (targets are not learnt): 17 others outside {1, 2} tie with 3: 10 / 18. u1: the same.
    # u2: after 1 came 2, twice: certain.
    assert found.hit10 == pytest.approx((10 / 18 + 10 / 18 + 1) / 3)


def test_cycles_are_all_order_and_random_items_none(make_prepared: Callable[..., Prepared]) -> None:
    generator = np.random.default_rng(2)
    cycles = [[int((start + step) % 60) for step in range(30)] for start in generator.integers(0, 60, 150)]
    ordered = sequentiality(make_prepared(_rows(cycles), [[] for _ in range(60)]))
    assert ordered is not None
    assert ordered.hit10 > 0.95
    assert ordered.score is not None
    assert ordered.score > 0.5
    noise = [[int(item) for item in generator.choice(40, 6, replace=False)] for _ in range(150)]
    random = sequentiality(make_prepared(_rows(noise), [[] for _ in range(40)]))
    assert random is not None
    assert random.score is not None
    assert abs(random.score) < 0.2


def test_the_same_score_twice(make_prepared: Callable[..., Prepared]) -> None:
    prepared = make_prepared(_rows([[1, 2, 3, 4], [2, 3, 4, 1], [3, 1, 2, 4]]), [[] for _ in range(4)])
    assert sequentiality(prepared) == sequentiality(prepared)


def test_without_test_users_there_is_no_score(make_prepared: Callable[..., Prepared]) -> None:
    prepared = make_prepared(_rows([[1, 2], [2, 1]]), [[], []])
    assert sequentiality(prepared) is None
    assert card.summary(prepared)["sequentiality"] is None


def test_runs_of_one_time_by_hand() -> None:
    """u0: two at time 5, one at 6; u1: seven at 6 (another user's run doesn't go on)."""
    offsets, times = np.array([0, 3, 10]), np.array([5, 5, 6, *[6] * 7])
    assert card.tied_run_lengths(offsets, times) == {"1": 1, "2": 1, "3": 0, "4": 0, "5 or more": 1}
