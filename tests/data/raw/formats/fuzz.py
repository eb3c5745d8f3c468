"""Files of every format, ways to mangle them, and what must hold of a reader whatever it is given."""

import gzip
import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse
from hypothesis import strategies as st

from posrec.data.raw import formats
from posrec.data.raw.formats.pickled import read_matrix
from posrec.errors import DataError

from . import naive

Review = tuple[str, str, int]
IDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)
REVIEWS = st.lists(st.tuples(IDS, IDS, st.integers(631_152_000, 2_000_000_000)), min_size=1, max_size=8)
NASTY = [
    *(b"\t", b"\n", b"\r", b"\r\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xc2\x85"),
    *(b"-", b".", b".0", b",", b";", b":", b" ", b"_", b'"', b"'", b"\\", b"#", b"="),
    *(b"{", b"}", b"[", b"]", b"(", b")", b"(" * 300, b"[" * 500, b"-" * 3000, b"9" * 20, b"9" * 5000, b"\x1f\x8b"),
    *(b"NaN", b"nan", b"inf", b"-0", b"1e5", b"1_0", b"0x1", b"1L", b"True", b"None", b"null", b"\\u0009", b"\\ud800"),
    *(b"0", b"'brand': 'X', ", b'"asin": "X", ', b"__import__('os').system('touch pwned')"),
]

BORDERS = b"\t\n ,:\"'{["  # between fields


def tsv_line(*fields: object) -> bytes:
    return "\t".join(map(str, fields)).encode()


def amazon_json(user: str, item: str, time: int) -> bytes:
    return json.dumps({"reviewerID": user, "asin": item, "overall": 5.0, "unixReviewTime": time}).encode()


def amazon_jsonl(user: str, item: str, time: int) -> bytes:
    record = {"rating": 5.0, "parent_asin": item, "user_id": user, "timestamp": time * 1000 + 7}
    return json.dumps(record, ensure_ascii=False).encode()


def numbered(user: str, item: str) -> tuple[int, int]:
    """Numbers for two ids."""
    return sum(map(ord, user)), sum(map(ord, item))


def own(time: str, **more: Any) -> dict[str, Any]:
    table = {
        "user": "customer",
        "item": "product",
        "time": time,
        "time_unit": "seconds",
        "time_format": None,
        "separator": None,
        "encoding": "utf-8",
        "columns": None,
        "missing": "error",
    }
    return {"options": {"table": {**table, **more}, "items": None}}


@dataclass(frozen=True)
class Case:
    """A text format: its source, how a file of it is written, and the naive reader it is compared with."""

    format: str
    file: str
    line: Callable[[str, str, int], bytes]
    read: Callable[[bytes], list[Any]]
    header: bytes | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def content(self, reviews: list[Review]) -> bytes:
        lines = [*([self.header] if self.header else []), *(self.line(*review) for review in reviews)]
        return b"".join(line + b"\n" for line in lines)

    def source(self) -> dict[str, Any]:
        return {"format": self.format, "files": {self.file: None}, **self.more}


CASES = {
    "tables": Case(
        *("tables", "interactions.tsv.gz"),
        lambda user, item, time: tsv_line(user, 5, item, time),
        naive.table("\t", "user_id", "item_id", "timestamp", naive.a_number),
        b"user_id\trating\titem_id\ttimestamp",
    ),
    "2014": Case(
        "amazon2014", "reviews_Toys_5.json.gz", amazon_json, naive.json_reviews("reviewerID", "asin", "unixReviewTime")
    ),
    "2014 ratings": Case(
        *("amazon2014", "ratings_Toys.csv"),
        lambda user, item, time: f"{user},{item},4.0,{time}".encode(),
        naive.ratings,
    ),
    "2018": Case(
        "amazon2018", "Toys_5.json.gz", amazon_json, naive.json_reviews("reviewerID", "asin", "unixReviewTime")
    ),
    "2023": Case(
        *("amazon2023", "Toys.jsonl.gz", amazon_jsonl),
        naive.json_reviews("user_id", "parent_asin", "timestamp", milliseconds=True),
    ),
    "2023 csv": Case(
        *("amazon2023", "Toys.csv.gz"),
        lambda user, item, time: f"{user},{item},4.0,{time}000".encode(),
        naive.table(",", "user_id", "parent_asin", "timestamp", naive.from_milliseconds),
        b"user_id,parent_asin,rating,timestamp",
    ),
    "recbole": Case(
        *("recbole", "shop.inter"),
        lambda user, item, time: tsv_line(user, item, 4, f"{time}.0"),
        naive.recbole,
        b"user_id:token\titem_id:token\trating:float\ttimestamp:float",
    ),
    "carca": Case(
        "carca", "Video.txt.gz", lambda u, i, t: "{} {}".format(*numbered(u, i)).encode(), naive.carca(False)
    ),
    "carca times": Case(
        "carca", "Video_cxt.txt", lambda u, i, t: "{} {} {} ".format(*numbered(u, i), t).encode(), naive.carca(True)
    ),
    "own tsv": Case(
        *("own", "buys.tsv"),
        lambda user, item, time: tsv_line(time, user, item),
        naive.own("\t"),
        b"bought\tcustomer\tproduct",
        own("bought", path="buys.tsv"),
    ),
    "own csv": Case(
        *("own", "buys.csv.gz"),
        lambda user, item, time: f'"{user}",{item},"said ""no"", twice",{time}'.encode(),
        naive.own(","),
        b"customer,product,text,bought",
        own("bought", path="buys.csv.gz"),
    ),
}


@st.composite
def mangled(draw: st.DrawFn, content: bytes) -> bytes:
    """A content after one to three cuts, copies, exchanges, insertions or bits turned."""
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        borders = [0, *(place + 1 for place, byte in enumerate(content) if byte in BORDERS)]
        start = draw(st.sampled_from(borders) | st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 40)))
        piece = content[start:end]
        other = draw(st.sampled_from(borders))
        byte = bytes([draw(st.integers(0, 255))])
        nasty = draw(st.sampled_from(NASTY))
        content = draw(
            st.sampled_from(
                [
                    content[:start] + content[end:],
                    content[:start],
                    content[:start] + nasty + content[start:],
                    content[:start] + nasty + content[end:],
                    content[:start] + byte + content[start + 1 :],
                    content[:other] + piece + content[other:],
                ]
            )
        )
    return content


def packed(name: str, content: bytes) -> bytes:
    """A content as a file of that name holds it."""
    return gzip.compress(content, mtime=0) if name.endswith(".gz") else content


def read(case: Case, folder: Path) -> list[Any] | DataError:
    """The reader's rows, or what it said."""
    try:
        table = formats.read_reviews(folder, case.source())
    except DataError as error:
        return error
    return list(table.itertuples(index=False, name=None))


def check_reviews(case: Case, content: bytes, folder: Path) -> bool:
    """The reader gives what the naive reader gives, or stops where that one stops; whether there was a table."""
    (folder / case.file).write_bytes(packed(case.file, content))
    try:
        expected = case.read(content)
    except (ValueError, RecursionError):
        expected = None
    found = read(case, folder)
    if expected is None:
        assert isinstance(found, DataError)
        assert case.file in str(found)
    else:
        assert found == expected
    return expected is not None


@dataclass(frozen=True)
class ItemCase:
    """A text file of items: its source, a good content, and the naive reader it is compared with."""

    format: str
    file: str
    content: bytes
    read: Callable[[bytes], naive.Items]
    options: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)  # other files that the source needs, which stay good


META_2014 = [
    {"asin": "A1", "categories": [["Toys", "Games (old)"], ["Toys"]], "brand": "Acme", "price": 3.5, "title": 'It"s'},
    {"asin": "B2", "categories": [["Soap"]], "description": "back\\slash", "salesRank": {"Toys": 5}},
    {"asin": "C3", "related": {"also_bought": ["A1", "B2"]}, "price": 7, "brand": ""},
]
META_2018 = [
    {"asin": "A1", "category": ["Toys", "Games", "</span>"], "brand": "Acme", "price": "$3.50"},
    {"asin": "B2", "category": [], "brand": "", "price": ".a-box{color:#fff}"},
]
META_2023 = [
    {"parent_asin": "A1", "categories": ["Toys", "Games"], "store": "Acme", "price": 3.5, "title": "x"},
    {"parent_asin": "B2", "categories": [], "store": None, "price": "from 14.99"},
]
OWN_ITEMS = {
    "path": "items.csv",
    "item": "sku",
    "attributes": ["brand", "tags"],
    "parted_by": "|",
    "separator": None,
    "encoding": "utf-8",
    "columns": None,
}


def lines(texts: list[str]) -> bytes:
    return "".join(text + "\n" for text in texts).encode()


ITEM_CASES = {
    "2014": ItemCase(
        "amazon2014", "meta_Toys.json.gz", lines([repr(record) for record in META_2014]), naive.literal_items
    ),
    "2018": ItemCase(
        "amazon2018", "meta_Toys.json.gz", lines([json.dumps(record) for record in META_2018]), naive.items_2018
    ),
    "2023": ItemCase(
        "amazon2023", "meta_Toys.jsonl.gz", lines([json.dumps(record) for record in META_2023]), naive.items_2023
    ),
    "tables": ItemCase(
        *("tables", "items.tsv.gz"),
        lines(["item_id\tbrand\tcategories", "A1\tb7\tc1 c0", "B2\t\tc2"]),
        naive.items_tables,
    ),
    "names of attributes": ItemCase(
        *("tables", "attributes.tsv.gz"),
        lines(["attribute_id\tname", "7\tSoap", "8\t", "9\tFace Care"]),
        naive.items_named,
        beside={"items.tsv.gz": lines(["item_id\tattribute_ids", "A1\t7 8", "B2\t9"])},
    ),
    "recbole": ItemCase(
        *("recbole", "shop.item"),
        lines(["item_id:token\ttitle:token_seq\tyear:token\tprice:float", "A1\tToy Story\t1995\t3.5", "B2\t\t\t"]),
        naive.items_recbole,
    ),
    "own": ItemCase(
        *("own", "items.csv"),
        lines(["sku,brand,text,tags", 'A1,Acme,"said ""no""",red|round', "B2,,,"]),
        naive.items_own,
        {"table": {}, "items": OWN_ITEMS},
    ),
}


def check_items(case: ItemCase, content: bytes, folder: Path) -> bool:
    """As `check_reviews`, for the attributes of items without the bins of their prices."""
    for name, text in {case.file: content, **case.beside}.items():
        (folder / name).write_bytes(packed(name, text))
    try:
        expected = case.read(content)
    except (ValueError, RecursionError):
        expected = None
    found = read_items(case, folder, [name for name, _ in expected] if expected else ["A1"])
    if not expected:  # also where it has no item
        assert isinstance(found, DataError)
        assert case.file in str(found)
    else:
        assert found == expected
    return expected is not None


def read_items(case: ItemCase, folder: Path, items: list[str]) -> naive.Items | DataError:
    """The reader's items and attributes, without the bins of prices, or what it said."""
    source = {"format": case.format, "files": dict.fromkeys([case.file, *case.beside]), "options": case.options}
    try:
        found = formats.read_attributes(folder, source, items)
    except DataError as error:
        return error
    kept = {item: tuple(sorted(n for n in names if n[:6] != "price=")) for item, names in found.items()}
    return sorted(kept.items())


def check_pickled(content: bytes, folder: Path) -> bool:
    """A pickle has no checksum (the lock file has): other numbers may come out, but never anything else."""
    path = folder / "Shop_feat.dat"
    path.write_bytes(content)
    try:
        found = read_matrix(path)
    except DataError:
        return False
    assert found.dtype == np.float32
    assert found.ndim == 2
    assert found.size <= 8 * len(content)
    return True


def check_parquet(content: bytes, folder: Path) -> bool:
    """Nor do the values of Parquet (the data set's id has): what comes out are ids and times."""
    (folder / "buys.parquet").write_bytes(content)
    source = {"format": "own", "files": {"buys.parquet": None}, **own("bought", path="buys.parquet")}
    try:
        table = formats.read_reviews(folder, source)
    except DataError:
        return False
    assert table["time"].between(0, 253_402_300_799).all()
    assert all(isinstance(value, str) and value.strip() for value in [*table["user"], *table["item"]])
    return True


def check_parquet_items(content: bytes, folder: Path) -> bool:
    """The same of a table of items: what comes out are ids, and names of the columns that were asked for."""
    (folder / "items.parquet").write_bytes(content)
    options = {"table": {}, "items": {**OWN_ITEMS, "path": "items.parquet"}}
    source = {"format": "own", "files": {"items.parquet": None}, "options": options}
    try:
        found = formats.read_attributes(folder, source, ["A1", "B2"])
    except DataError:
        return False
    assert set(found) <= {"A1", "B2"}
    assert all(name.startswith(("brand=", "tags=")) for names in found.values() for name in names)
    return True


def check_images(content: bytes, folder: Path) -> bool:
    """Bytes are read as they are."""
    (folder / "image_features_Toys.b").write_bytes(content)
    try:
        found = formats.read_features(folder, {"format": "amazon2014", "files": {"image_features_Toys.b": None}})
    except DataError:
        return False
    assert found is not None
    again = b"".join(asin.encode() + row.tobytes() for asin, row in zip(*found, strict=True))
    assert hashlib.sha256(again).digest() == hashlib.sha256(content).digest()
    return True


def check_packed(content: bytes, folder: Path) -> bool:
    """The checksums of gzip and zip guard all that is read: the table is the whole one, or none."""
    case = CASES["own csv"]
    name = "buys.csv.zip" if content.startswith(b"PK") else "buys.csv.gz"
    (folder / name).write_bytes(content)
    source = {"format": "own", "files": {name: None}, **own("bought", path=name)}
    try:
        table = formats.read_reviews(folder, source)
    except DataError:
        return False
    assert list(table.itertuples(index=False, name=None)) == PACKED_REVIEWS, case
    return True


PACKED_REVIEWS = [("U1", "A1", 1_000_000_000), ("U2", "A2", 1_000_086_400), ("Ü", "日本", 1_000_086_401)]
MATRIX = np.array([[0.5, -1, 2e6], [0, 3, 4]])


def binary_contents() -> dict[str, list[bytes]]:
    """Good files of every binary kind."""
    text = CASES["own csv"].content(PACKED_REVIEWS)
    zipped, parquet, items = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("buys.csv", text)
    columns = {"customer": ["U1", "U2"] * 9, "product": [f"A{n}" for n in range(18)]}
    pl.DataFrame({**columns, "bought": range(10**9, 10**9 + 18)}).write_parquet(parquet)
    pl.DataFrame({"sku": ["A1", "B2"], "brand": ["Acme", None], "tags": ["red|round", ""]}).write_parquet(items)
    matrices = (MATRIX, scipy.sparse.csr_matrix(MATRIX))
    pickles = [pickle.dumps(value, protocol=number) for value in matrices for number in range(6)]
    image = b"".join(asin + np.full(4096, 0.5, dtype="<f4").tobytes() for asin in (b"B000000001", b"0000031852"))
    return {
        "pickled": pickles,
        "parquet": [parquet.getvalue()],
        "parquet items": [items.getvalue()],
        "images": [image],
        "packed": [gzip.compress(text, mtime=0), zipped.getvalue()],
    }


BINARY = {
    "pickled": check_pickled,
    "parquet": check_parquet,
    "parquet items": check_parquet_items,
    "images": check_images,
    "packed": check_packed,
}
