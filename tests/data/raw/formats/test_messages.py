"""What a person sees of a file that is damaged: one line that names the file, the line and what is wrong."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from posrec.data.raw import archives, formats
from posrec.errors import DataError

from .fuzz import CASES, ITEM_CASES, Review, check_reviews, own, packed, read_items

GOOD: list[Review] = [("U1", "A1", 1_000_000_000), ("U2", "A2", 1_000_086_400)]
SIMPLE = [name for name in CASES if name != "own csv"]  # whose fields are not quoted
TABLES = ["tables", "2023 csv", "recbole", "own tsv", "own csv"]
OWN = ["own tsv", "own csv"]
JSON = ["2014", "2018", "2023"]


def message(name: str, content: bytes, folder: Path) -> str:
    """What reading a file with this content says, without its folder."""
    case = CASES[name]
    (folder / case.file).write_bytes(packed(case.file, content))
    with pytest.raises(DataError) as caught:
        formats.read_reviews(folder, case.source())
    text = str(caught.value)
    assert text.startswith(f"{folder}/{case.file}")
    return text.removeprefix(f"{folder}/{case.file}")


def last_line(name: str) -> int:
    return len(GOOD) + (CASES[name].header is not None)


def mangle(name: str, old: str, new: bytes) -> bytes:
    """The good file with a text of its last line replaced."""
    start, found, end = CASES[name].content(GOOD).rpartition(old.encode())
    assert found
    return start + new + end


TIME = dict.fromkeys(CASES, "1000086400")
TIME |= {"2023": "1000086400007", "2023 csv": "1000086400000", "recbole": "1000086400.0"}
WITH_TIME = [name for name in CASES if name != "carca"]


@pytest.mark.parametrize("name", WITH_TIME)
def test_nan_as_time(name: str, tmp_path: Path) -> None:
    text = message(name, mangle(name, TIME[name], b"NaN"), tmp_path)
    assert text.startswith(f", line {last_line(name)}: ")
    assert ("NaN is not JSON" if name in JSON else "is 'NaN', not a whole number of ") in text


@pytest.mark.parametrize("name", WITH_TIME)
def test_negative_times(name: str, tmp_path: Path) -> None:
    text = message(name, mangle(name, TIME[name], b"-86400000"), tmp_path)
    assert text.startswith(f", line {last_line(name)}: ")
    assert "before 1970" in text


@pytest.mark.parametrize("name", WITH_TIME)
def test_minus_zero_and_other_spellings_are_no_times(name: str, tmp_path: Path) -> None:
    for spelling in (b"-0", b"+5", b"05", b"1e9", b"5_0", b"0x5", *([] if name in JSON else [b" 5"])):
        text = message(name, mangle(name, TIME[name], spelling), tmp_path)
        assert text.startswith(f", line {last_line(name)}: "), spelling


@pytest.mark.parametrize("name", WITH_TIME)
def test_times_in_the_wrong_unit(name: str, tmp_path: Path) -> None:
    expected = "(seconds? milliseconds are wanted)" if "2023" in name else "(milliseconds? seconds are wanted)"
    if name in OWN:
        expected = "after the year 9999 as seconds: set time_unit to what it counts"
    wrong = b"1000086400" if "2023" in name else b"1000086400000"
    text = message(name, mangle(name, TIME[name], wrong), tmp_path)
    assert f"line {last_line(name)}: " in text
    assert expected in text


@pytest.mark.parametrize("name", [name for name in SIMPLE if name not in JSON])
@pytest.mark.parametrize("inside", [b"\t", b"\n", b",", b" "])
def test_ids_with_separators(name: str, inside: bytes, tmp_path: Path) -> None:
    """Where fields are not quoted, a tab or line end in an id makes too few or too many of them."""
    separator = b" " if "carca" in name else b"," if name in ("2014 ratings", "2023 csv") else b"\t"
    if inside not in (separator, b"\n"):
        return
    number = b"88" if "carca" in name else b"U2"
    content = CASES[name].content(GOOD).replace(b"135", b"88") if "carca" in name else CASES[name].content(GOOD)
    start, found, end = content.rpartition(number)
    if not found:  # CARCA's numbers
        start, found, end = content.rpartition(content.split(b" ")[0])
    text = message(name, start + found[:1] + inside + found[1:] + end, tmp_path)
    assert f"line {last_line(name)}: " in text
    assert " columns, " in text


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("inside", ["\t", "\n", "\u2028", "\x00", "\x85"])
def test_ids_with_tabs_and_line_ends_in_json(name: str, inside: str, tmp_path: Path) -> None:
    text = message(name, mangle(name, '"U2"', json.dumps(f"U{inside}2").encode()), tmp_path)
    assert f"line {last_line(name)}: " in text
    assert "a tab, a line end or another control character is in it" in text


@pytest.mark.parametrize("inside", [b"\t", b"\n"])
def test_ids_with_tabs_and_line_ends_in_quotes(inside: bytes, tmp_path: Path) -> None:
    text = message("own csv", mangle("own csv", '"U2"', b'"U' + inside + b'2"'), tmp_path)
    assert text.startswith(", line 3: customer is 'U")
    assert "a tab, a line end or another control character is in it" in text


@pytest.mark.parametrize("name", CASES)
def test_invalid_utf8(name: str, tmp_path: Path) -> None:
    content = CASES[name].content(GOOD)
    text = message(name, content[:-2] + b"\xff" + content[-2:], tmp_path)
    assert text.startswith(f", line {last_line(name)}: not UTF-8 (invalid start byte at byte ")


@pytest.mark.parametrize("name", CASES)
def test_a_byte_order_mark(name: str, tmp_path: Path) -> None:
    """Excel's "CSV UTF-8" begins with one."""
    assert check_reviews(CASES[name], b"\xef\xbb\xbf" + CASES[name].content(GOOD), tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_empty_files(name: str, tmp_path: Path) -> None:
    assert message(name, b"", tmp_path) == ": the file is empty; fetch it again"


@pytest.mark.parametrize("name", TABLES)
def test_files_without_a_row(name: str, tmp_path: Path) -> None:
    assert message(name, CASES[name].content([]), tmp_path) == ": holds no reviews; fetch it again"


@pytest.mark.parametrize("name", TABLES)
def test_duplicate_headers(name: str, tmp_path: Path) -> None:
    content = CASES[name].content(GOOD)
    header = content.partition(b"\n")[0]
    separator = b"," if b"," in header else b"\t"
    column = header.split(separator)[1]
    text = message(name, header + separator + column + content[len(header) :], tmp_path)
    assert text.startswith(f", line 1: the header has the column {column.decode()} twice")


@pytest.mark.parametrize("name", TABLES)
def test_missing_columns(name: str, tmp_path: Path) -> None:
    content = CASES[name].content(GOOD)
    header = content.partition(b"\n")[0]
    separator = b"," if b"," in header else b"\t"
    time = header.split(separator)[0 if name == "own tsv" else -1 if name != "2023 csv" else 3]
    text = message(name, content.replace(time, b"when" + time[-6:] if b":" in time else b"when", 1), tmp_path)
    assert text.startswith(f", line 1: the column {time.decode()} is missing; the header is: ")


@pytest.mark.parametrize("name", [name for name in CASES if name not in OWN])
def test_a_file_that_was_cut_off(name: str, tmp_path: Path) -> None:
    text = message(name, CASES[name].content(GOOD)[:-1], tmp_path)
    assert text.startswith(f", line {last_line(name)}: the last line has no line end, so it may have been cut off")


@pytest.mark.parametrize("name", [name for name in CASES if name not in OWN])
def test_a_stated_number_of_bad_lines_is_left_out_and_reported(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    rows = [("U1", "A1", 1_000_000_000 + n) for n in range(6)]
    lines = case.content(rows).splitlines(keepends=True)
    for place in (-5, -2, -1):
        lines[place] = b"?" + b" ?" * 9 + b"\n" if place < -1 else lines[place][:-1]
    (tmp_path / case.file).write_bytes(packed(case.file, b"".join(lines)))
    source: dict[str, Any] = {**case.source(), "bad_lines": 2}
    with pytest.raises(DataError, match=r"\(bad line 3, and bad_lines allows 2\)"):
        formats.read_reviews(tmp_path, source)
    table = formats.read_reviews(tmp_path, {**source, "bad_lines": 3})
    kept = [0, 2, 3] if name != "carca" else [0, 1, 2]
    assert [time - (0 if name == "carca" else 1_000_000_000) for time in table["time"]] == kept
    said = capsys.readouterr().err
    first = len(lines) - 4
    assert f"posrec: {tmp_path / case.file}: bad lines left out: 3 (bad_lines allows 3): line {first}: " in said
    assert f"line {first + 3}: " in said
    assert f"line {first + 4}: the last line has no line end" in said


def test_a_line_without_end(tmp_path: Path) -> None:
    text = message("tables", b"user_id\titem_id\ttimestamp\n" + b"x" * (2**24 + 1), tmp_path)
    assert text.startswith(", line 2: longer than 16,777,216 bytes")


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


OWN_ZIP: dict[str, Any] = {"format": "own", "files": {"buys.csv.zip": None}, **own("bought", path="buys.csv.zip")}


@pytest.mark.parametrize("name", ["../../up.csv", "/etc/up.csv", "..\\up.csv"])
def test_an_archive_whose_member_points_outside_its_folder(name: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "buys.csv.zip", {name: CASES["own csv"].content(GOOD)})
    with pytest.raises(DataError) as caught:
        formats.read_reviews(tmp_path, OWN_ZIP)
    said = f"{tmp_path}/buys.csv.zip: the member {name!r} points outside its folder; nothing was unpacked"
    assert str(caught.value) == said
    assert [path.name for path in tmp_path.iterdir()] == ["buys.csv.zip"]


def test_a_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good rows without end: they are left at the limit, which is lowered here to spare the time."""
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 2**16)
    row = b"anna,1000000000,tea," + b"x" * 2000 + b"\n"
    path = write_zip(tmp_path / "buys.csv.zip", {"buys.csv": b"customer,bought,product,text\n" + row * 4000})
    packed_size = path.stat().st_size
    with pytest.raises(DataError) as caught:
        formats.read_reviews(tmp_path, OWN_ZIP)
    assert str(caught.value) == (
        f"{path}: unpacks to more than {archives.MAX_RATIO * packed_size:,} bytes from {packed_size:,}: it looks like "
        "a decompression bomb, and was not read; if you trust it, unpack it yourself and name the unpacked file"
    )


@pytest.mark.parametrize("name", ITEM_CASES)
def test_items_that_are_empty_cut_off_or_no_utf8(name: str, tmp_path: Path) -> None:
    content = ITEM_CASES[name].content
    for damaged, reason in (
        (b"", ": the file is empty; fetch it again"),
        *([] if name == "own" else [(content[:-1], "the last line has no line end, so it may have been cut off")]),
        (content[:-2] + b"\xff" + content[-2:], "not UTF-8 (invalid start byte at byte "),
    ):
        said = items_message(name, damaged, tmp_path)
        assert reason in said


@pytest.mark.parametrize("name", ["tables", "names of attributes", "recbole", "own"])
def test_duplicate_headers_of_items(name: str, tmp_path: Path) -> None:
    header, _, rest = ITEM_CASES[name].content.partition(b"\n")
    separator = b"," if name == "own" else b"\t"
    column = header.split(separator)[1]
    said = items_message(name, header + separator + column + b"\n" + rest, tmp_path)
    assert said.startswith(f", line 1: the header has the column {column.decode()} twice")


@pytest.mark.parametrize("name", ["2014", "2023"])
def test_prices_that_are_no_number(name: str, tmp_path: Path) -> None:
    for price in (b"-3.5", b"true" if name == "2023" else b"True", b"[3.5]"):
        said = items_message(name, ITEM_CASES[name].content.replace(b"3.5", price, 1), tmp_path)
        assert said.startswith(", line 1: price is "), said
        assert "not a number of dollars" in said


def items_message(name: str, content: bytes, folder: Path) -> str:
    """What reading the items of a file with this content says, without its folder."""
    case = ITEM_CASES[name]
    for file, text in {case.file: content, **case.beside}.items():
        (folder / file).write_bytes(packed(file, text))
    found = read_items(case, folder, ["A1", "B2"])
    assert isinstance(found, DataError)
    text = str(found)
    assert text.startswith(f"{folder}/{case.file}")
    return text.removeprefix(f"{folder}/{case.file}")
