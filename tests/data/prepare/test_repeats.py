"""Which targets the user had before, counted by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from posrec.data.prepare import repeats
from posrec.data.prepare.prepared import Prepared


def histories(*words: str) -> list[tuple[str, str, int]]:
    """Users a, b, c, ..., each with a letter per item in the order of time."""
    return [(user, item, time) for user, items in zip("abcdef", words, strict=False) for time, item in enumerate(items)]


def test_met_before_by_hand() -> None:
    found = repeats.met_before(np.array([0, 4, 6]), np.array([1, 2, 1, 1, 2, 1]))
    assert found.tolist() == [False, False, True, True, False, False]


def test_targets_that_were_in_the_history(make_prepared: Callable[..., Prepared]) -> None:
    prepared = make_prepared(histories("xyxx", "xyzw", "xxy", "xyy"))
    assert repeats.repeated_targets(prepared) == {"test": 2 / 4, "validation": 2 / 4}
    assert repeats.repeated_targets(make_prepared([("a", "x", 0)])) == {"test": 0.0, "validation": 0.0}
    new = repeats.new_targets(prepared, prepared.test)
    assert new is not None
    assert new.tolist() == [False, True, True, False]


@pytest.mark.parametrize("words", [("xyz", "xzy"), ("xyx", "yzy")])
def test_without_any_repeat_or_any_new_target_nothing_is_told_apart(
    make_prepared: Callable[..., Prepared], words: tuple[str, str]
) -> None:
    prepared = make_prepared(histories(*words))
    assert repeats.new_targets(prepared, prepared.test) is None
