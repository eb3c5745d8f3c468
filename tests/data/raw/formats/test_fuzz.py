"""Mangled files: no reader hangs, runs anything, or gives another table than the file says. More: `make scenarios`."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .fuzz import BINARY, CASES, ITEM_CASES, REVIEWS, Review, binary_contents, check_items, check_reviews, mangled

CONTENTS = binary_contents()
SOME = settings(
    max_examples=60,
    deadline=timedelta(seconds=5),  # a hang
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CASES)
@SOME
@given(reviews=REVIEWS)
def test_every_format_gives_back_what_was_written(name: str, reviews: list[Review], tmp_path: Path) -> None:
    assert check_reviews(CASES[name], CASES[name].content(reviews), tmp_path)


@pytest.mark.parametrize("name", CASES)
@SOME
@given(reviews=REVIEWS, data=st.data())
def test_a_mangled_file_gives_what_it_says_or_stops(
    name: str, reviews: list[Review], data: st.DataObject, tmp_path: Path
) -> None:
    check_reviews(CASES[name], data.draw(mangled(CASES[name].content(reviews))), tmp_path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ITEM_CASES)
@SOME
@given(data=st.data())
def test_mangled_items_give_what_they_say_or_stop(name: str, data: st.DataObject, tmp_path: Path) -> None:
    case = ITEM_CASES[name]
    assert check_items(case, case.content, tmp_path)
    check_items(case, data.draw(mangled(case.content)), tmp_path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", BINARY)
@SOME
@given(data=st.data())
def test_mangled_binary_files_stop_or_hold_what_they_may(name: str, data: st.DataObject, tmp_path: Path) -> None:
    content = data.draw(st.sampled_from(CONTENTS[name]))
    assert BINARY[name](content, tmp_path)
    BINARY[name](data.draw(mangled(content)), tmp_path)
    assert not (tmp_path / "pwned").exists()
