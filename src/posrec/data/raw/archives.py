"""Packed files, read without trusting them: gzip and zip up to a limit, members of an archive inside their folder."""

import gzip
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from tqdm import tqdm

from posrec.errors import DataError

CHUNK = 2**20  # bytes
MAX_RATIO = 250  # unpacked bytes a packed one: real reviews have 3 to 10, a decompression bomb 1,000
ALWAYS_ALLOWED = 2**26  # unpacked bytes that are fine whatever the ratio
DAMAGED = (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error)  # reading such a file
GZIP, ZIP = b"\x1f\x8b", b"PK"  # how such a file begins; no UTF-8 table of reviews does


def read_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a plain, gzipped or zipped file (a zip of one file) in chunks, with a progress bar on a terminal.

    Raises DataError for a decompression bomb and for a zip of several files; what `gzip` and `zipfile` raise goes on.
    """
    with path.open("rb") as raw:
        size = path.stat().st_size
        bar = tqdm(total=size, desc=path.name, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty())
        with bar:
            for chunk in limited(_unpacked(raw, path), path, size):
                bar.update(raw.tell() - bar.n)
                yield chunk


def limited(handle: IO[bytes], path: Path, packed: int) -> Iterator[bytes]:
    """The bytes of an open packed file of `packed` bytes in chunks. Raises DataError beyond MAX_RATIO times as many."""
    limit, total = max(ALWAYS_ALLOWED, MAX_RATIO * packed), 0
    while chunk := handle.read(CHUNK):
        total += len(chunk)
        if total > limit:
            raise DataError(
                f"{path}: unpacks to more than {limit:,} bytes from {packed:,}: it looks like a decompression "
                "bomb, and was not read; if you trust it, unpack it yourself and name the unpacked file"
            )
        yield chunk


def members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by name. Raises DataError for one that points outside its folder, is a link, or is twice."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in (name.parts or ("",))[0]:
            raise DataError(f"{path}: the member {member.filename!r} points outside its folder; nothing was unpacked")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{path}: the member {member.filename!r} is a link; nothing was unpacked")
        if str(name) in found:
            raise DataError(f"{path}: the member {member.filename!r} is there twice; nothing was unpacked")
        if not member.is_dir():
            found[str(name)] = member
    return found


def read_member(archive: zipfile.ZipFile, path: Path, name: str) -> Iterable[bytes]:
    """The bytes of one file of a zip in chunks. Raises DataError: unsafe archive, no such member, bomb."""
    found = members(archive, path)
    if name not in found:
        raise DataError(f"{path}: has no member {name}; it is not the version that the source needs")
    with archive.open(found[name]) as handle:
        yield from limited(handle, path, max(1, found[name].compress_size))


def _unpacked(raw: IO[bytes], path: Path) -> IO[bytes]:
    magic = raw.read(2)
    raw.seek(0)
    if magic == GZIP or (magic and path.suffix == ".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if magic == ZIP or (magic and path.suffix == ".zip"):
        archive = zipfile.ZipFile(raw)
        found = members(archive, path)
        if len(found) != 1:
            raise DataError(f"{path}: holds {len(found)} files, not one; unpack it and name the file that is meant")
        return archive.open(next(iter(found.values())))
    return raw
