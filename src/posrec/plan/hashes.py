"""sha256 of local files, cached by path, size and time stamps, so that planning does not read a large file twice."""

import json
import os
import time
from pathlib import Path

from posrec.errors import DataError
from posrec.files import digest, sha256, write_json

CACHE = Path(".cache/hashes.json")
SETTLED = 2.0  # seconds: a file written just now may change again within the resolution of its time stamp
State = tuple[int, int, int]  # size, mtime and ctime in nanoseconds
KNOWN: dict[tuple[str, State], str] = {}  # computed in this process


def sha256_of(path: str | Path) -> str:
    """sha256 of a file, from the cache if path, size and time stamps have not changed.

    Of a folder that of its Parquet files. Raises DataError for a file that cannot be read and a folder without any.
    """
    try:
        return _of_folder(Path(path)) if Path(path).is_dir() else _sha256_of(os.path.abspath(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def parts_of(folder: Path) -> list[Path]:
    """The Parquet files of a folder, in the order of their names. Raises DataError where there is none."""
    parts = sorted(folder.glob("*.parquet"))
    if not parts:
        raise DataError(f"{folder}: a folder without *.parquet; a table in parts has them directly in it")
    return parts


def _of_folder(folder: Path) -> str:
    named = {part.name: _sha256_of(os.path.abspath(part)) for part in parts_of(folder)}
    return digest(named, length=64)


def _sha256_of(path: str) -> str:
    state = _state(path)
    if (path, state) in KNOWN:
        return KNOWN[path, state]
    cached = _read_cache().get(path, [])
    found = str(cached[-1]) if cached[:-1] == list(state) else sha256(path)
    if _state(path) == state and time.time() - max(state[1:]) / 1e9 > SETTLED:
        KNOWN[path, state] = found
        if cached != [*state, found]:
            write_json(CACHE, {**_read_cache(), path: [*state, found]})
    return found


def _state(path: str) -> State:
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _read_cache() -> dict[str, list[int | str]]:
    """The cached entries; empty where the file is missing or damaged, since all can be recomputed."""
    try:
        content = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {path: entry for path, entry in content.items() if isinstance(entry, list) and len(entry) == 4}
