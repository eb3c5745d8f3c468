"""Tables as programs write them: kind, separator, encoding, header and times are recognised, and keys override them."""

import datetime
import gzip
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from posrec.data.raw import formats
from posrec.errors import DataError, StudyError
from posrec.plan import ids
from posrec.plan.hashes import dependencies_of, parts_of
from posrec.study import study
from posrec.study.settings.dataset import DatasetSettings

T = 1_000_000_000  # 2001-09-09 01:46:40 UTC
ROWS = [["U1", "A1", T], ["U2", "A2", T + 86_400]]
LINES = [["customer", "product", "bought"], ["U1", "A1", "1000000000"], ["U2", "A2", "1000086400"]]


def read(path: str, **table: Any) -> list[list[Any]]:
    return formats.read_reviews(Path(), ids.source_of("shop", dataset_of(path, **table))).values.tolist()


def dataset_of(path: str, **table: Any) -> DatasetSettings:
    columns = {"user": "customer", "item": "product", "time": "bought", **table}
    return DatasetSettings.model_validate({"table": {"path": path, **columns}})


def attributes(items: list[str], **table: Any) -> dict[str, list[str]]:
    dataset = dataset_of("buys.csv", items={"path": "items.csv", "item": "sku", **table})
    return formats.read_attributes(Path(), ids.source_of("shop", dataset), items)


def lines(separator: str, rows: list[list[str]] = LINES) -> str:
    return "".join(separator.join(row) + "\n" for row in rows)


@pytest.fixture(autouse=True)
def in_folder(workplace: Path) -> None:
    Path("buys.csv").write_text(lines(","))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "::", " "])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.dat.gz"])
def test_separators_are_recognised_whatever_the_name(
    separator: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = lines(separator).encode()
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read(name) == ROWS
    said = {"\t": "tabs", " ": "spaces", ",": "commas"}.get(separator, repr(separator))
    assert f"{name}: text, separated by {said}, with a header, times in seconds\n" in capsys.readouterr().err


@pytest.mark.parametrize("separator", [",", ";", "\t", "::", " "])
def test_without_a_header(separator: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["customer", "product", "bought"]
    Path("a.txt").write_text(lines(separator, LINES[1:]))
    assert read("a.txt", columns=names) == ROWS
    assert "without a header" in capsys.readouterr().err
    Path("a.txt").write_text(lines(separator))
    assert read("a.txt", columns=names) == ROWS  # the first line has the same names
    Path("a.txt").write_text(lines(separator, [["x", "y", "z"], *LINES[1:]]))
    assert read("a.txt", columns=names, header=True) == ROWS
    with pytest.raises(DataError, match="line 1: bought is 'z', not a whole number"):
        read("a.txt", columns=names, time_unit="seconds")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_are_recognised(encoding: str, end: str) -> None:
    rows = [*LINES, ["José", "Café", "1000086400"]]
    Path("a.csv").write_bytes(lines(",", rows).replace("\n", end).encode(encoding))
    assert read("a.csv")[2] == ["José", "Café", T + 86_400]


def test_a_damaged_utf8_text_is_not_taken_for_cp1252() -> None:
    """Valid characters beside the damaged ones show what it was."""
    rows = lines(",", [*LINES, ["José", "A", "1000086400"]]).encode()
    Path("a.csv").write_bytes(rows + b"Jos\xe9,A,1000086400\n")
    with pytest.raises(DataError, match=r"a.csv, line 5: not UTF-8 .*, or set encoding: cp1252"):
        read("a.csv")
    Path("a.csv").write_bytes(rows.replace("José".encode(), b"Jos\xe9\x81"))
    with pytest.raises(DataError, match=r"a.csv, line 4: not UTF-8"):
        read("a.csv")
    Path("a.csv").write_bytes(lines(",").encode("utf-16")[:-1])
    with pytest.raises(DataError, match=r"a.csv: not UTF-16 .*; save it as UTF-8"):
        read("a.csv")


def test_what_excel_adds() -> None:
    Path("a.csv").write_text("sep=;\n" + lines(";") + ";;\n;;\n\n")
    assert read("a.csv") == ROWS
    Path("a.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"a.xlsx: a workbook: save its sheet as 'CSV UTF-8'"):
        read("a.xlsx")
    quoted = [[f'"{cell}"' for cell in row] for row in LINES]
    Path("a.txt").write_bytes(lines("\t", quoted).encode("utf-16"))  # its "Unicode text"
    assert read("a.txt") == ROWS


@pytest.mark.parametrize(
    ("texts", "table"),
    [
        (["1000000000", "1000086400"], {}),
        (["1000000000.25", "1000086400.75"], {}),
        (["1000000000000", "1000086400999"], {}),
        (["1000000000000000", "1000086400000999"], {}),
        (["1000000000000000000", "1000086400000000999"], {}),
        (["2001-09-09T01:46:40Z", "2001-09-10T03:46:40+02:00"], {}),
        (["2001-09-09 01:46:40 UTC", "2001-09-10 01:46:40.5 +0000"], {}),
        (["2001-09-09T03:46:40[Europe/Berlin]", "2001-09-09T20:46:40-05"], {}),
        (["2001-09-09 03:46:40", "2001-09-10 03:46:40"], {"time_zone": "Europe/Berlin"}),
        (["9.9.2001 01:46:40", "10.9.2001 01:46:40"], {}),
        (["9/9/2001 1:46:40 AM", "9/10/2001 1:46:40 AM"], {"time_format": "%m/%d/%Y %I:%M:%S %p"}),
        (["09-Sep-2001 01:46:40", "10-Sep-2001 01:46:40"], {}),
        (["Sun Sep 09 01:46:40 +0000 2001", "Mon Sep 10 01:46:40 +0000 2001"], {}),
        (["20010909014640", "20010910014640"], {}),
    ],
)
def test_times_are_recognised(texts: list[str], table: dict[str, str]) -> None:
    Path("a.csv").write_text(lines(",", [LINES[0], ["U1", "A1", texts[0]], ["U2", "A2", texts[1]]]))
    assert read("a.csv", **table) == ROWS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20010909", 999_993_600), ("200109090146", T - 40), ("2001-09-09", 999_993_600), ("9 Sep 2001", 999_993_600)],
)
def test_dates_as_numbers_and_words(text: str, seconds: int) -> None:
    Path("a.csv").write_text(lines(",", [LINES[0], ["U1", "A1", text]]))
    assert read("a.csv")[0][2] == seconds


def test_day_and_month_are_told_apart_by_every_row_of_the_table() -> None:
    """The first thousand rows of an export are of the first days of a month."""
    first = [["U", f"A{number}", "12/1/2010 10:03"] for number in range(1500)]
    Path("a.csv").write_text(lines(",", [LINES[0], *first, ["U", "B", "12/13/2010 10:03"]]))
    assert read("a.csv")[0][2] == 1_291_197_780  # 1 December
    Path("a.csv").write_text(lines(",", [LINES[0], *first]))
    both = "set time_format: '%m/%d/%Y %H:%M' or time_format: '%d/%m/%Y %H:%M'"
    with pytest.raises(
        DataError, match=rf"^a.csv: bought is '12/1/2010 10:03', which can be read in several ways: {both}"
    ):
        read("a.csv")
    assert read("a.csv", time_format="%d/%m/%Y %H:%M")[0][2] == 1_263_290_580  # 12 January


def test_parts_of_a_date_in_several_columns() -> None:
    Path("a.csv").write_text("customer,product,day,clock\nU1,A1,2001-09-09,01:46:40\n")
    assert read("a.csv", time=["day", "clock"]) == ROWS[:1]
    Path("a.csv").write_text("customer,product,y,m,d\nU1,A1,2001,9,9\nU1,A2,2001,12,31\n")
    assert read("a.csv", time=["y", "m", "d"])[0][2] == 999_993_600
    frame = pl.read_csv("a.csv").with_columns(pl.col("y").cast(pl.Float64))
    frame.write_parquet("a.parquet")
    assert read("a.parquet", time=["y", "m", "d"]) == read("a.csv", time=["y", "m", "d"])


def test_ids_of_several_columns() -> None:
    Path("a.csv").write_text("shop,customer,product,bought\nx|y,z,A,1000000000\nx,y|z,A,1000000000\n")
    users = [user for user, _, _ in read("a.csv", user=["shop", "customer"])]
    assert users == ["x\\|y|z", "x|y\\|z"]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    records = [
        {"customer": {"id": 7}, "product": "A1", "bought": "2001-09-09T01:46:40Z", "tags": ["a"]},
        {"customer": {"id": 8.0}, "product": "A2", "bought": "2001-09-10T01:46:40Z"},
    ]
    Path("a.jsonl").write_text("\n".join(json.dumps(record) for record in records) + "\n\n")
    assert read("a.jsonl", user="customer.id") == [["7", *ROWS[0][1:]], ["8", *ROWS[1][1:]]]
    assert "a.jsonl: JSON lines, times in ISO 8601, blank lines skipped: 1\n" in capsys.readouterr().err
    with pytest.raises(
        DataError, match=r"a.jsonl, line 1: the key who is missing; the keys are: customer, product, bou"
    ):
        read("a.jsonl", user="who")
    Path("a.json").write_text(json.dumps(records))
    with pytest.raises(DataError, match=r"a.json: one JSON list: write one object per line"):
        read("a.json")
    Path("a.jsonl").write_text('{"customer": "U1", "product": "A1", "bought": 1000000000}\n{"customer"\n')
    with pytest.raises(DataError, match=r"a.jsonl, line 2: not valid JSON"):
        read("a.jsonl")


@pytest.mark.parametrize("text", ["u1 A B\nu2 C\n", "u1\tA\tB\n\nu2\tC", "u1,A,B\nu2,C\n"])
def test_sequences(text: str) -> None:
    Path("a.txt").write_text(text)
    settings = {"user": "user_id", "item": "item_id", "time": None, "kind": "sequences"}
    assert read("a.txt", **settings) == [["u1", "A", 0], ["u1", "B", 1], ["u2", "C", 2]]
    Path("a.txt").write_text(text + "\nu3\n")
    with pytest.raises(DataError, match="'u3' alone, without an item"):
        read("a.txt", **settings)


def test_sequences_need_no_time() -> None:
    Path("a.txt").write_text("u1 A B C D\nu2 B C D\n")
    table = {"path": "a.txt", "kind": "sequences"}
    dataset = DatasetSettings.model_validate({"table": table})
    assert dataset.table is not None
    assert dataset.table.time is None
    with pytest.raises(ValueError, match="remove time and where"):
        DatasetSettings.model_validate({"table": {**table, "time": "t"}})


def test_recbole_files_by_their_plain_names() -> None:
    Path("a.inter").write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t4\t1000000000.0\n")
    Path("items.csv").write_text("sku:token\tgenre:token_seq\tyear:float\n2\tsci fi\t1999.0\n")
    assert read("a.inter", user="user_id", item="item_id", time="timestamp") == [["1", "2", T]]
    found = attributes(["2"], attributes=["genre"])
    assert found == {"2": ["genre=fi", "genre=sci"]}


def test_parts_of_every_kind() -> None:
    for name in ("parts/b.csv", "parts/a.csv.gz", "parts/.hidden.csv", "parts/_log.csv", "parts/notes.md"):
        Path("parts").mkdir(exist_ok=True)
        content = lines(",", [LINES[0], LINES[2 if "b" in name else 1]]).encode()
        Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read("parts") == read("parts/") == read("parts/*.csv*") == read("*/?.csv*") == ROWS
    assert [str(part) for part in parts_of(Path("parts"))] == ["parts/a.csv.gz", "parts/b.csv"]
    first = ids.dataset_id("shop", dataset_of("parts/*.csv*"))
    Path("parts/b.csv").write_text(lines(","))
    assert ids.dataset_id("shop", dataset_of("parts/*.csv*")) != first
    with pytest.raises(StudyError, match=r"no file matches parts/\*.tsv"):
        read("parts/*.tsv")
    Path("parts/b.csv").write_text("customer,product,bought\nU,A,x\n")
    with pytest.raises(DataError, match=r"^parts/b.csv, line 2: bought is 'x'"):
        read("parts")


def test_folders_that_name_columns() -> None:
    """As Spark writes them, with the day in the name of a folder."""
    for day, row in zip(("2001-09-09", "2001-09-10"), ROWS, strict=True):
        folder = Path(f"parts/day={day}")
        folder.mkdir(parents=True)
        pl.DataFrame({"customer": [row[0]], "product": [row[1]]}).write_parquet(folder / "part-0.parquet")
    assert [time for _, _, time in read("parts/", time="day")] == [999_993_600, 1_000_080_000]


def test_what_the_workflow_waits_for() -> None:
    Path("parts").mkdir()
    Path("parts/a.csv").touch()
    assert dependencies_of(Path("parts/*.csv")) == dependencies_of(Path("parts/")) == ["parts"]
    assert dependencies_of(Path("*.csv")) == dependencies_of(Path("buys.csv")) == ["buys.csv"]


def test_parquet_times_with_and_without_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    moments = [datetime.datetime(2001, 9, 9, 3, 46, 40), datetime.datetime(2001, 9, 10, 3, 46, 40)]
    frame = pl.DataFrame({"customer": ["U1", "U2"], "product": ["A1", "A2"], "bought": moments})
    frame.write_parquet("naive.parquet")
    assert read("naive.parquet", time_zone="Europe/Berlin") == ROWS
    zoned = frame.with_columns(pl.col("bought").dt.replace_time_zone(str(berlin)))
    zoned.write_parquet("zoned.parquet")
    assert read("zoned.parquet") == read("zoned.parquet", time_zone="Asia/Tokyo") == ROWS
    frame.with_columns(pl.col("bought").dt.date()).write_parquet("dates.parquet")
    assert read("dates.parquet")[0][2] == 999_993_600
    zoned.with_columns(pl.col("bought").dt.epoch("us")).write_parquet("us.parquet")
    assert read("us.parquet") == ROWS


@pytest.mark.parametrize("zone", ["Berlin", "Europe/Berlin2", "../etc", ""])
def test_zones_that_are_none(zone: str) -> None:
    table = {"path": "buys.csv", "time_zone": zone}
    with pytest.raises(StudyError, match=r"time_zone: .* is not a zone such as Europe/Berlin"):
        study.from_dict({"study": "s", "datasets": {"a": {"table": table}}, "encodings": ["none"], "seeds": [1, 2, 3]})


def test_cells_with_several_values() -> None:
    rows = [
        *(["A", '"[""Action"", ""Drama""]"', "Rock &amp; Roll"], ["B", "\"['Action', 'It''s']\"", "x|y"]),
        *(["C", '"[{""id"": 1, ""name"": ""War""}]"', "[unclosed"], ["D", "[]", ""]),
    ]
    Path("items.csv").write_text(lines(",", [["sku", "genres", "tags"], *rows]))
    assert attributes(["A", "B", "C", "D"], attributes=["genres", "tags"]) == {
        "A": ["genres=Action", "genres=Drama", "tags=Rock & Roll"],
        "B": ["genres=['Action', 'It''s']", "tags=x", "tags=y"],
        "C": ["genres=War", "tags=[unclosed"],
        "D": [],
    }


def test_numbers_as_bins_and_as_features() -> None:
    prices = ["1,50", "2,50", "3,50", "4,50", ""]
    rows = [[f"A{number}", price, "5"] for number, price in enumerate(prices)]
    Path("items.csv").write_text(lines(";", [["sku", "price", "weight"], *rows]))
    items = [f"A{number}" for number in range(5)]
    found = attributes(items, binned=["price"], bins=2)
    assert found == {"A0": ["price=0"], "A1": ["price=0"], "A2": ["price=1"], "A3": ["price=1"], "A4": []}
    table = {"path": "items.csv", "item": "sku", "standardised": ["price", "weight"]}
    with pytest.raises(ValueError, match="set dense_features: true as well"):
        dataset_of("buys.csv", items=table)
    block = {"path": "buys.csv", "items": table}
    dataset = DatasetSettings.model_validate({"table": block, "dense_features": True})
    names, numbers = formats.read_features(Path(), ids.source_of("shop", dataset)) or ([], [])
    assert names == items
    spread = 1.25**0.5  # of 1.5, 2.5, 3.5, 4.5
    assert [row[0] for row in numbers] == pytest.approx([-1.5 / spread, -0.5 / spread, 0.5 / spread, 1.5 / spread, 0])
    assert [row[1] for row in numbers] == [0] * 5
    Path("items.csv").write_text(lines(";", [["sku", "price", "weight"], ["A0", "1,234", "5"]]))
    with pytest.raises(DataError, match="line 2: price is '1,234', which can be two numbers: set decimal: ','"):
        attributes(items, binned=["price"])


def test_ids_with_and_without_a_point_are_one() -> None:
    Path("items.csv").write_text("sku,brand\n31.0,Acme\n32,Bolt\n")
    assert attributes(["31", "32.0"], attributes=["brand"]) == {"31": ["brand=Acme"], "32.0": ["brand=Bolt"]}


def test_attributes_that_name_single_items_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[f"A{number}", f"Title {number}", "red" if number % 2 else "blue"] for number in range(30)]
    Path("items.csv").write_text(lines(",", [["sku", "title", "colour"], *rows]))
    attributes([f"A{number}" for number in range(40)], attributes=["title", "colour"])
    said = capsys.readouterr().err
    assert "items.csv: title: 100% of the items have a value that no other item has (such as 'Title 0'" in said
    assert "colour:" not in said
    assert "30 of 40 items have attributes (75%), such as 'A0': colour=blue, title=Title 0" in said


def test_what_was_read_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text("\n".join(map(",".join, LINES)) + "\n\nU2,A1,1000086400")
    read("a.csv")
    assert capsys.readouterr().err == (
        "posrec: a.csv: text, separated by commas, with a header, times in seconds, blank lines skipped: 1, "
        "no line end at the end\n"
        "posrec: a.csv: 3 reviews, 2 users, 2 items, 2001-09-09 to 2001-09-10\n"
        "  user 'U1', item 'A1', 2001-09-09 01:46:40 UTC\n"
        "  user 'U2', item 'A2', 2001-09-10 01:46:40 UTC\n"
        "  user 'U2', item 'A1', 2001-09-10 01:46:40 UTC\n"
    )
