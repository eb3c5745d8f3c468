"""RecBole's atomic files: typed headers, words and values as attributes."""

from pathlib import Path
from typing import Any

import pytest

from posrec.data.raw import formats
from posrec.errors import DataError

FILES = {"shop.inter": None, "shop.item": None}
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ITEM_HEADER = "item_id:token\ttitle:token_seq\tyear:token\tprice:float\tgenre:token\n"
ITEMS = ITEM_HEADER + "1\tToy Story\t1995\t3.5\tFun Talk\n2\t\t\t\t\n"


def source(**options: Any) -> dict[str, Any]:
    return {"format": "recbole", "files": FILES, "options": options}


def test_reviews(tmp_path: Path) -> None:
    (tmp_path / "shop.inter").write_text(HEADER + "196\t242\t3\t881250949\n186\t302\t3\t891717742.0\r\n")
    assert formats.read_reviews(tmp_path, source()).values.tolist() == [
        ["196", "242", 881250949],
        ["186", "302", 891717742],
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["Story", "Toy", "genre=Fun Talk", "year=1995"]),
        ({"attributes": ["year"]}, ["year=1995"]),
        ({"attributes": ["title", "price"]}, ["Story", "Toy"]),  # a quantity is not an attribute
        ({"words": ["genre"]}, ["Fun", "Talk"]),
        ({"attributes": ["year"], "words": ["genre"]}, ["Fun", "Talk", "year=1995"]),
    ],
)
def test_attributes(tmp_path: Path, options: dict[str, Any], expected: list[str]) -> None:
    (tmp_path / "shop.item").write_text(ITEMS)
    assert formats.read_attributes(tmp_path, source(**options), ["1", "2", "3"]) == {"1": expected, "2": []}


@pytest.mark.parametrize("header", ["user_id\titem_id\ttimestamp", "user_id:text\ta:token", "a:token\ta:float"])
def test_headers_without_types(tmp_path: Path, header: str) -> None:
    (tmp_path / "shop.inter").write_text(f"{header}\n1\t2\t3\n")
    with pytest.raises(DataError, match=r"shop.inter, line 1: the column '.*' is not a new name:type; types: token,"):
        formats.read_reviews(tmp_path, source())


@pytest.mark.parametrize("time", ["881250949.5", "881250949.", "8.8e8", "nan", "inf", ""])
def test_times_that_are_no_whole_seconds(tmp_path: Path, time: str) -> None:
    (tmp_path / "shop.inter").write_text(f"{HEADER}1\t2\t3\t{time}\n")
    with pytest.raises(DataError, match=f"line 2: timestamp is '{time}', not a whole number of seconds"):
        formats.read_reviews(tmp_path, source())
