"""Tables for terminals."""

import pytest

from posrec.text import table


def test_columns_are_aligned() -> None:
    rows = [("beauty", "12", "same"), ("x", "3", "differs a lot")]
    assert table(("data set", "n", "verdict"), rows, left=(0, 2)).splitlines() == [
        "data set   n  verdict",
        "beauty    12  same",
        "x          3  differs a lot",
    ]


def test_the_first_column_is_on_the_left_by_default() -> None:
    assert table(("a", "number"), [("long name", "1")]).splitlines() == ["a          number", "long name       1"]


def test_every_row_has_a_cell_per_column() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table(("a", "b"), [("1", "2"), ("1",)])
