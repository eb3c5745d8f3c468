"""Known sources: their files and addresses, and the lock file of sizes and checksums.

Planning uses it, so it imports neither pandas nor torch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from posrec.errors import DataError, StudyError
from posrec.files import write_text
from posrec.study.reading import read_yaml
from posrec.study.settings.dataset import DatasetSettings

FOLDER = Path(__file__).parent
LOCK = FOLDER / "sources.lock"
HEADER = "# Sizes and sha256 of raw files as first fetched; written by `posrec fetch NAME --record`. Commit it.\n"


@dataclass(frozen=True)
class FileRecord:
    """Size in bytes and sha256 of a raw file."""

    size: int
    sha256: str


@cache
def sources() -> dict[str, Any]:
    """Known sources by name (sources.yaml)."""
    known: dict[str, Any] = _read_yaml(FOLDER / "sources.yaml")
    return known


def file_names(source: Mapping[str, Any]) -> list[str]:
    """Names of a source's files in its folder: the last parts of their paths."""
    return [Path(path).name for path in source["files"]]


def addresses(source: Mapping[str, Any], path: str) -> list[str]:
    """Official addresses of a source's file, in the order in which they are tried."""
    bases: list[str] = _read_yaml(FOLDER / "publishers.yaml")[source["publisher"]] if "publisher" in source else []
    return [base + path for base in bases]


def locked(name: str) -> dict[str, FileRecord]:
    """The records of the source `name` in the lock file; files that were never recorded are left out."""
    entry: dict[str, dict[str, Any]] = _read_lock(LOCK).get(name, {})
    return {file: FileRecord(int(known["size"]), str(known["sha256"])) for file, known in entry.items()}


def unrecorded(name: str) -> list[str]:
    """The files of a known source that are not in the lock file."""
    known = locked(name)
    return [file for file in file_names(sources()[name]) if file not in known]


def has_times(dataset: DatasetSettings) -> bool:
    """Whether a data set's reviews have times, or only an order."""
    if dataset.table is not None:
        return dataset.table.time is not None
    return _says(dataset, "times")


def has_attributes(dataset: DatasetSettings) -> bool:
    """Whether the items of a data set have attributes that the study uses."""
    if dataset.table is not None:
        return dataset.attributes and dataset.table.items is not None
    return dataset.attributes and _says(dataset, "attributes")


def _says(dataset: DatasetSettings, key: str) -> bool:
    return bool(sources().get(dataset.source or "", {}).get(key, True))


def record(name: str, files: Mapping[str, FileRecord]) -> None:
    """Write the sizes and checksums of a source's files into the lock file."""
    _read_lock.cache_clear()
    known = {**_read_lock(LOCK), name: {file: asdict(found) for file, found in files.items()}}
    write_text(LOCK, HEADER + yaml.safe_dump(known, sort_keys=True, width=200))
    _read_lock.cache_clear()


@cache
def _read_lock(path: Path) -> dict[str, Any]:
    return _parse(path) or {}


@cache
def _read_yaml(path: Path) -> Any:
    return _parse(path)


def _parse(path: Path) -> Any:
    try:
        return read_yaml(path)
    except StudyError as error:
        raise DataError(f"{error}; restore it with `git checkout {path}`") from None
