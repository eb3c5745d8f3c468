"""The marker: a file named after the analysis id that shows that the files beside it are complete and current."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posrec.errors import DataError, WriteError
from posrec.files import FILES, read_checked_json, read_json, sha256, write_checked_json

MARKERS = "analysis=*.json"
INPUTS = "inputs"


@contextmanager
def marked(last: Path, files: list[Path], inputs: str = "") -> Iterator[None]:
    """Write `files` in this context, then `last`, the marker with their names and checksums.

    inputs: the checksum of what they are made from, see `load.inputs_checksum`.

    All markers of the folder are removed first, so that a kill in between leaves files without a marker, which are made
    again, and never files of one state under the marker of another. What the removed markers name and `files` does not,
    such as figures of a larger study, is deleted, unless it was changed since.
    """
    try:
        for path in _left_behind(last.parent, files):
            path.unlink()
        for marker in last.parent.glob(MARKERS):
            marker.unlink()
    except OSError as error:
        raise WriteError(
            f"{last.parent}: older files there cannot be removed ({error.strerror}): check its permissions, then run "
            "the same command again"
        ) from error
    yield
    named = {path.name: sha256(path) for path in files}
    write_checked_json(last, {**_identity(last), INPUTS: inputs, FILES: named})


def _identity(marker: Path) -> dict[str, str]:
    """What a marker must say of itself, from its place: <study>/<step>/analysis=<analysis id>.json."""
    return {"folder": "/".join(marker.parent.parts[-2:]), "analysis_id": marker.stem.partition("=")[2]}


def _left_behind(folder: Path, files: list[Path]) -> Iterator[Path]:
    kept = {path.name for path in files}
    for marker in folder.glob(MARKERS):
        for name, checksum in _named(marker).items():
            path = folder / Path(name).name
            if path.name not in kept and path.is_file() and sha256(path) == checksum:
                yield path


def _named(marker: Path) -> dict[str, str]:
    """Name -> sha256 of the files that a marker names; nothing where it is damaged."""
    try:
        named = read_json(marker)[FILES]
    except (DataError, KeyError, TypeError):
        return {}
    return named if isinstance(named, dict) else {}


def check_marker(marker: Path, files: list[Path], command: str, inputs: str | None = None) -> None:
    """Check that the files are those that the marker names, and made from `inputs` (None: from any).

    Raises DataError with the command that makes them.
    """
    if not marker.exists():
        raise DataError(f"{marker}: missing, so the files beside it are not current; run `{command}`")
    content = read_checked_json(marker, **_identity(marker))
    known = content.get(FILES, {})
    changed = [path for path in files if not path.exists() or sha256(path) != known.get(path.name)]
    if changed:
        raise DataError(f"{changed[0]}: missing or changed since it was written; run `{command}`")
    if inputs is not None and content.get(INPUTS) != inputs:
        raise DataError(f"{marker}: the files beside it were made from other results; run `{command}`")
