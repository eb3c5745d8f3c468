"""Mangled files: no reader hangs, runs anything, or gives another table than the file says. More: `make scenarios`."""

import gzip
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from posrec.errors import DataError

from .fuzz import CASES, REVIEWS, Review, check_meta, check_reviews, mangled, meta_content, packed, read

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


@SOME
@example(data=meta_content())
@given(data=mangled(meta_content()))
def test_mangled_meta_data_give_what_they_say_or_stop(data: bytes, tmp_path: Path) -> None:
    check_meta(data, tmp_path)
    assert not (tmp_path / "pwned").exists()


@SOME
@given(reviews=REVIEWS, data=st.data())
def test_a_mangled_gzip_file_gives_the_same_or_stops(
    reviews: list[Review], data: st.DataObject, tmp_path: Path
) -> None:
    """gzip's own checksum guards all but its header, and nothing of that is read."""
    case = CASES["tables"]
    path = tmp_path / case.file
    path.write_bytes(data.draw(mangled(packed(case.file, case.content(reviews)))))
    found = read(case, tmp_path)
    if not isinstance(found, DataError):
        assert found == case.read(gzip.decompress(path.read_bytes()))
