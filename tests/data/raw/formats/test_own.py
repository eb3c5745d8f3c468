"""A user's own tables: TSV, CSV and Parquet with the columns that the study names."""

import datetime
import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posrec.data.raw import formats
from posrec.errors import DataError, StudyError
from posrec.plan import ids
from posrec.study.settings.dataset import DatasetSettings

T = 1_000_000_000
ROWS = [["U1", "A1", 1_000_000_000], ["U2", "A2", 1_000_086_400]]


def read(path: str, **table: Any) -> list[list[Any]]:
    dataset = dataset_of(path, **table)
    return formats.read_reviews(Path(), ids.source_of("shop", dataset)).values.tolist()


def dataset_of(path: str, items: dict[str, Any] | None = None, **table: Any) -> DatasetSettings:
    columns = {"user": "customer", "item": "product", "time": "bought", **table}
    return DatasetSettings.model_validate({"table": {"path": path, **columns, "items": items}})


@pytest.fixture(autouse=True)
def in_folder(workplace: Path) -> None:
    pass


def test_text_tables_by_their_ending() -> None:
    Path("a.tsv").write_text("bought\tcustomer\tx\tproduct\n1000000000\tU1\t\tA1\n1000086400.0\tU2\t\tA2\n")
    Path("b.csv").write_text('customer,product,bought\nU1,A1,1000000000\n"U2","A2","1000086400"\n')
    Path("c.csv.gz").write_bytes(gzip.compress(Path("b.csv").read_bytes()))
    Path("d.csv").write_text("customer;product;bought\nU1;A1;1000000000\nU2;A2;1000086400\n")
    Path("e.txt").write_text("customer|product|bought\nU1|A1|1000000000\nU2|A2|1000086400\n")
    assert read("a.tsv") == read("b.csv") == read("c.csv.gz") == ROWS
    assert read("d.csv", separator=";") == read("e.txt", separator="|") == ROWS


def test_quoted_fields_over_several_lines() -> None:
    text = 'customer,text,product,bought\nU1,"two\nlines, ""quoted""",A1,1000000000\nU2,,A2,x\n'
    Path("a.csv").write_text(text)
    with pytest.raises(DataError, match=r"a.csv, line 4: bought is 'x', not a whole number of seconds"):
        read("a.csv")
    Path("a.csv").write_text(text.replace("x\n", "1000086400\n"))
    assert read("a.csv") == ROWS


@pytest.mark.parametrize("line", ['"U2,A2,5', 'U"2"x,"A2"y,5', '"U2"x,A2,5'])
def test_quotes_that_do_not_close(line: str) -> None:
    Path("a.csv").write_text(f"customer,product,bought\nU1,A1,1000000000\n{line}\n")
    with pytest.raises(DataError, match=r"a.csv, line 3: not a row of CSV \("):
        read("a.csv")


@pytest.mark.parametrize(
    ("unit", "text", "seconds"),
    [
        ("seconds", "1000000000.0", 1_000_000_000),
        ("milliseconds", "1000000000999", 1_000_000_000),
        ("iso", "2001-09-09T01:46:40Z", 1_000_000_000),
        ("iso", "2001-09-09 01:46:40", 1_000_000_000),
        ("iso", "2001-09-09T03:46:40.75+02:00", 1_000_000_000),
        ("iso", "1970-01-02", 86_400),
    ],
)
def test_units_of_time(unit: str, text: str, seconds: int) -> None:
    Path("a.tsv").write_text(f"customer\tproduct\tbought\nU\tA\t{text}\n")
    assert read("a.tsv", time_unit=unit) == [["U", "A", seconds]]


@pytest.mark.parametrize(
    "text", ["5", "2001-13-01", "01.09.2001", "2001-9-9", "yesterday", "", "1969-12-31", "2001-09-09T24:61"]
)
def test_texts_that_are_no_date(text: str) -> None:
    Path("a.tsv").write_text(f"customer\tproduct\tbought\nU\tA\t{text}\n")
    with pytest.raises(DataError, match=r"a.tsv, line 2: bought is .*(such as 2024-05-31|before 1970)"):
        read("a.tsv", time_unit="iso")


@pytest.mark.parametrize(
    ("content", "settings", "reason"),
    [
        (
            b"customer;product;bought\nU;A;1\n",
            {"separator": ","},
            """line 1: .*; they are separated by ';': set separator: ";";""",
        ),
        (
            b"customer\tproduct\tbought\n",
            {"separator": ","},
            r"""line 1: .*; they are separated by '\\t': set separator: "\\t";""",
        ),
        (b"who,what,when\nU,A,5\n", {}, "line 1: .* name those that hold the user, item and time .`posrec look a.csv`"),
        (
            b"U1,A1,1000000000\nU2,A2,1000000000\n",
            {},
            "line 1: .* this looks like data: .* columns, or columns:",
        ),
        (
            "customer,product,bought\nJosé,A,1000000000\n".encode("cp1252"),
            {"encoding": "utf-8"},
            "line 2: not UTF-8 .*: set encoding: cp1252".replace(": set", ", or set"),
        ),
        (
            b"customer,product,bought\nU,A,2009-12-14 10:03\n",
            {"time_unit": "seconds"},
            "line 2: .* of seconds: set time_unit: iso;",
        ),
        (
            b"customer,product,bought\nU,A,31/12/2010\n",
            {"time_unit": "seconds"},
            "line 2: .* time_format, such as '%d/%m/%Y';",
        ),
        (b"customer,product,bought\n,A,1000000000\n", {}, "line 2: customer is empty: missing: drop leaves out"),
        (
            b"customer,product,bought\nU,A,12/1/2010 10:03\n",
            {"time_unit": "seconds"},
            "line 2: .* time_format, such as '%m/%d/%Y %H:%M' or '%d/%m/%Y %H:%M';",
        ),
        (b"customer,product,bought\nU,A,12/1/2010\n", {"time_unit": "iso"}, "line 2: .* time_format reads other ways"),
        (
            b"customer,product,bought\nU,A,2010\n",
            {"time_format": "%d.%m.%Y"},
            "line 2: .* which time_format: '%d.%m.%Y'",
        ),
        (
            b"customer,product,bought\nU,A,20091214\n",
            {"time_unit": "seconds"},
            "line 2: bought is 20091214, in 1970 as seconds: set time_unit",
        ),
        (b"customer,product,bought\nU,A,1000000000\n", {"time_unit": "milliseconds"}, "line 2: .* in 1970 as millisec"),
        (
            b"customer,product,bought\nU,A,1969-12-31\n",
            {"time_unit": "iso"},
            "line 2: bought is '1969-.*', before 1970",
        ),
    ],
)
def test_the_likely_first_errors_name_what_helps(content: bytes, settings: dict[str, str], reason: str) -> None:
    Path("a.csv").write_bytes(content)
    with pytest.raises(DataError, match=f"^a.csv, {reason}"):
        read("a.csv", **settings)


def test_quotes_are_not_read_into_the_ids_of_a_tsv() -> None:
    """A quoted header says that fields are quoted; quotes in the ids alone could belong to them."""
    rows = '"U"\t"A"\t1000000000\n'
    Path("a.tsv").write_text('"customer"\t"product"\t"bought"\n' + rows)
    assert read("a.tsv") == [["U", "A", T]]
    Path("a.tsv").write_text("customer\tproduct\tbought\n" + rows)
    with pytest.raises(DataError, match=r"a.tsv, line 2: customer is .*, in quotes: set quoted: true"):
        read("a.tsv")
    assert read("a.tsv", quoted=True) == [["U", "A", T]]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\r\n\n"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_what_editors_and_excel_write_at_the_ends(end: str, ending: str) -> None:
    lines = ["customer,product,bought", *(",".join(map(str, row)) for row in ROWS)]
    text = "\ufeff" + "\n".join(lines) + end
    Path(f"a.{ending}").write_text(text if ending == "csv" else text.replace(",", "\t"), encoding="utf-8", newline="")
    assert read(f"a.{ending}") == ROWS


def test_the_settings_that_errors_name_read_such_tables(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ratings.dat").write_text("U1::A1::5::1000000000\nU2::A2::3::1000086400\n")  # as MovieLens has them
    columns = ["customer", "product", "rating", "bought"]
    assert read("ratings.dat", separator="::", columns=columns) == ROWS
    Path("old.csv").write_bytes("customer,product,bought\nJosé,Café,1000000000\n".encode("cp1252"))
    assert read("old.csv", encoding="cp1252") == [["José", "Café", T]]
    Path("shop.csv").write_text("customer,product,bought\nU1,A1,1000000000\n,A3,1000000000\nU2,A2,1000086400\nU3, ,5\n")
    assert read("shop.csv", missing="drop") == ROWS
    assert "shop.csv: 2 reviews (2 without user, item or time left out), 2 users" in capsys.readouterr().err


def test_settings_that_are_not_used_are_in_no_id() -> None:
    Path("a.csv").write_text("customer,product,bought\nU,A,1000000000\n")
    plain = dataset_of("a.csv")
    assert not {"encoding", "columns", "missing", "time_format"} & set(plain.identity()["table"])
    changes: list[dict[str, Any]] = [{"encoding": "cp1252"}, {"columns": ["customer"]}, {"missing": "drop"}]
    others = {ids.dataset_id("shop", dataset_of("a.csv", **change)) for change in changes}
    assert len(others | {ids.dataset_id("shop", plain)}) == 4


def test_a_folder_of_parquet_parts() -> None:
    """As Spark writes them; their names and content are in the id, and a text beside them is none."""
    Path("parts").mkdir()
    Path("parts/_SUCCESS").touch()
    frames = [pl.DataFrame([row], schema=["customer", "product", "bought"], orient="row") for row in ROWS]
    for number, frame in enumerate(frames):
        frame.write_parquet(f"parts/part-{number}.parquet")
    assert read("parts/") == ROWS
    first = ids.dataset_id("shop", dataset_of("parts/"))
    Path("parts/part-1.parquet").rename("parts/part-2.parquet")
    assert ids.dataset_id("shop", dataset_of("parts/")) != first
    frames[1].select("customer").write_parquet("parts/part-3.parquet")
    with pytest.raises(DataError, match=r"^parts/part-3.parquet: the column product, bought is missing"):
        read("parts/")
    Path("empty").mkdir()
    with pytest.raises(StudyError, match=r"empty: a folder without \*.parquet"):
        read("empty/")


def test_times_in_a_format_of_their_own() -> None:
    Path("a.csv").write_text("customer,product,bought\nU1,A1,9/9/2001 01:46:40\nU2,A2,09/10/2001 01:46:40\n")
    assert read("a.csv", time_format="%m/%d/%Y %H:%M:%S") == ROWS


def test_items_of_other_ids_are_refused() -> None:
    Path("a.tsv").write_text("customer\tproduct\tbought\nU\t31\t1000000000\n")
    Path("items.csv").write_text("sku,brand\nA-31,Acme\nA-32,Acme\n")
    items = {"path": "items.csv", "item": "sku", "attributes": ["brand"]}
    source = ids.source_of("shop", dataset_of("a.tsv", items=items))
    with pytest.raises(DataError) as caught:
        formats.read_attributes(Path(), source, ["31"])
    assert str(caught.value) == (
        "items.csv: none of its items ('A-31' for example) is among the 1 items of the reviews ('31' for example): "
        "write ids alike in both, or set attributes: false"
    )


def test_without_times_rows_are_counted() -> None:
    Path("a.tsv").write_text("customer\tproduct\nU\tB\nU\tA\n")
    assert read("a.tsv", time=None) == [["U", "B", 0], ["U", "A", 1]]
    with pytest.raises(DataError, match="line 1: the column bought is missing; the header is: customer, product"):
        read("a.tsv")


def test_attributes_of_a_second_table() -> None:
    Path("a.tsv").write_text("customer\tproduct\tbought\nU\tA\t5\n")
    Path("items.csv").write_text("sku,brand,tags\nA,Acme,red|round | red\nB,,\nA,Later,\nC,Other,blue\n")
    items = {"path": "items.csv", "item": "sku", "attributes": ["brand", "tags"], "parted_by": "|"}
    source = ids.source_of("shop", dataset_of("a.tsv", items=items))
    expected = {"A": ["brand=Acme", "tags=red", "tags=round"], "B": []}
    assert formats.read_attributes(Path(), source, ["A", "B", "D"]) == expected
    del items["parted_by"]
    assert formats.read_attributes(Path(), ids.source_of("shop", dataset_of("a.tsv", items=items)), ["A"]) == {
        "A": expected["A"]
    }
    whole = ids.source_of("shop", dataset_of("a.tsv", items={**items, "parted_by": None}))
    assert formats.read_attributes(Path(), whole, ["A"]) == {"A": ["brand=Acme", "tags=red|round | red"]}
    assert formats.read_attributes(Path(), ids.source_of("shop", dataset_of("a.tsv")), ["A"]) == {}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_tolerance_of_the_study(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"customer": ["U1", "", "U2"], "product": ["A1", "A", "A2"], "bought": [10**9, 5, 1_000_086_400]}
    path = f"a.{ending}"
    getattr(pl.DataFrame(columns), f"write_{ending}")(path)
    dataset = dataset_of(path).model_copy(update={"bad_lines": 1})
    assert formats.read_reviews(Path(), ids.source_of("shop", dataset)).values.tolist() == ROWS
    assert f"posrec: {path}: bad lines left out: 1 (bad_lines allows 1): line " in capsys.readouterr().err
    with pytest.raises(DataError, match="customer is empty"):
        read(path)


def test_parquet() -> None:
    times = [datetime.datetime(2001, 9, 9, 1, 46, 40), datetime.datetime(2001, 9, 10, 1, 46, 40)]
    frame = pl.DataFrame({"product": ["A1", "A2"], "customer": ["U1", "U2"], "bought": times, "unused": [1, 2]})
    frame.write_parquet("a.parquet")
    frame.with_columns(pl.col("bought").dt.replace_time_zone("UTC")).write_parquet("zone.parquet")
    frame.with_columns(pl.col("bought").dt.epoch("s")).write_parquet("seconds.parquet")
    assert read("a.parquet") == read("zone.parquet") == read("seconds.parquet") == ROWS
    frame.with_columns(customer=pl.Series([1, 2])).write_parquet("numbers.parquet")
    assert read("numbers.parquet") == [["1", "A1", ROWS[0][2]], ["2", "A2", ROWS[1][2]]]


def test_lists_and_whole_floats_of_parquet_are_words() -> None:
    Path("a.tsv").write_text("customer\tproduct\tbought\nU\tA\t1000000000\n")
    cells = {"cat": [["a", "b"], [None, "a|b"], []], "year": [1995.0, None, 2.5]}
    pl.DataFrame({"sku": ["A", "B", "C"], **cells}).write_parquet("items.parquet")
    items = {"path": "items.parquet", "item": "sku", "attributes": ["cat", "year"]}
    source = ids.source_of("shop", dataset_of("a.tsv", items=items))
    expected = {"A": ["cat=a", "cat=b", "year=1995"], "B": ["cat=a|b"], "C": ["year=2.5"]}
    assert formats.read_attributes(Path(), source, ["A", "B", "C"]) == expected
    pl.DataFrame({"sku": ["A"], "cat": [{"x": 1}], "year": [1]}).write_parquet("items.parquet")
    with pytest.raises(DataError, match=r"items.parquet, line 1: cat is {'x': 1}, neither a value nor a list"):
        formats.read_attributes(Path(), ids.source_of("shop", dataset_of("a.tsv", items=items)), ["A"])


def test_parquet_types_that_other_programs_write() -> None:
    """Whole floats as ids (a column that had gaps), float milliseconds, dates, decimals."""
    frame = pl.DataFrame(
        {"customer": [1.0, 2.0], "product": [7, 8], "bought": [1_000_000_000_999.0, 1_000_086_400_000.0]}
    )
    frame.write_parquet("a.parquet")
    expected = [["1", "7", T], ["2", "8", T + 86_400]]
    assert read("a.parquet", time_unit="milliseconds") == expected
    exact = frame.with_columns(pl.col("bought").cast(pl.Decimal(20, 2)), pl.col("product").cast(pl.Decimal(5, 1)))
    exact.write_parquet("a.parquet")
    assert read("a.parquet", time_unit="milliseconds") == expected
    days = [datetime.date(2001, 9, 9), datetime.date(2001, 9, 10)]
    frame.with_columns(bought=pl.Series(days)).write_parquet("a.parquet")
    assert read("a.parquet") == [[user, item, time - 6_400] for user, item, time in expected]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"customer": ["U", None]}, r"line 2: customer is None, not a text"),
        ({"customer": [1.5, 2.0]}, r"line 1: customer is 1.5, not a text"),
        ({"customer": ["U", "U\tU"]}, r"line 2: customer is 'U\\tU': a tab, a line end or another control character"),
        ({"bought": [5.5, float("nan")]}, r"line 1: bought is 5, in 1970 as seconds"),
        ({"bought": [T + 0.0, float("nan")]}, r"line 2: bought is nan, not a whole number"),
        ({"bought": [T, -5]}, r"line 2: bought is -5, before 1970"),
        ({"bought": [T, None]}, r"line 2: bought is None, not a whole number"),
    ],
)
def test_bad_parquet_rows(change: dict[str, list[Any]], reason: str) -> None:
    columns = {"customer": ["U", "V"], "product": ["A", "B"], "bought": [T, T + 1]}
    pl.DataFrame({**columns, **change}).write_parquet("a.parquet")
    with pytest.raises(DataError, match=f"a.parquet, {reason}"):
        read("a.parquet")


def test_files_that_are_no_parquet() -> None:
    Path("a.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"a.parquet: not a readable Parquet file \("):
        read("a.parquet")
    pl.DataFrame({"customer": ["U"], "bought": [5]}).write_parquet("a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: the column product is missing; its columns are: customer, bought"):
        read("a.parquet")


def test_a_parquet_bomb() -> None:
    """Twenty million equal rows in a few kilobytes."""
    pl.select(bought=pl.repeat(5, 20_000_000, dtype=pl.Int64)).with_columns(
        customer=pl.lit(1), product=pl.lit(2)
    ).write_parquet("a.parquet", row_group_size=20_000_000)
    assert Path("a.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match=r"claims 20,000,000 rows in .* decompression bomb"):
        read("a.parquet")


@settings(
    max_examples=100,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_mangled_parquet_stops_or_gives_reviews(data: st.DataObject) -> None:
    """Parquet has no checksum of its values (the data set's id has): what comes out are ids and times, or an error."""
    columns = {"customer": ["U1", "U2"] * 9, "product": [f"A{n}" for n in range(18)], "bought": range(T, T + 18)}
    pl.DataFrame(columns).write_parquet("a.parquet")
    content = bytearray(Path("a.parquet").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    Path("a.parquet").write_bytes(content)
    try:
        rows = read("a.parquet")
    except DataError as error:
        text = str(error)
        assert text.startswith("a.parquet")
        return
    assert all(isinstance(user, str) and isinstance(item, str) and time >= 0 for user, item, time in rows)
