"""Read and write run files and the store's blocks: a json with its identity and checksum, and the npz beside it.

The store (`.cache`, or POSREC_STORE) keeps every training: one block per run id, seed and evaluation protocol,
`runs/<run_id>/seed=<s>/<block_id>.json` with its npz, and the weights that a study keeps. A study's run files are
assembled from blocks, without training.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posrec.errors import DataError
from posrec.files import (
    FILES,
    check_files,
    npz_bytes,
    read_checked_json,
    read_npz,
    write_bytes,
    write_checked_json,
)

Result = tuple[dict[str, Any], dict[str, np.ndarray]]


def write_result(path: Path, content: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write `path` (.json) and the .npz beside it, npz first. The checksum in the json covers both."""
    npz = path.with_suffix(".npz")
    write_bytes(npz, npz_bytes(arrays, compress=True))
    write_checked_json(path, content, [npz])


def read_result(path: Path, **identity: Any) -> Result:
    """Read a json and its npz. Raises DataError where either is missing or damaged, ForeignError for another's."""
    return read_content(path, **identity), read_npz(path.with_suffix(".npz"))


def read_content(path: Path, **identity: Any) -> dict[str, Any]:
    """Read the json only; the checksum of both files is verified. Raises DataError as `read_result`."""
    content = read_checked_json(path, **identity)
    check_files(path, content, [path.with_suffix(".npz").name])
    del content[FILES]
    return content


def is_good(path: Path, must_say: Mapping[str, Any]) -> bool:
    """Whether `path` holds an undamaged result that says this (run_id, seed, ...)."""
    return status_of(path, must_say) is not None


def status_of(path: Path, must_say: Mapping[str, Any]) -> str | None:
    """The status in an undamaged result that says this; None where there is no such result."""
    try:
        return str(read_content(path, **must_say).get("status"))
    except DataError:
        return None
