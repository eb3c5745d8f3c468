"""Write files atomically, hash their content, and put what is read back into an envelope.

The envelope: every result says what it is of, and a checksum covers that and its content. A JSON envelope has its
identity (ids, seed, ...) among its keys, `checksum`, and where files beside it belong to it `files`: their names and
sha256. An npz envelope has the members `identity` and `checksum`. There is one reader, which compares the identity with
what the file's place says, and one error, which ends in the same way out.
"""

import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from posrec.errors import DataError, ForeignError, WriteError

REMEDY = "move it away with `posrec verify --repair`, then run again"  # for a damaged result
FILES, CHECKSUM, IDENTITY = "files", "checksum", "identity"


def digest(value: Any, length: int = 12) -> str:
    """Hash of a JSON-serialisable value, independent of the order of keys: the ids of posrec."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def sha256(path: str | Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write to a temporary name in the same folder, then move it into place: readers never see an incomplete file.

    Raises WriteError naming the file when the disk is full or read-only, or the permission is missing.
    """
    write_stream(path, [content])


def write_stream(path: str | Path, chunks: Iterable[bytes]) -> None:
    """As `write_bytes`, for content in chunks; if producing them raises an error, nothing is written."""
    _write_with(path, lambda handle: handle.writelines(chunks))


def _write_with(path: str | Path, fill: Callable[[IO[bytes]], None]) -> None:
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_aside(path, fill)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written ({error.strerror or error}): check the free space and the permissions of "
            f"{path.parent}, then run the same command again; finished work is kept"
        ) from error


def _write_aside(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            fill(handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, with sorted keys: the same value gives the same bytes. NaN is an error."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON. Raises DataError naming the file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: not a readable JSON file ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error})") from None


def write_checked_json(path: str | Path, content: Mapping[str, Any], beside: Iterable[Path] = ()) -> None:
    """Write a JSON object with a checksum of its content. beside: files that belong to it, already in its folder."""
    files = {file.name: sha256(file) for file in beside}
    whole = {**content, **({FILES: files} if files else {})}
    write_json(path, {**whole, CHECKSUM: digest(whole, length=64)})


def read_checked_json(path: str | Path, **identity: Any) -> dict[str, Any]:
    """Read what `write_checked_json` wrote, without the checksum. identity: what the content must say of itself.

    Files beside it are not read; see `check_files`. Raises DataError for a damaged or edited file, ForeignError for one
    that belongs elsewhere.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a JSON object; {REMEDY}")
    expected = content.pop(CHECKSUM, None)
    if expected is None:
        raise DataError(f"{path}: has no checksum: it is foreign or from an older version; {REMEDY}")
    if _digest_or_none(content) != expected:
        raise _damaged(path)
    check_identity(path, content, identity)
    return content


def check_files(path: str | Path, content: Mapping[str, Any], names: Iterable[str] | None = None) -> None:
    """Raise DataError unless the files that the envelope at `path` names are beside it, unchanged.

    names: those that must be among them, and alone are checked (default: all that it names).
    """
    files = content.get(FILES)
    for name in (files or {}) if names is None else names:
        file = Path(path).parent / name
        if not isinstance(files, dict) or name not in files:
            raise DataError(f"{path}: does not name {name}; {REMEDY}")
        if not file.is_file():
            raise DataError(f"{file}: missing, although {Path(path).name} names it; {REMEDY}")
        if _sha256_or_none(file) != files[name]:
            raise _damaged(file)


def check_identity(path: str | Path, content: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raise ForeignError unless a file's content says what the file's place says of it."""
    for key, value in identity.items():
        if content.get(key) != value:
            raise ForeignError(f"{path}: {key} is {content.get(key)!r}, its place says {value!r}; {REMEDY}")


def _damaged(path: str | Path) -> DataError:
    return DataError(f"{path}: the checksum does not match: the file was damaged or edited; {REMEDY}")


def _sha256_or_none(path: Path) -> str | None:
    try:
        return sha256(path)
    except OSError:  # unreadable, or being replaced
        return None


def _digest_or_none(content: Any) -> str | None:
    try:
        return digest(content, length=64)
    except ValueError:  # NaN, which is never written here
        return None


def npz_bytes(arrays: Mapping[str, np.ndarray], compress: bool = False) -> bytes:
    """The bytes of an npz file; the same arrays always give the same bytes."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compress else np.savez
    ordered: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    save(buffer, **ordered)
    return buffer.getvalue()


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the same bytes as `npz_bytes`, atomically and without a copy in memory. Raises WriteError."""
    ordered: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    _write_with(path, lambda handle: np.savez(handle, **ordered))


def read_npz(path: str | Path, mapped: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Read an npz of plain arrays; never unpickles. Raises DataError naming the file.

    mapped: arrays to memory-map read-only; the file must be uncompressed.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            kept = {name: archive[name] for name in archive.files if name not in mapped}
            names = [name for name in archive.files if name in mapped]
        return kept | {name: _map_member(path, f"{name}.npy") for name in names}
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: not a readable npz of plain arrays ({reason})") from None


def write_checked_npz(path: Path, arrays: Mapping[str, np.ndarray], identity: Mapping[str, Any]) -> None:
    """Write arrays with their identity and a checksum of both."""
    text = json.dumps(identity, sort_keys=True)
    about = {IDENTITY: np.array(text), CHECKSUM: np.array(checksum_of(arrays, identity))}
    write_bytes(path, npz_bytes({**arrays, **about}))


def read_checked_npz(path: Path, names: Iterable[str], identity: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Read the arrays `names` that `write_checked_npz` wrote. Raises DataError and ForeignError as the JSON's reader.

    A file with other arrays, or without identity or checksum, is of another version.
    """
    arrays = read_npz(path)
    if set(arrays) != {*names, IDENTITY, CHECKSUM}:
        raise DataError(f"{path}: holds {', '.join(arrays)}: it is foreign or from an older version; {REMEDY}")
    about, expected = str(arrays.pop(IDENTITY)), str(arrays.pop(CHECKSUM))
    try:
        said = json.loads(about)
    except ValueError:
        raise _damaged(path) from None
    if checksum_of(arrays, said) != expected:
        raise _damaged(path)
    check_identity(path, said, identity)
    return arrays


def checksum_of(arrays: Mapping[str, np.ndarray], identity: Mapping[str, Any]) -> str:
    """The checksum of an npz envelope: of each array's name, type, shape and values, and of the identity."""
    found = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"/{name} {array.dtype.str} {array.shape}/".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _map_member(path: str | Path, member: str) -> np.ndarray:
    """A memory map of an uncompressed array in a zip file."""
    with zipfile.ZipFile(path) as archive, archive.open(member) as content:
        info = archive.getinfo(member)
        np.lib.format.read_magic(content)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
        header = content.tell()
    if info.compress_type != zipfile.ZIP_STORED or fortran:
        raise ValueError(f"{member} is compressed or in Fortran order")
    with open(path, "rb") as handle:
        handle.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", handle.read(4))  # lengths in the member's own header (APPNOTE 4.3.7)
    return np.memmap(path, dtype, "r", info.header_offset + 30 + name + extra + header, shape)
