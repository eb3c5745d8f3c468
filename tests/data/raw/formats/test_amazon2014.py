"""Amazon 2014: JSON lines, ratings without a header, meta data as Python dictionaries that are never evaluated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posrec.data.raw import formats
from posrec.errors import DataError

FILES = {"reviews_Toys_5.json.gz": None, "meta_Toys.json.gz": None}
SOURCE = {"format": "amazon2014", "files": FILES}
Writer = Callable[..., Path]


def attributes(folder: Path, *items: str) -> dict[str, list[str]]:
    return formats.read_attributes(folder, SOURCE, items)


def test_reviews_and_ratings(tmp_path: Path, write_gz: Writer) -> None:
    write_gz(
        tmp_path / "reviews_Toys_5.json.gz", '{"reviewerID": "U", "asin": "A", "unixReviewTime": 7, "helpful": [0, 1]}'
    )
    (tmp_path / "ratings_Toys.csv").write_bytes(b"U,A,5.0,7\nV,B,1.0,0\n")
    assert formats.read_reviews(tmp_path, SOURCE).values.tolist() == [["U", "A", 7]]
    ratings = {"format": "amazon2014", "files": {"ratings_Toys.csv": None, "meta_Toys.json.gz": None}}
    assert formats.read_reviews(tmp_path, ratings).values.tolist() == [["U", "A", 7], ["V", "B", 0]]


def test_meta_data(tmp_path: Path, write_gz: Writer) -> None:
    write_gz(
        tmp_path / "meta_Toys.json.gz",
        """{'asin': 'A', 'categories': [['Toys', 'Games'], ['Toys', ' Dolls ']], 'brand': ' Acme ', 'price': 3.5}""",
        """{'asin': 'A', 'categories': [['Second line']]}""",
        """{'asin': 'B', 'title': "It's \\d", 'price': 9, 'related': {'viewed': ['A']}, 'salesRank': {'X': 5}}""",
        """{'asin': 'unused', 'categories': [['X']], 'price': 0.01}""",
    )
    expected = {"A": ["Dolls", "Games", "Toys", "brand=Acme", "price=0"], "B": ["price=9"]}
    assert attributes(tmp_path, "A", "B", "C") == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("__import__('os').system('touch pwned')", "not a Python dictionary"),
        ("{'asin': __import__('os').system('touch pwned')}", "not a Python dictionary of plain values"),
        ("{'asin': open('pwned', 'w').write('x')}", "not a Python dictionary of plain values"),
        ("{'asin': [x for x in ().__class__.__base__.__subclasses__()]}", "not a Python dictionary of plain values"),
        ("{'asin': 'A', **{'asin': 'B'}}", "not a Python dictionary of plain values"),
        ("{'asin': f'{1}'}", "not a Python dictionary of plain values"),
        ("{'asin': 'A'", "not a Python dictionary of plain values"),
        ("['asin']", "not a Python dictionary"),
        ("", "not a Python dictionary"),
        ("{'asin': 'A', 'asin': 'B'}", "a key is there twice"),
        ("{'title': 'A'}", "the key asin is missing"),
        ("{'asin': 5}", "asin is 5, not a text"),
        ("{'asin': b'A'}", "asin is b'A', not a text"),
        ("{'asin': 'A\\tB'}", "asin is .*: a tab, a line end or another control character"),
        ("{'asin': 'A', 'categories': ['Toys']}", "categories is not a list of lists of texts"),
        ("{'asin': 'A', 'brand': 5}", "brand is 5, not a text"),
        ("{'asin': 'A', 'price': '5'}", "price is '5', not a number of dollars"),
        ("{'asin': 'A', 'price': 1e999}", "price is inf, not a number of dollars"),
        ("{'asin': 'A', 'price': -1}", "price is -1, not a number of dollars"),
        ("{'asin': " + "(" * 10_000 + "}", "not a Python dictionary of plain values"),
        ("{'asin': " + "[" * 150 + "]" * 150 + "}", "asin is \\[\\[\\["),
        ("{'asin': " + "-" * 100_000 + "1}", "not a Python dictionary of plain values"),
        ("{'asin': " + "9" * 10_000 + "}", "not a Python dictionary of plain values"),
        ("{'asin': 1" + "+1" * 100_000 + "}", "not a Python dictionary of plain values"),
        ("{'asin': '" + "A" * 2**20 + "'}", "longer than 1,048,576 characters"),
        (b"{'asin': '\xff'}", "not UTF-8"),
        ("{'asin': 'A\x00'}", "not a Python dictionary of plain values"),
    ],
)
def test_meta_data_are_read_not_evaluated(
    tmp_path: Path, write_gz: Writer, monkeypatch: pytest.MonkeyPatch, line: str | bytes, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_gz(tmp_path / "meta_Toys.json.gz", "{'asin': 'A'}", line)
    with pytest.raises(DataError, match=f"meta_Toys.json.gz, line 2: {reason}"):
        attributes(tmp_path, "A")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("U,A,5.0", "3 columns, not the 4 of user,item,rating,timestamp"),
        ("U,A,5.0,7,8", "5 columns"),
        ("U,A,7,5.0", "rating is '7', not a number from 0 to 5"),
        ("U,A,nan,7", "rating is 'nan'"),
        ("U,,5.0,7", "item is empty"),
        ("U,A,5.0,7.5", "timestamp is '7.5', not a whole number of seconds"),
    ],
)
def test_bad_ratings(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "ratings_Toys.csv").write_text(f"U,A,5.0,7\n{line}\n")
    with pytest.raises(DataError, match=f"ratings_Toys.csv, line 2: {reason}"):
        formats.read_reviews(tmp_path, {"format": "amazon2014", "files": {"ratings_Toys.csv": None}})


def test_files_that_the_source_must_have(tmp_path: Path) -> None:
    both: dict[str, Any] = {"format": "amazon2014", "files": {"ratings_Toys.csv": None, "reviews_Toys.json.gz": None}}
    with pytest.raises(DataError, match="exactly one file of reviews or ratings, it lists 2"):
        formats.read_reviews(tmp_path, both)
    assert formats.read_attributes(tmp_path, both, ["A"]) == {}
