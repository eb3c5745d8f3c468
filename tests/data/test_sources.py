"""Sources: copied whole from the mirror, checked, and every error names the way out."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from posrec import plan
from posrec.data import sources
from posrec.errors import DataError, StudyError
from posrec.files import read_json

OFFICIAL = "https://example.org/original"


@pytest.fixture
def known(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A registry of one source, `shop`, of two files, which lie in a mirror."""
    content = {"reviews.gz": b"reviews", "items.gz": b"items"}
    files = {name: hashlib.sha256(text).hexdigest() for name, text in content.items()}
    entry = {"format": "tables", "title": "A shop", "official": OFFICIAL, "files": files}
    monkeypatch.setattr(plan, "registry", lambda: {"shop": entry})
    monkeypatch.setenv("POSREC_MIRROR", str(workplace / "mirror"))
    for name, text in content.items():
        (workplace / "mirror" / "shop").mkdir(parents=True, exist_ok=True)
        (workplace / "mirror" / "shop" / name).write_bytes(text)
    return entry


def test_fetch_copies_and_records(known: dict[str, Any]) -> None:
    sources.fetch("shop", Path("raw"))
    assert {path.name for path in Path("raw").iterdir()} == {"reviews.gz", "items.gz", "source.json"}
    assert Path("raw/reviews.gz").read_bytes() == b"reviews"
    assert read_json("raw/source.json") == {"source": "shop", "title": "A shop", "files": known["files"]}


def test_fetch_keeps_good_files_and_replaces_bad_ones(known: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sources.fetch("shop", Path("raw"))
    Path("raw/items.gz").write_bytes(b"damaged")
    before = Path("raw/reviews.gz").stat()
    sources.fetch("shop", Path("raw"))
    after = Path("raw/reviews.gz").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert Path("raw/items.gz").read_bytes() == b"items"
    monkeypatch.delenv("POSREC_MIRROR")
    sources.fetch("shop", Path("raw"))  # complete: needs no mirror


def test_mirror_not_set(known: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSREC_MIRROR")
    with pytest.raises(
        DataError, match=rf"'shop': reviews.gz .*POSREC_MIRROR is not set.*export POSREC_MIRROR=.*{OFFICIAL}"
    ):
        sources.fetch("shop", Path("raw"))


def test_file_missing_in_mirror(known: dict[str, Any], workplace: Path) -> None:
    (workplace / "mirror/shop/items.gz").unlink()
    with pytest.raises(DataError, match=rf"'shop': .*items.gz cannot be read.*POSREC_MIRROR.*{OFFICIAL}"):
        sources.fetch("shop", Path("raw"))
    assert not Path("raw/source.json").exists()


def test_another_content_in_mirror_names_both_hashes(known: dict[str, Any], workplace: Path) -> None:
    (workplace / "mirror/shop/items.gz").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(DataError, match=f"{found}, but the registry names {known['files']['items.gz']}"):
        sources.fetch("shop", Path("raw"))
    assert not Path("raw/items.gz").exists()


def test_unknown_source_names_the_nearest(known: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=r"'shoop' is not known; did you mean 'shop'\?"):
        sources.fetch("shoop", Path("raw"))


def test_raw_files_are_checked_before_use(known: dict[str, Any]) -> None:
    sources.fetch("shop", Path("raw"))
    sources.check_raw_files(Path("raw"), known["files"], "posrec fetch shop")
    Path("raw/items.gz").write_bytes(b"edited")
    with pytest.raises(DataError, match=r"items.gz: sha256 is .* changed; run `posrec fetch shop` again"):
        sources.check_raw_files(Path("raw"), known["files"], "posrec fetch shop")
    Path("raw/items.gz").unlink()
    with pytest.raises(DataError, match=r"items.gz: missing; run `posrec fetch shop`"):
        sources.check_raw_files(Path("raw"), known["files"], "posrec fetch shop")
