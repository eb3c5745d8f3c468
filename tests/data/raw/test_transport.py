"""Downloads from a real server that drops, refuses, lies and changes its mind."""

import hashlib
import io
import random
import re
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tenacity import RetryCallState, wait_none

from posrec.data.raw import transport
from posrec.data.raw.transport import DownloadError, Part, download
from posrec.errors import WriteError
from posrec.study.sources import FileRecord

from .server import Drop, Served, Shop

CONTENT = random.Random(1).randbytes(300_000)
WAIT = transport.WAIT  # as it is outside of these tests
OTHER = random.Random(2).randbytes(300_000)


def record(content: bytes) -> FileRecord:
    return FileRecord(len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(transport, "WAIT", wait_none())
    shop = Shop()
    yield shop
    shop.shutdown()
    shop.server_close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "reviews.json"


def begin(shop: Shop, target: Path, path: str, served: Served) -> None:
    """Leave a part of a file, as a killed download does."""
    shop.files[path] = served
    part = Part(shop.address(path), target, None)
    half = len(served.content) // 2
    served.faults.append(Drop(half))
    with pytest.raises(transport.TransientError):
        transport._try(part)
    assert part.size == half
    served.asked.clear()


@pytest.mark.parametrize("expected", [None, record(CONTENT)])
def test_a_whole_file(shop: Shop, target: Path, expected: FileRecord | None) -> None:
    shop.files["a"] = Served(CONTENT)
    assert download([shop.address("a")], target, expected) == record(CONTENT)
    assert record(target.read_bytes()) == record(CONTENT)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("expected", [None, record(CONTENT)])
def test_dropped_connections_are_gone_on_with(shop: Shop, target: Path, expected: FileRecord | None) -> None:
    """Ten drops: more than the tries in a row, but each brings something."""
    shop.files["a"] = Served(CONTENT, faults=deque([Drop(20_000)] * 10))
    assert download([shop.address("a")], target, expected) == record(CONTENT)
    assert record(target.read_bytes()) == record(CONTENT)
    asked = shop.files["a"].asked
    assert asked == [None, *(f"bytes={20_000 * n}-" for n in range(1, 11))]


def test_drops_that_bring_nothing_end(shop: Shop, target: Path) -> None:
    shop.files["a"] = Served(CONTENT, ranges=False, faults=deque([Drop(5_000)] * 50))
    with pytest.raises(DownloadError, match="RemoteProtocolError"):
        download([shop.address("a")], target, None)
    assert len(shop.files["a"].asked) == 1 + transport.ATTEMPTS
    assert not target.exists()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_errors_that_pass_are_tried_again(shop: Shop, target: Path, status: int) -> None:
    shop.files["a"] = Served(CONTENT, faults=deque([status, status]))
    download([shop.address("a")], target, None)
    assert record(target.read_bytes()) == record(CONTENT)
    assert len(shop.files["a"].asked) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusals_lead_to_the_next_address_at_once(shop: Shop, target: Path, status: int) -> None:
    shop.files["a"] = Served(CONTENT, faults=deque([status] * 9))
    shop.files["b"] = Served(CONTENT)
    download([shop.address("a"), shop.address("b")], target, record(CONTENT))
    assert record(target.read_bytes()) == record(CONTENT)
    assert len(shop.files["a"].asked) == 1


def test_every_address_is_named_when_none_gives_the_file(shop: Shop, target: Path) -> None:
    shop.files["a"] = Served(CONTENT, faults=deque([500] * 99))
    closed = Shop()
    nowhere = closed.address("c")
    closed.shutdown()
    closed.server_close()
    with pytest.raises(DownloadError, match=r"/a: HTTP 500; .*/b: HTTP 404; .*/c: ConnectError"):
        download([shop.address("a"), shop.address("b"), nowhere], target, None)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("served", [Served(OTHER), Served(OTHER, length=False), Served(CONTENT[:-1], length=False)])
def test_wrong_bytes_lead_to_the_next_address(shop: Shop, target: Path, served: Served) -> None:
    shop.files["a"], shop.files["b"] = served, Served(CONTENT)
    assert download([shop.address("a"), shop.address("b")], target, record(CONTENT)) == record(CONTENT)
    assert record(target.read_bytes()) == record(CONTENT)
    assert shop.files["a"].asked == [None]  # a second try would bring the same
    del shop.files["b"]
    target.unlink()
    with pytest.raises(DownloadError, match=f"sha256 {record(served.content).sha256} .* not {record(CONTENT).sha256}"):
        download([shop.address("a"), shop.address("b")], target, record(CONTENT))
    assert list(target.parent.iterdir()) == []


def test_another_length_is_refused_before_it_is_fetched(shop: Shop, target: Path) -> None:
    shop.files["a"] = Served(CONTENT + OTHER)
    with pytest.raises(DownloadError, match="has 600,000 bytes, not 300,000"):
        download([shop.address("a")], target, record(CONTENT))
    shop.files["a"].length = False
    with pytest.raises(DownloadError, match="sends more than 300,000 bytes"):
        download([shop.address("a")], target, record(CONTENT))
    assert list(target.parent.iterdir()) == []


def test_a_server_without_ranges_is_asked_for_the_whole(shop: Shop, target: Path) -> None:
    begin(shop, target, "a", Served(CONTENT, ranges=False))
    download([shop.address("a")], target, None)
    assert record(target.read_bytes()) == record(CONTENT)
    assert shop.files["a"].asked == ["bytes=150000-"]


def test_a_part_is_gone_on_with_after_a_kill(shop: Shop, target: Path) -> None:
    begin(shop, target, "b", Served(CONTENT))
    shop.files["a"] = Served(CONTENT)
    download([shop.address("a"), shop.address("b")], target, None)  # the address of the part comes first
    assert record(target.read_bytes()) == record(CONTENT)
    assert (shop.files["a"].asked, shop.files["b"].asked) == ([], ["bytes=150000-"])


def test_a_part_of_one_address_is_not_gone_on_with_at_another(shop: Shop, target: Path) -> None:
    """Two servers may name different files alike."""
    begin(shop, target, "a", Served(CONTENT))
    shop.files = {"b": Served(OTHER)}
    assert download([shop.address("a"), shop.address("b")], target, None) == record(OTHER)
    assert shop.files["b"].asked == [None]


@pytest.mark.parametrize("if_range", [True, False])
@pytest.mark.parametrize(
    "change",
    [{"etag": '"2"'}, {"etag": None, "changed": "Tue, 02 Jan 2024 00:00:00 GMT"}],
    ids=["etag", "last modified"],
)
def test_a_file_that_changed_is_not_glued(
    shop: Shop, target: Path, change: dict[str, str | None], if_range: bool
) -> None:
    """Same size, another version: whether the server says so by the whole file or by the version of the rest."""
    old = {"etag": None, "changed": "Mon, 01 Jan 2024 00:00:00 GMT"} if change["etag"] is None else {}
    begin(shop, target, "a", Served(CONTENT, **old))  # type: ignore[arg-type]
    shop.files["a"] = Served(OTHER, if_range=if_range, **change)  # type: ignore[arg-type]
    assert download([shop.address("a")], target, None) == record(OTHER)
    assert record(target.read_bytes()) == record(OTHER)


def test_a_file_of_another_size_is_not_glued(shop: Shop, target: Path) -> None:
    begin(shop, target, "a", Served(CONTENT))
    shop.files["a"] = Served(OTHER + OTHER, if_range=False)
    download([shop.address("a")], target, None)
    assert record(target.read_bytes()) == record(OTHER + OTHER)


def test_a_file_without_any_version_is_begun_anew(shop: Shop, target: Path) -> None:
    begin(shop, target, "a", Served(CONTENT, etag=None))
    shop.files["a"] = Served(OTHER, etag=None)
    download([shop.address("a")], target, None)
    assert record(target.read_bytes()) == record(OTHER)
    assert shop.files["a"].asked == [None]


def test_a_part_that_turns_out_to_be_another_files_is_begun_anew(shop: Shop, target: Path) -> None:
    """No version, but a known sha256: it is gone on with, found wrong at the end, and fetched whole."""
    begin(shop, target, "a", Served(OTHER, etag=None))
    shop.files["a"] = Served(CONTENT, etag=None)
    download([shop.address("a")], target, record(CONTENT))
    assert record(target.read_bytes()) == record(CONTENT)
    assert shop.files["a"].asked == ["bytes=150000-", None]


def test_a_whole_part_needs_no_server(shop: Shop, target: Path) -> None:
    """Killed between the last byte and the move into place."""
    begin(shop, target, "a", Served(CONTENT))
    part = Part(shop.address("a"), target, None)
    part.path.write_bytes(CONTENT)
    download([shop.address("a")], target, record(CONTENT))
    assert shop.files["a"].asked == []
    assert record(target.read_bytes()) == record(CONTENT)


@pytest.mark.parametrize("about", [b"", b"[]", b'{"address": 5}', b"\xff"])
def test_a_part_with_a_damaged_note_is_begun_anew(shop: Shop, target: Path, about: bytes) -> None:
    begin(shop, target, "a", Served(CONTENT))
    Part(shop.address("a"), target, None).about.write_bytes(about)
    download([shop.address("a")], target, None)
    assert record(target.read_bytes()) == record(CONTENT)
    assert shop.files["a"].asked == [None]


def test_a_page_of_text_is_no_gzip_file(shop: Shop, tmp_path: Path) -> None:
    shop.files["a"] = Served(b"<html>Please log in</html>")
    with pytest.raises(DownloadError, match="something else than a gzip file"):
        download([shop.address("a")], tmp_path / "reviews.json.gz", None)
    assert list(tmp_path.iterdir()) == []


def test_without_length_and_checksum_nothing_is_taken_on_trust(shop: Shop, target: Path) -> None:
    shop.files["a"] = Served(CONTENT, length=False, faults=deque([Drop(1000)]))
    with pytest.raises(DownloadError, match="does not say how long the file is"):
        download([shop.address("a")], target, None)
    shop.files["a"].faults.clear()
    assert download([shop.address("a")], target, record(CONTENT)) == record(CONTENT)


def test_a_safe_address_does_not_lead_to_an_unsafe_one(target: Path) -> None:
    part = Part("https://example.org/a", target, None)
    answer = httpx.Response(200, request=httpx.Request("GET", "http://example.org/b"))
    with pytest.raises(transport.RefusedError, match="not encrypted"):
        transport._check_answer(part, answer)


def test_a_folder_that_cannot_be_written_is_named(shop: Shop, target: Path) -> None:
    shop.files["a"] = Served(CONTENT)
    target.with_name("reviews.json.part").mkdir()
    with pytest.raises(WriteError, match=r"reviews.json.part: cannot be written"):
        download([shop.address("a")], target, None)


def test_waits_grow_between_tries(shop: Shop, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def at_once(state: RetryCallState) -> float:
        waited.append(WAIT(state))
        return 0

    monkeypatch.setattr(transport, "WAIT", at_once)
    shop.files["a"] = Served(CONTENT, faults=deque([503, 429, 500]))
    assert download([shop.address("a")], target, None) == record(CONTENT)
    bounds = [(0.5 * 2**n, 0.5 * 2**n + 1) for n in range(3)]
    assert all(low <= seconds <= high for seconds, (low, high) in zip(waited, bounds, strict=True)), waited


def test_progress_on_a_terminal_says_how_long_it_takes(
    shop: Shop, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    shop.files["a"] = Served(CONTENT)
    download([shop.address("a")], target, None)
    last = screen.getvalue().split("\r")[-1]
    assert last.startswith(f"{target.name}: 100%")
    assert re.search(r"\[\d\d:\d\d<\d\d:\d\d, .*B/s\]", last), last  # elapsed < remaining, rate


class Screen(io.StringIO):
    """What a terminal would show."""

    def isatty(self) -> bool:
        return True
