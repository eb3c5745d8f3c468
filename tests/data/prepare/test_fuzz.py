"""Two hundred tables through `posrec prepare`, half of them mangled. POSREC_FUZZ=10000 tries so many."""

from pathlib import Path

import pytest
from hypothesis import given

from tests.fuzzing import EXAMPLES

from .fuzz import Table, check, tables


@pytest.fixture(autouse=True)
def in_folder(workplace: Path) -> None:
    pass


@EXAMPLES
@given(table=tables())
def test_a_table_is_prepared_as_it_says_or_the_error_names_file_line_or_key(table: Table) -> None:
    check(table)


def test_the_tables_are_of_both_kinds() -> None:
    lines = [f"{user},{item},{1_000_000_000 + day}" for user in "ab" for day, item in enumerate("uvwx")]
    content = "\n".join(["customer,product,bought", *lines, "c,y,1000000000", ""]).encode()
    own = {"k_core": 1, "repeats": "all", "duplicates": "drop", "split": "leave_one_out", "tied_times": "file"}
    assert check(Table(",", content, own))
    assert not check(Table(",", content.replace(b"1000000000", b"10"), own))
    assert not check(Table(",", b"\r" + content, own))
