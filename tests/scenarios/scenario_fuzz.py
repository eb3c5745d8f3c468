"""Three thousand mangled files of every format, and ten thousand tables through `posrec prepare`."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import ledger
from tests.data.prepare.fuzz import Table, check, tables
from tests.data.raw.formats.fuzz import (
    BINARY,
    CASES,
    ITEM_CASES,
    REVIEWS,
    Review,
    binary_contents,
    check_items,
    check_reviews,
    mangled,
)

CONTENTS = binary_contents()
pytestmark = pytest.mark.workflow
FILES, TABLES = 3000, 10_000
MANY = settings(
    max_examples=FILES,
    deadline=timedelta(seconds=10),  # a hang
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSREC_STORE", str(tmp_path / "store"))


def test_mangled_tables_are_prepared_as_they_say_or_the_error_names_file_line_or_key() -> None:
    prepared = 0

    @settings(MANY, max_examples=TABLES)
    @given(table=tables())
    def prepare(table: Table) -> None:
        nonlocal prepared
        prepared += check(table)

    prepare()
    ledger.note(f"prepared {TABLES} tables, half of them mangled: {prepared} gave data, the others named file or key")


@pytest.mark.parametrize("name", CASES)
def test_mangled_reviews_give_what_they_say_or_stop(name: str, tmp_path: Path) -> None:
    tables = 0

    @MANY
    @given(reviews=REVIEWS, data=st.data())
    def check(reviews: list[Review], data: st.DataObject) -> None:
        nonlocal tables
        tables += check_reviews(CASES[name], data.draw(mangled(CASES[name].content(reviews))), tmp_path)
        assert not (tmp_path / "pwned").exists()

    check()
    ledger.note(f"read {FILES} mangled files: {tables} still said something, the others stopped with file and line")


@pytest.mark.parametrize("name", ITEM_CASES)
def test_mangled_items_give_what_they_say_or_stop(name: str, tmp_path: Path) -> None:
    tables = 0

    @MANY
    @given(content=mangled(ITEM_CASES[name].content))
    def check(content: bytes) -> None:
        nonlocal tables
        tables += check_items(ITEM_CASES[name], content, tmp_path)
        assert not (tmp_path / "pwned").exists()

    check()
    ledger.note(f"read {FILES} mangled files: {tables} still said something, the others stopped with file and line")


@pytest.mark.parametrize("name", BINARY)
def test_mangled_binary_files_stop_or_hold_what_they_may(name: str, tmp_path: Path) -> None:
    tables = 0

    @MANY
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        nonlocal tables
        content = data.draw(mangled(data.draw(st.sampled_from(CONTENTS[name]))))
        tables += BINARY[name](content, tmp_path)
        assert not (tmp_path / "pwned").exists()

    check()
    ledger.note(f"read {FILES} mangled files: {tables} could be read, the others stopped")
