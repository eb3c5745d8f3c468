"""Raw files of a known source: copied from a mirror folder and checked against the registry's sha256."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posrec import plan
from posrec.errors import DataError, StudyError
from posrec.files import sha256, write_bytes, write_json
from posrec.study import nearest

MIRROR = "POSREC_MIRROR"
RECORD = "source.json"


def fetch(name: str, destination: Path) -> None:
    """Copy the files of the source `name` from $POSREC_MIRROR/<name>/ into `destination`, checking each sha256.

    Files already there with the right sha256 are kept. `source.json` is written last. Raises StudyError for an unknown
    source, DataError for a mirror that is not set, lacks a file or holds another one.
    """
    source = known_source(name)
    for file, expected in source["files"].items():
        target = destination / file
        if not (target.is_file() and sha256(target) == expected):
            write_bytes(target, _read_mirror(name, source, file, expected))
    write_json(destination / RECORD, {"source": name, "title": source["title"], "files": source["files"]})


def known_source(name: str) -> dict[str, Any]:
    """The registry's entry of a source. Raises StudyError naming the nearest one."""
    registry = plan.registry()
    if name not in registry:
        known = list(registry)
        raise StudyError(f"source '{name}' is not known{nearest(name, known)}; known: {', '.join(known)}")
    source: dict[str, Any] = registry[name]
    return source


def check_raw_files(folder: Path, files: Mapping[str, str | None], remedy: str) -> None:
    """Raise DataError unless `folder` holds `files` with their sha256 (None: any); `remedy` is a command."""
    for file, expected in files.items():
        path = folder / file
        if not path.is_file():
            raise DataError(f"{path}: missing; run `{remedy}` first")
        if expected is not None and (found := sha256(path)) != expected:
            raise DataError(f"{path}: sha256 is {found}, not {expected}: it was changed; run `{remedy}` again")


def _read_mirror(name: str, source: dict[str, Any], file: str, expected: str) -> bytes:
    path = _mirror_path(name, source, file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"source '{name}': {path} cannot be read ({error.strerror}); {_way_out(name, source, file)}"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"source '{name}': {path} has sha256 {found}, but the registry names {expected}: the file is damaged or "
            f"another version; replace it. {_way_out(name, source, file)}"
        )
    return content


def _mirror_path(name: str, source: dict[str, Any], file: str) -> Path:
    mirror = os.environ.get(MIRROR)
    if not mirror:
        raise DataError(f"source '{name}': {file} is needed, but {MIRROR} is not set; {_way_out(name, source, file)}")
    return Path(mirror) / name / file


def _way_out(name: str, source: dict[str, Any], file: str) -> str:
    return (
        f"put the file at <folder>/{name}/{file} and set the variable: export {MIRROR}=<folder> "
        f"(the original data come from {source['official']})"
    )
