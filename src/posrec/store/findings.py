"""What `posrec verify` finds: a problem of one file, its remedy, and the files that a repair moves away."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from posrec.errors import ForeignError

SHOWN = 3  # names per line of missing files
MADE_AGAIN = "it is made again"


@dataclass(frozen=True)
class Finding:
    """A problem: `kind` is missing, damaged, foreign or disagrees; a repair moves `files` to .cache/repaired."""

    kind: str
    path: Path
    text: str
    remedy: str
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind:9} {self.path}: {self.text}; {self.remedy}"


def missing(paths: Iterable[Path]) -> Iterator[Finding]:
    """A finding of missing files per folder."""
    for folder, group in groupby(paths, key=lambda path: path.parent):
        names = [path.name for path in group]
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        yield Finding("missing", folder, f"{shown} do not exist", "the workflow makes them")


def differing(
    path: Path,
    content: Mapping[str, Any],
    wanted: Mapping[str, Any],
    files: tuple[Path, ...],
    again: str = MADE_AGAIN,
) -> Iterator[Finding]:
    """The first key in which a file's content does not match its path."""
    for key, value in wanted.items():
        if content.get(key) != value:
            yield foreign(path, f"{key} is {content.get(key)!r}, the study plans {value!r}", *files, again=again)
            return


def unusable(error: Exception, *files: Path, again: str = MADE_AGAIN) -> Finding:
    """A file that its reader refused; `files` belong to it and are moved with it."""
    path = next((file for file in files if str(error).startswith(f"{file}: ")), files[0])
    text = str(error).split("; ")[0].removeprefix(f"{path}: ")
    kind = "foreign" if isinstance(error, ForeignError) else "damaged"
    return Finding(kind, path, text, f"after a repair {again}", there(*dict.fromkeys(files)))


def foreign(path: Path, text: str, *files: Path, again: str = MADE_AGAIN) -> Finding:
    """An undamaged file that does not belong where it is."""
    return Finding("foreign", path, text, f"after a repair {again}", there(*files))


def there(*paths: Path) -> tuple[Path, ...]:
    """Those of the files that exist."""
    return tuple(path for path in paths if path.exists())
