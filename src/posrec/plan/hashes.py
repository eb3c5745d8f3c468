"""sha256 of local files, cached by path, size and time stamps, so that planning does not read a large file twice."""

import itertools
import json
import os
import time
from pathlib import Path

from posrec.errors import DataError
from posrec.files import digest, sha256, write_json
from posrec.study.settings.table import PACKED

CACHE = Path(".cache/hashes.json")
SETTLED = 2.0  # seconds: a file written just now may change again within the resolution of its time stamp
ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".data", ".parquet", ".json", ".jsonl", ".ndjson", ".inter", ".item", ".psv")
State = tuple[int, int, int]  # size, mtime and ctime in nanoseconds
KNOWN: dict[tuple[str, State], str] = {}  # computed in this process


def sha256_of(path: str | Path) -> str:
    """sha256 of a file, from the cache if path, size and time stamps have not changed.

    Of a folder, or of a pattern such as data/*.csv, that of the parts and their names. Raises DataError for a file that
    cannot be read and where there is no part.
    """
    try:
        parts = parts_of(Path(path))
        if parts == [Path(path)]:
            return _sha256_of(os.path.abspath(path))
        root = root_of(Path(path))
        named = {part.relative_to(root).as_posix(): _sha256_of(os.path.abspath(part)) for part in parts}
        return digest(named, length=64)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def parts_of(path: Path) -> list[Path]:
    """The files of a table in the order of their names: of a folder, of a pattern with * or ?, or the file itself.

    Of a folder these are the Parquet files directly in it, or else other tables there, or else those in its folders.
    Names that begin with . or _ are no parts. Raises DataError where there is none.
    """
    root = root_of(path)
    if root != path:
        found = sorted(part for part in root.glob(str(path.relative_to(root))) if _is_part(part, root))
        reason = f"no file matches {path}"
    elif path.is_dir():
        inside = [sorted(part for part in root.glob(pattern) if _is_part(part, root)) for pattern in ("*", "**/*")]
        tables = [[part for part in parts if is_table(part)] for parts in inside]
        parquet = [[part for part in parts if part.suffix == ".parquet"] for parts in tables]
        found = parquet[0] or tables[0] or parquet[1] or tables[1]
        reason = f"{path}: a folder without *.parquet or another table ({', '.join(sorted(ENDINGS))})"
    else:
        return [path]
    if not found:
        raise DataError(reason)
    return found


def root_of(path: Path) -> Path:
    """The part of a path before its first * or ?."""
    plain = itertools.takewhile(lambda part: not set("*?") & set(part), path.parts)
    return Path(*plain)


def dependencies_of(path: Path) -> list[str]:
    """What a workflow, which knows no patterns, waits for: a file, or the folder before the first * or ?.

    New parts change that folder. Of a pattern of the working folder itself, its files as they are.
    """
    root = root_of(path)
    return [str(part) for part in parts_of(path)] if root == Path() else [str(root)]


def is_table(path: Path) -> bool:
    """Whether a file's ending is that of a table, packed or not."""
    endings = [ending for ending in path.suffixes if ending not in PACKED]
    return bool(endings) and endings[-1].lower() in ENDINGS


def _is_part(path: Path, root: Path) -> bool:
    return path.is_file() and not any(name.startswith((".", "_")) for name in path.relative_to(root).parts)


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
