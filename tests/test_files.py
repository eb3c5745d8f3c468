"""Writes are whole or not at all, and say what to do when they cannot be done."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from posrec import files
from posrec.errors import DataError, WriteError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "a.json"
    files.write_text(path, "old")

    def fails(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(WriteError, match=rf"a.json: cannot be written \({os.strerror(number)}\).*run the same command"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(tmp_path / "a.json", "new")
    assert list(tmp_path.iterdir()) == []


def test_chunks_that_end_with_an_error_leave_the_old_file(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"new"
        raise DataError("damaged")

    path = tmp_path / "a.gz"
    files.write_stream(path, [b"o", b"ld"])
    with pytest.raises(DataError, match="damaged"):
        files.write_stream(path, chunks())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
