"""Sources: from the mirror, the addresses or a wheel, checked against the lock file; every error names the way out."""

import fcntl
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tenacity import wait_none

from posrec import cli
from posrec.data.raw import sources, transport, wheels
from posrec.errors import DataError, StudyError
from posrec.files import read_json, sha256
from posrec.plan import hashes, ids
from posrec.study import sources as registry
from posrec.study import study

from .server import Drop, Served, Shop, Stall

CONTENT = {"reviews.json": b"reviews", "items.json": b"items"}
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
ORIGIN = "https://example.org/original"
RECORDS = {name: {"size": len(content), "sha256": HASHES[name]} for name, content in CONTENT.items()}


def write_registry(folder: Path, entry: dict[str, Any], lock: dict[str, Any], bases: list[str]) -> None:
    """The files of a registry of one source, `shop`."""
    folder.mkdir(exist_ok=True)
    entry = {"format": "tables", "title": "A shop", "files": list(CONTENT), **entry}
    for name, content in (("sources.yaml", {"shop": entry}), ("publishers.yaml", {"shop": bases})):
        (folder / name).write_text(yaml.safe_dump(content))
    (folder / "sources.lock").write_text(yaml.safe_dump(lock))


@pytest.fixture
def use_registry(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Replace the registry by that of one source."""
    monkeypatch.setattr(registry, "FOLDER", workplace / "known")
    monkeypatch.setattr(registry, "LOCK", workplace / "known/sources.lock")
    monkeypatch.setattr(transport, "WAIT", wait_none())

    def use(entry: dict[str, Any] | None = None, recorded: bool = True, bases: tuple[str, ...] = ()) -> None:
        lock = {"shop": RECORDS} if recorded else {}
        write_registry(workplace / "known", entry or {"origin": ORIGIN}, lock, list(bases))
        clear()

    def clear() -> None:
        for cached in (registry.sources, registry._read_yaml, registry._read_lock):
            cached.cache_clear()

    yield use
    clear()


@pytest.fixture
def mirrored(workplace: Path, use_registry: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `shop` in a mirror that has both files."""
    use_registry()
    monkeypatch.setenv("POSREC_MIRROR", str(workplace / "mirror"))
    folder = workplace / "mirror/shop"
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    shop.files = {f"deep/{name}": Served(content) for name, content in CONTENT.items()}
    yield shop
    shop.shutdown()
    shop.server_close()


PUBLISHED = {"publisher": "shop", "files": [f"deep/{name}" for name in CONTENT]}


def test_fetch_copies_and_records(mirrored: Path) -> None:
    sources.fetch("shop", Path("raw"))
    assert {path.name: path.read_bytes() for path in Path("raw").iterdir() if path.name != "source.json"} == CONTENT
    assert read_json("raw/source.json") == {"source": "shop", "title": "A shop", "files": HASHES}


def test_fetch_keeps_good_files_and_replaces_bad_ones(mirrored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources.fetch("shop", Path("raw"))
    Path("raw/items.json").write_bytes(b"other")
    before = Path("raw/reviews.json").stat()
    sources.fetch("shop", Path("raw"))
    after = Path("raw/reviews.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert Path("raw/items.json").read_bytes() == b"items"
    monkeypatch.delenv("POSREC_MIRROR")
    sources.fetch("shop", Path("raw"))  # complete: needs no mirror


@pytest.mark.parametrize("place", ["shop/items.json", "deep/items.json", "items.json"])
def test_layouts_of_a_mirror(mirrored: Path, use_registry: Any, place: str) -> None:
    use_registry(PUBLISHED)
    found = mirrored.parent / place
    found.parent.mkdir(exist_ok=True)
    shutil.move(mirrored / "items.json", found)
    sources.fetch("shop", Path("raw"))
    assert Path("raw/items.json").read_bytes() == b"items"


def test_mirror_not_set(mirrored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSREC_MIRROR")
    with pytest.raises(DataError) as caught:
        sources.fetch("shop", Path("raw"))
    assert str(caught.value).splitlines() == [
        "source 'shop': 2 of 2 files are not available:",
        "  reviews.json: POSREC_MIRROR is not set",
        "  items.json: POSREC_MIRROR is not set",
        "put each at <folder>/shop/, such as <folder>/shop/reviews.json, set the variable: export "
        f"POSREC_MIRROR=<folder>, and run it again (the original data come from {ORIGIN})",
    ]


def test_file_missing_in_mirror(mirrored: Path) -> None:
    (mirrored / "items.json").unlink()
    with pytest.raises(
        DataError, match=r"1 of 2 files .*\n  items.json: cannot be read: not in POSREC_MIRROR"
    ) as caught:
        sources.fetch("shop", Path("raw"))
    assert ORIGIN in str(caught.value)
    assert not Path("raw/source.json").exists()
    assert Path("raw/reviews.json").exists()  # what could be had is kept


def test_another_content_in_mirror_names_both_hashes(mirrored: Path) -> None:
    (mirrored / "items.json").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(DataError, match=f"{found}, but sources.lock names {HASHES['items.json']}"):
        sources.fetch("shop", Path("raw"))
    assert [path.name for path in Path("raw").iterdir()] == ["reviews.json"]


def test_unknown_source_names_the_nearest(mirrored: Path) -> None:
    with pytest.raises(StudyError, match=r"'shoop' is not known; did you mean 'shop'\?"):
        sources.fetch("shoop", Path("raw"))


def test_raw_files_are_checked_before_use(mirrored: Path) -> None:
    sources.fetch("shop", Path("raw"))
    sources.check_raw_files(Path("raw"), HASHES, "run `posrec fetch shop`")
    Path("raw/items.json").write_bytes(b"edits")  # the same size
    with pytest.raises(DataError, match=r"items.json: sha256 is .* changed; run `posrec fetch shop`"):
        sources.check_raw_files(Path("raw"), HASHES, "run `posrec fetch shop`")
    Path("raw/items.json").unlink()
    with pytest.raises(DataError, match=r"items.json: missing; run `posrec fetch shop` first"):
        sources.check_raw_files(Path("raw"), HASHES, "run `posrec fetch shop`")


def test_the_addresses_are_tried_where_the_mirror_lacks_a_file(mirrored: Path, shop: Shop, use_registry: Any) -> None:
    (mirrored / "items.json").unlink()
    use_registry(PUBLISHED, bases=(shop.address("gone/"), shop.address()))
    sources.fetch("shop", Path("raw"))
    assert Path("raw/items.json").read_bytes() == b"items"
    assert shop.files["deep/reviews.json"].asked == []  # the mirror takes precedence


def test_no_network_says_what_is_missing_and_from_where(use_registry: Any) -> None:
    closed = Shop()
    base = closed.address()
    closed.shutdown()
    closed.server_close()
    use_registry(PUBLISHED, bases=(base,))
    with pytest.raises(DataError) as caught:
        sources.fetch("shop", Path("raw"))
    lines = str(caught.value).splitlines()
    assert lines[1].startswith(f"  reviews.json: {base}deep/reviews.json: ConnectError")
    assert "export POSREC_MIRROR=<folder>" in lines[-1]
    assert base in lines[-1]


def test_a_source_is_recorded_once_and_checked_ever_after(
    shop: Shop, use_registry: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    use_registry(PUBLISHED, recorded=False, bases=(shop.address(),))
    raw = {"study": "s", "datasets": {"toy": {"source": "shop"}}, "encodings": ["none"], "seeds": [1, 2, 3]}
    dataset = study.from_dict(raw).settings.datasets["toy"]
    with pytest.raises(
        StudyError, match=r"no recorded sha256 of reviews.json, items.json; run `posrec fetch shop --re"
    ):
        ids.source_of("toy", dataset)
    assert cli.main(["fetch", "shop"]) == 2
    assert "run `posrec fetch shop --record` once and commit sources.lock" in capsys.readouterr().err
    assert not Path("results").exists()
    assert cli.main(["fetch", "shop", "--record"]) == 0
    assert yaml.safe_load(registry.LOCK.read_text()) == {"shop": RECORDS}
    assert ids.source_of("toy", dataset)["files"] == HASHES
    shop.files["deep/items.json"] = Served(b"ITEMS")
    Path("results/raw/shop/items.json").unlink()
    for arguments in (["fetch", "shop"], ["fetch", "shop", "--record"]):
        assert cli.main(arguments) == 2
        assert f"not {HASHES['items.json']}" in capsys.readouterr().err
    assert yaml.safe_load(registry.LOCK.read_text()) == {"shop": RECORDS}


def test_the_list_says_what_has_to_be_recorded(use_registry: Any, capsys: pytest.CaptureFixture[str]) -> None:
    use_registry(recorded=False)
    assert cli.main(["fetch", "--list"]) == 0
    assert "A shop (not recorded yet: --record)" in capsys.readouterr().out
    use_registry()
    assert cli.main(["fetch", "--list"]) == 0
    assert capsys.readouterr().out.split() == ["shop", "A", "shop"]


def test_one_fetch_at_a_time(mirrored: Path) -> None:
    Path("raw").mkdir()
    handle = os.open("raw", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="another `posrec fetch` writes into raw"):
        sources.fetch("shop", Path("raw"))
    os.close(handle)
    sources.fetch("shop", Path("raw"))


def test_leftovers_of_a_kill_are_removed(mirrored: Path) -> None:
    Path("raw/.wheel-x").mkdir(parents=True)
    for name in (".items.json.abc.tmp", ".wheel-x/pip.whl", "items.json.part.json"):
        Path("raw", name).write_bytes(b"half")
    sources.fetch("shop", Path("raw"))
    sources.fetch("shop", Path("raw"))
    assert sorted(path.name for path in Path("raw").iterdir()) == ["items.json", "reviews.json", "source.json"]


FETCH = """
    import sys
    from pathlib import Path
    from posrec.study import sources
    sources.FOLDER, sources.LOCK = Path("known"), Path("known/sources.lock")
    from posrec import cli
    sys.exit(cli.main(["fetch", "shop", "--record"]))
"""


@pytest.mark.parametrize("moment", [0.0, 0.3, 0.7, 0.999])
def test_a_kill_at_any_moment_changes_no_byte(workplace: Path, shop: Shop, moment: float) -> None:
    """kill -9 when that share of the larger file has come; then the same command again."""
    big = random.Random(3).randbytes(600_000)
    stall = Stall(int(moment * len(big)))
    shop.files["deep/reviews.json"] = Served(big, faults=deque([stall]))
    write_registry(workplace / "known", PUBLISHED, {}, [shop.address()])
    command = [sys.executable, "-c", textwrap.dedent(FETCH)]
    process = subprocess.Popen(command)
    part = workplace / "results/raw/shop/reviews.json.part"
    assert stall.reached.wait(timeout=60)
    time.sleep(0.1)  # for the last of it to be written
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size if part.exists() else 0
    assert kept > 0.8 * stall.after - 1
    shop.files["deep/reviews.json"].asked.clear()
    subprocess.run(command, check=True)
    assert {path.name for path in part.parent.iterdir()} == {*CONTENT, "source.json"}
    assert sha256(part.with_name("reviews.json")) == hashlib.sha256(big).hexdigest()
    assert shop.files["deep/reviews.json"].asked == [f"bytes={kept}-" if kept else None]
    assert yaml.safe_load((workplace / "known/sources.lock").read_text())["shop"]["reviews.json"]["size"] == len(big)


def write_wheel(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = workplace / "index"
    folder.mkdir()
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(folder)), ("PIP_NO_CACHE_DIR", "1")):
        monkeypatch.setenv(name, value)
    return folder


ABOUT = {
    "shop_data-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: shop-data\nVersion: 1.0\n",
    "shop_data-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "shop_data-1.0.dist-info/RECORD": b"",
}
WHEEL = "shop_data-1.0-py3-none-any.whl"


def wheel_entry(checksum: str) -> dict[str, Any]:
    files = [f"shop_data/{name}" for name in CONTENT]
    return {"wheel": {"requirement": "shop-data==1.0", "sha256": checksum}, "files": files, "origin": ORIGIN}


def test_files_of_a_wheel(index: Path, use_registry: Any) -> None:
    checksum = write_wheel(index / WHEEL, {**ABOUT, **{f"shop_data/{name}": data for name, data in CONTENT.items()}})
    use_registry(wheel_entry(checksum), recorded=False)
    sources.fetch("shop", Path("raw"), record=True)
    assert yaml.safe_load(registry.LOCK.read_text()) == {"shop": RECORDS}
    assert sorted(path.name for path in Path("raw").iterdir()) == ["items.json", "reviews.json", "source.json"]
    (index / WHEEL).unlink()
    Path("raw/items.json").unlink()
    with pytest.raises(DataError, match=r"package index: shop-data==1.0 \(.*\)\nput each at <folder>/shop/"):
        sources.fetch("shop", Path("raw"))


def test_another_wheel_is_refused(index: Path, use_registry: Any) -> None:
    write_wheel(index / WHEEL, {**ABOUT, "shop_data/reviews.json": b"other"})
    use_registry(wheel_entry("0" * 64))
    with pytest.raises(DataError, match=r"package index: shop-data==1\.0"):
        sources.fetch("shop", Path("raw"))
    assert list(Path("raw").iterdir()) == []


@pytest.mark.parametrize("name", ["../up.json", "/abs.json", "a/../../up.json", "..\\up.json", "c:/up.json"])
def test_a_wheel_that_points_outside_is_refused_whole(index: Path, use_registry: Any, name: str) -> None:
    members = {**ABOUT, **{f"shop_data/{file}": data for file, data in CONTENT.items()}, name: b"outside"}
    use_registry(wheel_entry(write_wheel(index / WHEEL, members)))
    with pytest.raises(DataError, match="points outside its folder; nothing was unpacked"):
        sources.fetch("shop", Path("raw"))
    assert list(Path("raw").iterdir()) == []
    assert not Path("up.json").exists()
    assert wheels.PREFIX not in str(list(Path().iterdir()))


def test_hashes_are_cached_by_path_size_and_time(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workplace / "big.json"
    path.write_bytes(b"one")
    monkeypatch.setattr(hashes, "SETTLED", 0.2)
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    assert hashes.sha256_of(path) == one
    path.write_bytes(b"two")  # at once, of the same size: nothing was cached yet
    assert hashes.sha256_of(path) == two
    time.sleep(0.3)
    assert hashes.sha256_of(path) == two
    computed: list[Path] = []
    monkeypatch.setattr(hashes, "sha256", lambda name: computed.append(name) or one)
    monkeypatch.setattr(hashes, "KNOWN", {})  # another process
    assert hashes.sha256_of(path) == two
    assert computed == []
    os.utime(path, (1, 1))
    assert hashes.sha256_of(path) == one
    hashes.CACHE.write_bytes(b"damaged")
    monkeypatch.setattr(hashes, "KNOWN", {})
    assert hashes.sha256_of(path) == one
    assert len(computed) == 2
    with pytest.raises(DataError, match=r"absent.json: cannot be read \(No such file"):
        hashes.sha256_of("absent.json")


def test_a_dropped_connection_of_a_source(shop: Shop, use_registry: Any) -> None:
    shop.files["deep/items.json"].faults.append(Drop(2))
    use_registry(PUBLISHED, bases=(shop.address(),))
    sources.fetch("shop", Path("raw"))
    assert shop.files["deep/items.json"].asked == [None, "bytes=2-"]
    assert Path("raw/items.json").read_bytes() == b"items"
