"""Fetching that is killed at random moments, from a server that drops connections: the bytes are always the same."""

import random
import shutil
import signal
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from posrec.files import sha256
from tests import ledger
from tests.data.raw.server import Drop, Served, Shop
from tests.workflow.project import PATIENCE, Project

pytestmark = pytest.mark.workflow
KILLS = 40
SIZES = {"reviews_Toys_5.json.gz": 3_000_000, "meta_Toys.json.gz": 500_000, "image_features_Toys.b": 1_500_000}


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    for name, size in SIZES.items():
        content = random.Random(name).randbytes(size)
        shop.files[f"files/{name}"] = Served((b"\x1f\x8b" if name.endswith(".gz") else b"") + content, pause=0.004)
    yield shop
    shop.shutdown()
    shop.server_close()


def know(project: Project, shop: Shop) -> None:
    """Make the shop the only source of a copy of the project."""
    folder = project.folder / "src/posrec/data"
    entry = {"format": "amazon2014", "title": "Toys", "publisher": "toys", "files": [f"files/{name}" for name in SIZES]}
    (folder / "sources.yaml").write_text(yaml.safe_dump({"toys": entry}))
    (folder / "publishers.yaml").write_text(yaml.safe_dump({"toys": [shop.address("gone/"), shop.address()]}))
    (folder / "sources.lock").write_text("")
    project.environment["POSREC_MIRROR"] = ""


def wanted(shop: Shop) -> dict[str, bytes]:
    return {name: shop.files[f"files/{name}"].content for name in SIZES}


def fetched(project: Project) -> dict[str, bytes]:
    folder = project.folder / "results/raw/toys"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "source.json"}


def kill_some(project: Project, command: tuple[str, ...], kills: int, latest: float) -> None:
    """Start a command and kill it at a random moment, until so many kills found it alive; a whole fetch starts over."""
    choice = random.Random(kills)
    found = whole = 0
    while found < kills:
        process = project.start(*command, note=False)
        time.sleep(choice.uniform(0.2, latest))
        process.send_signal(signal.SIGKILL)
        output = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode in (0, -signal.SIGKILL), output
        if process.returncode == 0:
            whole += 1
            shutil.rmtree(project.folder / "results/raw/toys")
        else:
            found += 1
    ledger.note(f"{kills} kill -9 of `{' '.join(command)}` at random moments, over {whole + 1} fetches from nothing")


@pytest.mark.parametrize("record", [True, False])
def test_kills_of_a_download(fresh: Project, shop: Shop, record: bool) -> None:
    know(fresh, shop)
    command = ("posrec", "fetch", "toys", "--record")
    if not record:
        fresh.run(*command)
        shutil.rmtree(fresh.folder / "results/raw/toys")
        command = command[:-1]
    kill_some(fresh, command, KILLS, latest=1.2)
    fresh.run(*command)
    assert fetched(fresh) == wanted(shop)
    lock = yaml.safe_load((fresh.folder / "src/posrec/study/sources.lock").read_text())["toys"]
    folder = fresh.folder / "results/raw/toys"
    assert {name: (entry["size"], entry["sha256"]) for name, entry in lock.items()} == {
        name: (len(content), sha256(folder / name)) for name, content in wanted(shop).items()
    }
    ranges = [asked for served in shop.files.values() for asked in served.asked if asked]
    assert ranges, "nothing was ever gone on with"


def test_kills_while_connections_drop_and_the_file_changes(fresh: Project, shop: Shop) -> None:
    know(fresh, shop)
    choice = random.Random(7)
    for served in shop.files.values():
        served.faults = deque(choice.choice([Drop(choice.randrange(400_000)), 500, 503]) for _ in range(KILLS))
    kill_some(fresh, ("posrec", "fetch", "toys", "--record"), KILLS // 2, latest=1.5)
    name = "files/image_features_Toys.b"
    shop.files[name] = Served(random.Random(8).randbytes(SIZES["image_features_Toys.b"]), etag='"2"', pause=0.004)
    (fresh.folder / "results/raw/toys/image_features_Toys.b").unlink(missing_ok=True)
    ledger.note("another file stands at one of the addresses")
    kill_some(fresh, ("posrec", "fetch", "toys", "--record"), KILLS // 2, latest=1.2)
    for served in shop.files.values():
        served.faults.clear()
    fresh.run("posrec", "fetch", "toys", "--record")
    assert fetched(fresh) == wanted(shop)


def test_kills_of_a_copy_from_the_mirror(fresh: Project, shop: Shop) -> None:
    know(fresh, shop)
    mirror = fresh.folder.parent / "mirror"
    for name, content in wanted(shop).items():
        path = mirror / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content * 20)
    fresh.environment["POSREC_MIRROR"] = str(mirror)
    kill_some(fresh, ("posrec", "fetch", "toys", "--record"), KILLS // 2, latest=0.9)
    fresh.run("posrec", "fetch", "toys", "--record")
    assert fetched(fresh) == {name: content * 20 for name, content in wanted(shop).items()}
    assert not list(Path(fresh.folder / "results/raw/toys").glob(".*"))
