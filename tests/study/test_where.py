"""The condition of `where`: what it means, and where an error is."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posrec.study.where import NotComparableError, as_number, parse_where

ROW = {"event": "purchase", "rating": "4.5", "price": "4,50", "n": 3, "on": True, "a b": "x", "blank": "", "gone": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event = 'purchase'", True),
        ('event == "purchase"', True),
        ("event != 'purchase'", False),
        ("event <> 'view' and rating >= 4", True),
        ("rating > 4.5 or n = 3", True),
        ("not (rating > 4 and n < 3)", True),
        ("not rating > 4 or n < 3", False),
        ("event = 'view' or event = 'purchase' and n = 4", False),
        ("(event = 'view' or event = 'purchase') and n = 3", True),
        ("event in ('view', 'purchase')", True),
        ("n not in (1, 2)", True),
        ("n not in (1, 3)", False),
        ("`a b` = 'x'", True),
        ("\"a b\" = 'x'", True),
        ("blank is empty and gone is missing and n is not null", True),
        ("blank = 'x' or gone != 'x' or blank not in ('x')", False),  # an empty cell is true of no comparison
        ("on = true and on != false", True),
        ("n = '3' and price = 4.5", True),
        ("event >= 'p' AND event < 'q'", True),
        ("event = 'it''s'", False),
    ],
)
def test_what_conditions_mean(text: str, expected: bool) -> None:
    assert parse_where(text).test(ROW) is expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "place 1: expected a column, found the end"),
        ("event", "place 6: expected =, !=, <, <=, >, >=, in or is, found the end"),
        ("event = purchase", "place 9: expected 'text', a number, true or false, found 'purchase'; a text is written"),
        ("event = 'purchase", 'place 9: "\'purchase" is not understood: a quote that does not end'),
        ("event = 'a' rating = 4", "place 13: expected and, or, or the end, found 'rating'"),
        ("(event = 'a'", "place 13: expected ), found the end"),
        ("rating >= 4 and", "place 16: expected a column, found the end"),
        ("rating => 4", "place 9: expected 'text', a number"),
        ("n in 3", "place 6: expected (, found '3'"),
        ("n is 3", "place 6: expected empty or null or missing, found '3'"),
        ("__import__('os') = 1", "place 11: expected =, !="),
        ("a.system('x')", "place 9: expected =, !="),
        ("4 = rating", "place 1: expected a column, found '4'"),
        ("n = 3; drop", "place 6: '; drop' is not understood"),
        ("(" * 60 + "n = 1", "place 52: expected at most 50 nested conditions"),
    ],
)
def test_errors_name_the_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^place ") as caught:
        parse_where(text)
    assert str(caught.value).startswith(said)


@given(text=st.text(alphabet="ab'\"`=<>!()in ot1.,- \n", max_size=30))
def test_any_text_is_a_condition_or_an_error_with_its_place(text: str) -> None:
    said = ""
    try:
        where = parse_where(text)
    except ValueError as error:
        said = str(error)
    assert not said or said.startswith("place ")
    if not said:
        with contextlib.suppress(NotComparableError):
            assert where.test(dict.fromkeys(where.columns, "a")) in (True, False)


@pytest.mark.parametrize(
    ("cell", "decimal", "number"),
    [
        *(("4", None, 4), ("4.5", None, 4.5), ("4,5", None, 4.5), ("1.234,5", None, 1234.5), ("1,234.5", None, 1234.5)),
        *(
            ("1,234,567", None, 1234567),
            ("1.234.567", None, 1234567),
            ("1.234", None, 1.234),
            ("1 234,5", None, 1234.5),
        ),
        *(("1,234", ",", 1.234), ("1,234", ".", 1234), ("1.234", ",", 1234), ("-4,5", None, -4.5), ("1e3", None, 1000)),
        *((3, None, 3), (2.5, None, 2.5), (".5", None, 0.5)),
    ],
)
def test_numbers(cell: Any, decimal: str | None, number: float) -> None:
    assert as_number(cell, decimal) == number


@pytest.mark.parametrize(
    ("cell", "decimal"),
    [
        ("", None),
        ("x", None),
        ("1,234", None),
        ("4,5", "."),
        ("4.5", ","),
        ("1,23,4", None),
        ("nan", None),
        (None, None),
    ],
)
def test_texts_that_are_no_number(cell: Any, decimal: str | None) -> None:
    with pytest.raises(NotComparableError):
        as_number(cell, decimal)
