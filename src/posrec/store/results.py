"""Read and write run files and the store's blocks. Checksums ensure that a damaged file is never used as a result.

The store (`.cache`, or POSREC_STORE) keeps every training: one block per run id, seed and evaluation protocol,
`runs/<run_id>/seed=<s>/<block_id>.json` with its npz, and the weights that a study keeps. A study's run files are
assembled from blocks, without training.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posrec.errors import DataError
from posrec.files import REMEDY, digest, npz_bytes, read_json, read_npz, sha256, write_bytes, write_json

Result = tuple[dict[str, Any], dict[str, np.ndarray]]


def write_result(path: Path, content: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write `path` (.json) and the .npz beside it, npz first. The checksum in the json covers both."""
    npz = path.with_suffix(".npz")
    write_bytes(npz, npz_bytes(arrays, compress=True))
    write_json(path, {**content, "checksum": _checksum(content, npz)})


def read_result(path: Path) -> Result:
    """Read a json and its npz. Raises DataError where either is missing or damaged."""
    return read_content(path), read_npz(path.with_suffix(".npz"))


def read_content(path: Path) -> dict[str, Any]:
    """Read the json only; the checksum of both files is verified. Raises DataError as `read_result`."""
    content = read_json(path)
    npz = path.with_suffix(".npz")
    if not isinstance(content, dict) or not npz.exists():
        raise DataError(f"{npz}: missing, or {path} is not a result; {REMEDY}")
    expected = content.pop("checksum", None)
    if not _matches(content, npz, expected):
        raise DataError(f"{path}: the checksum does not match: the file was damaged or edited; {REMEDY}")
    return content


def is_good(path: Path, must_say: Mapping[str, Any]) -> bool:
    """Whether `path` holds an undamaged result that says this (run_id, seed, ...)."""
    return status_of(path, must_say) is not None


def status_of(path: Path, must_say: Mapping[str, Any]) -> str | None:
    """The status in an undamaged result that says this; None where there is no such result."""
    try:
        content = read_content(path)
    except DataError:
        return None
    same = all(content.get(key) == value for key, value in must_say.items())
    return str(content.get("status")) if same else None


def _matches(content: dict[str, Any], npz: Path, expected: object) -> bool:
    try:
        return _checksum(content, npz) == expected
    except (OSError, ValueError):  # unreadable, or NaN in the json, which is never written here
        return False


def _checksum(content: dict[str, Any], npz: Path) -> str:
    return digest([content, sha256(npz)], length=64)
