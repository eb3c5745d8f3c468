"""Packed files: bombs stop, zips hold one file, members stay in their folder."""

import gzip
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from posrec.data.raw import archives
from posrec.data.raw.archives import members, read_chunks, read_member
from posrec.errors import DataError

TEXT = b"one\ntwo\n"


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def read(path: Path) -> bytes:
    return b"".join(read_chunks(path))


def test_plain_gzipped_and_zipped_files_are_told_by_their_content(tmp_path: Path) -> None:
    for name, content in (("a.tsv", TEXT), ("b.tsv.gz", gzip.compress(TEXT)), ("c.tsv", gzip.compress(TEXT))):
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == TEXT
    assert read(write_zip(tmp_path / "d.tsv.zip", {"inner.tsv": TEXT})) == TEXT


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_bomb_stops_at_the_limit(tmp_path: Path, kind: str) -> None:
    """256 MiB of zeros in 256 kB: it is left after the limit, without ever lying in memory."""
    path = tmp_path / f"bomb.{kind}"
    if kind == "gz":
        block = gzip.compress(bytes(2**24))
        path.write_bytes(block * 16)  # members of one gzip file
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as handle:
            for _ in range(16):
                handle.write(bytes(2**24))
    assert path.stat().st_size < 2**21
    tracemalloc.start()
    with pytest.raises(DataError, match=r"bomb.*: unpacks to more than .* it looks like a decompression bomb"):
        for _ in read_chunks(path):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_highly_repetitive_reviews_are_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "small.gz"
    path.write_bytes(gzip.compress(bytes(archives.ALWAYS_ALLOWED)))
    assert sum(map(len, read_chunks(path))) == archives.ALWAYS_ALLOWED


def test_a_zip_of_several_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 2 files, not one; unpack it"):
        read(write_zip(tmp_path / "a.zip", {"a": TEXT, "b": TEXT}))


@pytest.mark.parametrize("name", ["../a", "/a", "b/../../a", "..\\a", "c:\\a"])
def test_members_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "a.zip", {"good": TEXT, name: TEXT})
    with (
        zipfile.ZipFile(path) as archive,
        pytest.raises(DataError, match=r"a.zip: the member '.*' points outside its folder; nothing was unpacked"),
    ):
        members(archive, path)


def test_links_and_doubles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with zipfile.ZipFile(path) as archive, pytest.raises(DataError, match="'link' is a link"):
        members(archive, path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", TEXT)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", TEXT)
    with zipfile.ZipFile(path) as archive, pytest.raises(DataError, match="'a' is there twice"):
        members(archive, path)


def test_one_member(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.whl", {"data/a": TEXT, "data/b": bytes(2**27)})
    with zipfile.ZipFile(path) as archive:
        assert b"".join(read_member(archive, path, "data/a")) == TEXT
        with pytest.raises(DataError, match="has no member data/c"):
            list(read_member(archive, path, "data/c"))
        with pytest.raises(DataError, match="decompression bomb"):
            for _ in read_member(archive, path, "data/b"):
                pass
