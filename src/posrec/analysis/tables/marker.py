"""The marker: a file named after the analysis id that shows that the files beside it are complete and current."""

from pathlib import Path

from posrec.errors import DataError
from posrec.files import read_json, sha256, write_json


def write_marker(marker: Path, files: list[Path]) -> None:
    """Write the marker of finished files (name -> sha256), then remove older markers."""
    write_json(marker, {"files": {path.name: sha256(path) for path in files}})
    for old in marker.parent.glob("analysis=*.json"):
        if old.name != marker.name:
            old.unlink()


def check_marker(marker: Path, files: list[Path], command: str) -> None:
    """Check that the files are those that the marker names. Raises DataError with the command that makes them."""
    if not marker.exists():
        raise DataError(f"{marker}: missing, so the files beside it are not current; run `{command}`")
    known = read_json(marker).get("files", {})
    changed = [path for path in files if not path.exists() or sha256(path) != known.get(path.name)]
    if changed:
        raise DataError(f"{changed[0]}: missing or changed since it was written; run `{command}`")
