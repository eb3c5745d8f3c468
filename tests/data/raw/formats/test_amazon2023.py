"""Amazon 2023: milliseconds, parent ASINs, JSON lines and the benchmark's CSV."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posrec.data.raw import formats
from posrec.errors import DataError

JSONL = {"format": "amazon2023", "files": {"Toys.jsonl.gz": None, "meta_Toys.jsonl.gz": None}}
CSV = {"format": "amazon2023", "files": {"Toys.csv.gz": None}}
Writer = Callable[..., Path]


def test_reviews_are_of_the_parent_item_in_whole_seconds(tmp_path: Path, write_gz: Writer) -> None:
    record = {"asin": "child", "parent_asin": "P", "user_id": "U", "timestamp": 1_588_687_728_923, "rating": 5.0}
    write_gz(tmp_path / "Toys.jsonl.gz", json.dumps(record))
    assert formats.read_reviews(tmp_path, JSONL).values.tolist() == [["U", "P", 1_588_687_728]]
    write_gz(tmp_path / "Toys.csv.gz", "user_id,parent_asin,rating,timestamp", "U,P,5.0,1588687728923")
    assert formats.read_reviews(tmp_path, CSV).values.tolist() == [["U", "P", 1_588_687_728]]


def test_meta_data(tmp_path: Path, write_gz: Writer) -> None:
    records: list[dict[str, Any]] = [
        {"parent_asin": "A", "categories": ["Toys", "Dolls"], "store": "Acme", "price": 10.0, "main_category": "X"},
        {"parent_asin": "B", "categories": [], "store": None, "price": None},
        {"parent_asin": "C", "price": "from 14.99"},
        {"parent_asin": "D", "price": "20.5"},
        {"parent_asin": "A", "categories": ["Second line"]},
    ]
    write_gz(tmp_path / "meta_Toys.jsonl.gz", *map(json.dumps, records))
    expected = {"A": ["Dolls", "Toys", "brand=Acme", "price=0"], "B": [], "C": [], "D": ["price=9"]}
    assert formats.read_attributes(tmp_path, JSONL, ["A", "B", "C", "D", "E"]) == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": 1_588_687_728}, r"timestamp is 1588687728, before 1990 in milliseconds \(seconds\?"),
        ({"timestamp": 1_588_687_728_923.5}, "not a whole number of milliseconds"),
        ({"timestamp": "1588687728923"}, "not a whole number of milliseconds"),
        ({"timestamp": True}, "timestamp is True, not a whole number"),
        ({"timestamp": 10**15}, "after the year 9999"),
        ({"parent_asin": None}, "parent_asin is None, not a text"),
        ({"user_id": " "}, "user_id is empty"),
    ],
)
def test_bad_reviews(tmp_path: Path, write_gz: Writer, change: dict[str, Any], reason: str) -> None:
    record = {"parent_asin": "P", "user_id": "U", "timestamp": 1_588_687_728_923}
    write_gz(tmp_path / "Toys.jsonl.gz", json.dumps(record), json.dumps({**record, **change}))
    with pytest.raises(DataError, match=f"Toys.jsonl.gz, line 2: .*{reason}"):
        formats.read_reviews(tmp_path, JSONL)


@pytest.mark.parametrize("price", [True, -1, {"value": 5}])
def test_bad_prices(tmp_path: Path, write_gz: Writer, price: Any) -> None:
    write_gz(tmp_path / "meta_Toys.jsonl.gz", json.dumps({"parent_asin": "P", "price": price}))
    with pytest.raises(DataError, match=r"line 1: price is .*, not a number of dollars"):
        formats.read_attributes(tmp_path, JSONL, ["P"])
