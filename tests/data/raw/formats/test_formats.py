"""Readers: tiny files with known tables, and no mangled line that passes in silence."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posrec.data.raw import formats
from posrec.data.raw.formats.amazon2018 import read_price
from posrec.data.raw.formats.raw import price_bins
from posrec.errors import DataError

TABLES = {"format": "tables", "files": {"interactions.tsv.gz": None, "items.tsv.gz": None, "attributes.tsv.gz": None}}
BARE = {"format": "tables", "files": {"interactions.tsv.gz": None, "items.tsv.gz": None}}
AMAZON = {"format": "amazon2018", "files": {"Toys_5.json.gz": None, "meta_Toys.json.gz": None}}
HEADER = "user_id\titem_id\ttimestamp"
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Writer = Callable[..., Path]


def rows_of(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(table.itertuples(index=False, name=None))


def review(user: Any = "U", item: Any = "A", time: Any = 5, **more: Any) -> str:
    return json.dumps({"reviewerID": user, "asin": item, "unixReviewTime": time, **more})


def test_tables_in_file_order_by_column_name(tmp_path: Path, write_gz: Writer) -> None:
    write_gz(
        tmp_path / "interactions.tsv.gz",
        "timestamp\trating\titem_id\tuser_id",
        "20\t5\t7\tb",
        "10\t1\t8\ta",
        "10\t1\t8\ta",
    )
    table = formats.read_reviews(tmp_path, BARE)
    assert rows_of(table) == [("b", "7", 20), ("a", "8", 10), ("a", "8", 10)]
    assert list(table.columns) == ["user", "item", "time"]
    assert table["time"].dtype == "int64"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a\tb", "2 columns, but the header has 3"),
        ("a\tb\t1\t2", "4 columns"),
        ("", "1 columns"),
        ("a\tb\t1.5", "timestamp is '1.5', not a whole number"),
        ("a\tb\tnan", "not a whole number"),
        ("a\tb\t", "not a whole number"),
        ("a\tb\t1_000", "not a whole number"),
        ("a\tb\t-3", "timestamp is -3, before 1970"),
        ("a\tb\t1386201600000", "milliseconds"),
        ("\tb\t1", "user_id is empty"),
        ("a\t \t1", "item_id is empty"),
        (b"a\t\xff\t1", "not UTF-8"),
    ],
)
def test_bad_table_line_is_named(tmp_path: Path, write_gz: Writer, line: str | bytes, reason: str) -> None:
    write_gz(tmp_path / "interactions.tsv.gz", HEADER, "a\tb\t1", line, "worse")
    with pytest.raises(DataError, match=f"interactions.tsv.gz, line 3: .*{reason}"):
        formats.read_reviews(tmp_path, BARE)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("user_id\titem_id", "column timestamp is missing"),
        (HEADER + "\tuser_id", "header has the column user_id twice"),
    ],
)
def test_bad_header(tmp_path: Path, write_gz: Writer, header: str, reason: str) -> None:
    write_gz(tmp_path / "interactions.tsv.gz", header, "a\tb\t1")
    with pytest.raises(DataError, match=f"line 1: the {reason}"):
        formats.read_reviews(tmp_path, BARE)


def test_attribute_ids_get_their_names(tmp_path: Path, write_gz: Writer) -> None:
    write_gz(tmp_path / "items.tsv.gz", "item_id\tasin\tattribute_ids", "1\tX\t2 1 2", "2\tY\t", "1\tX\t1", "9\tZ\t1")
    write_gz(tmp_path / "attributes.tsv.gz", "attribute_id\tname", "1\tSoap", "2\tMake up", "3\t")
    assert formats.read_attributes(tmp_path, TABLES, {"1", "2", "5"}) == {"1": ["Make up", "Soap"], "2": []}
    assert formats.read_attributes(tmp_path, BARE, {"1"}) == {"1": ["1", "2"]}
    assert formats.read_attributes(tmp_path, {"format": "tables", "files": {"interactions.tsv.gz": None}}, {"1"}) == {}


def test_brand_and_categories(tmp_path: Path, write_gz: Writer) -> None:
    write_gz(tmp_path / "items.tsv.gz", "item_id\tbrand\tcategories", "0\tb7\tc1 c0", "1\t\tc2")
    assert formats.read_attributes(tmp_path, BARE, {"0", "1"}) == {"0": ["brand=b7", "c0", "c1"], "1": ["c2"]}


def test_bad_item_files(tmp_path: Path, write_gz: Writer) -> None:
    write_gz(tmp_path / "attributes.tsv.gz", "attribute_id\tname", "1\tSoap")
    write_gz(tmp_path / "items.tsv.gz", "item_id\tasin\tattribute_ids", "1\tX\t1", "2\tX\t1 7")
    with pytest.raises(DataError, match=r"items.tsv.gz, line 3: attribute 7 is not in attributes.tsv.gz"):
        formats.read_attributes(tmp_path, TABLES, {"1"})
    write_gz(tmp_path / "attributes.tsv.gz", "attribute_id\tname", "1\tSoap", "1\tOil")
    with pytest.raises(DataError, match=r"attributes.tsv.gz, line 3: attribute_id 1 is there twice"):
        formats.read_attributes(tmp_path, TABLES, {"1"})
    write_gz(tmp_path / "items.tsv.gz", "item_id\tasin", "1\tX")
    with pytest.raises(DataError, match="line 1: none of the columns attribute_ids, brand, categories"):
        formats.read_attributes(tmp_path, BARE, {"1"})


def test_json_lines(tmp_path: Path, write_gz: Writer) -> None:
    write_gz(tmp_path / "Toys_5.json.gz", review("b", "Y", 20, overall=5.0), review("ä", "X", 10), review("ä", "X", 10))
    table = formats.read_reviews(tmp_path, AMAZON)
    assert rows_of(table) == [("b", "Y", 20), ("ä", "X", 10), ("ä", "X", 10)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"reviewerID": "U", "asin": ', "not valid JSON"),
        ("", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ('{"asin": "A", "unixReviewTime": 5}', "key reviewerID is missing"),
        ('{"reviewerID": "U", "unixReviewTime": 5}', "key asin is missing"),
        ('{"reviewerID": "U", "asin": "A"}', "key unixReviewTime is missing"),
        ('{"reviewerID": "U", "asin": "A", "unixReviewTime": NaN}', "NaN is not JSON"),
        (review(time=1.5), "unixReviewTime is 1.5, not a whole number"),
        (review(time="5"), "unixReviewTime is '5', not a whole number"),
        (review(time=True), "unixReviewTime is True"),
        (review(time=None), "unixReviewTime is None"),
        (review(time=-1), "before 1970"),
        (review(time=1386201600000), "milliseconds"),
        (review(user=""), "reviewerID is empty"),
        (review(item=17), "asin is 17, not a text"),
        (review(item="\ud800"), "not valid Unicode"),
        (b'{"reviewerID": "\xff"}', "not UTF-8"),
    ],
)
def test_bad_json_line_is_named(tmp_path: Path, write_gz: Writer, line: str | bytes, reason: str) -> None:
    write_gz(tmp_path / "Toys_5.json.gz", review(), line, "worse")
    with pytest.raises(DataError, match=f"Toys_5.json.gz, line 2: .*{reason}"):
        formats.read_reviews(tmp_path, AMAZON)


def test_meta_data(tmp_path: Path, write_gz: Writer) -> None:
    lines = [
        {"asin": "X", "category": ["Toys", "Toys", "</span></span>"], "brand": " Acme ", "price": "$10.00"},
        {"asin": "unused", "category": ["Toys"], "brand": "", "price": "$0.01"},
        {"asin": "Y", "category": [], "brand": "", "price": ".a-box{color:#fff}"},
        {"asin": "X", "category": ["Later"], "brand": "", "price": ""},
        {"asin": "Z", "price": "$20.00"},
    ]
    write_gz(tmp_path / "meta_Toys.json.gz", *(json.dumps(line) for line in lines))
    expected = {"X": ["Toys", "brand=Acme", "price=0"], "Y": [], "Z": ["price=9"]}
    assert formats.read_attributes(tmp_path, AMAZON, {"X", "Y", "Z", "without meta"}) == expected


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"category": []}, "the key asin is missing"),
        ({"asin": "A", "category": "Toys"}, "category is not a list of texts"),
        ({"asin": "A", "brand": 5}, "brand is 5, not a text"),
        ({"asin": "A", "price": 5.0}, "price is 5.0, not a text"),
    ],
)
def test_bad_meta_line_is_named(tmp_path: Path, write_gz: Writer, record: dict[str, Any], reason: str) -> None:
    write_gz(tmp_path / "meta_Toys.json.gz", '{"asin": "A"}', json.dumps(record))
    with pytest.raises(DataError, match=f"meta_Toys.json.gz, line 2: {reason}"):
        formats.read_attributes(tmp_path, AMAZON, {"A"})


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("$12.99", 12.99),
        ("$1,299.00", 1299.0),
        (" $5 ", 5.0),
        ("", None),
        ("$5.00 - $9.00", None),
        ("5", None),
        ("$1,2", None),
    ],
)
def test_prices(text: str, price: float | None) -> None:
    assert read_price(text) == price


def test_price_bins_are_deciles_and_equal_prices_share_one() -> None:
    assert price_bins([float(n) for n in range(20, 0, -1)]) == [n // 2 for n in range(19, -1, -1)]
    assert len(set(price_bins([3.0, 3.0, 3.0]))) == 1
    assert price_bins([]) == []


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "interactions.tsv.gz"
    with pytest.raises(DataError, match=r"interactions.tsv.gz: missing"):
        formats.read_reviews(tmp_path, BARE)
    for content, reason in [(b"", "empty"), (b"plain text", "not a readable gzip"), (gzip.compress(b""), "empty")]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=reason):
            formats.read_reviews(tmp_path, BARE)
    path.write_bytes(gzip.compress(f"{HEADER}\n".encode()))
    with pytest.raises(DataError, match="holds no reviews"):
        formats.read_reviews(tmp_path, BARE)
    path.write_bytes(gzip.compress(f"{HEADER}\na\tb\t13".encode()))
    with pytest.raises(DataError, match="line 2: the last line has no line end"):
        formats.read_reviews(tmp_path, BARE)


def test_unknown_format_and_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'csv' is not known; known: tables, amazon2014, amazon2018"):
        formats.read_reviews(tmp_path, {"format": "csv", "files": {}})
    with pytest.raises(DataError, match="exactly one file of reviews, it lists 2"):
        formats.read_reviews(tmp_path, {"format": "amazon2018", "files": {"a.json.gz": None, "b.json.gz": None}})


IDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=6)
REVIEWS = st.lists(st.tuples(IDS, IDS, st.integers(0, 2_000_000_000)), min_size=1, max_size=8)


@SOME
@given(reviews=REVIEWS)
def test_both_formats_give_back_what_was_written(
    reviews: list[tuple[str, str, int]], tmp_path: Path, write_gz: Writer
) -> None:
    write_gz(tmp_path / "interactions.tsv.gz", HEADER, *("\t".join(map(str, row)) for row in reviews))
    write_gz(tmp_path / "Toys_5.json.gz", *(review(*row) for row in reviews))
    assert rows_of(formats.read_reviews(tmp_path, BARE)) == reviews
    assert rows_of(formats.read_reviews(tmp_path, AMAZON)) == reviews


@SOME
@given(reviews=REVIEWS, data=st.data())
def test_a_mangled_table_line_stops(
    reviews: list[tuple[str, str, int]], data: st.DataObject, tmp_path: Path, write_gz: Writer
) -> None:
    lines = ["\t".join(map(str, row)).encode() for row in reviews]
    place = data.draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    at = data.draw(st.integers(0, len(line)))
    time_at = data.draw(st.integers(line.rindex(b"\t") + 1, len(line)))
    insert = data.draw(st.sampled_from([b"\t", b"\n", b"\xff"]))
    spoil = data.draw(st.sampled_from([b"-", b".", b" ", b"e", b"x", b"\t"]))
    lines[place] = data.draw(
        st.sampled_from(
            [line[:at] + insert + line[at:], line[:time_at] + spoil + line[time_at:], line.replace(b"\t", b"", 1)]
        )
    )
    write_gz(tmp_path / "interactions.tsv.gz", HEADER, *lines)
    with pytest.raises(
        DataError, match=rf"line ({place + 2}|{place + 3}):"
    ):  # a line that was split may fail in its rest
        formats.read_reviews(tmp_path, BARE)


@SOME
@given(reviews=REVIEWS, data=st.data())
def test_a_mangled_json_line_stops(
    reviews: list[tuple[str, str, int]], data: st.DataObject, tmp_path: Path, write_gz: Writer
) -> None:
    lines = [review(*row).encode() for row in reviews]
    place = data.draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    at = data.draw(st.integers(1, len(line) - 1))
    cut, spoilt = line[:at], line[:at] + data.draw(st.sampled_from([b"\xff", b"\n", b"\x00"])) + line[at:]
    lines[place] = data.draw(st.sampled_from([cut, spoilt, line + line, b"[" + line + b"]"]))
    write_gz(tmp_path / "Toys_5.json.gz", *lines)
    with pytest.raises(DataError, match=rf"line {place + 1}:"):
        formats.read_reviews(tmp_path, AMAZON)


@SOME
@given(reviews=REVIEWS, share=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_stops(reviews: list[tuple[str, str, int]], share: float, tmp_path: Path, write_gz: Writer) -> None:
    path = write_gz(tmp_path / "interactions.tsv.gz", HEADER, *("\t".join(map(str, row)) for row in reviews))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"ends early|empty|not a readable gzip"):
        formats.read_reviews(tmp_path, BARE)
