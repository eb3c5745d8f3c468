"""`posrec store`: the store's size by study and by age, and freeing what no study file names.

The store (`.cache`, or POSREC_STORE) keeps every training and prepared data set. No other command deletes from it.
"""

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from posrec.errors import StudyError
from posrec.plan import ids
from posrec.plan.run import planned_runs
from posrec.store import lock, places
from posrec.study.study import Study, load
from posrec.text import table

ENTRY = {"runs": re.compile(r"[0-9a-f]{12}/seed=[0-9]+"), "data": re.compile(r"[0-9a-f]{12}")}
AGES = {"younger than a day": 1, "younger than a week": 7, "younger than 30 days": 30, "older": float("inf")}
DAY = 86_400
UNNAMED = "named by no study file"


@dataclass(frozen=True)
class Entry:
    """A training (all blocks and weights of a run id and seed) or a prepared data set."""

    path: Path
    key: str  # its path below the store, such as runs/<run id>/seed=1
    size: int  # bytes
    changed: float  # seconds since 1970 of its youngest file


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    if arguments.free:
        free(arguments.yes)
    else:
        show([*arguments.studies, *arguments.study])


def entries() -> list[Entry]:
    """The content of the store, sorted by name, without links and files that posrec did not write."""
    root = ids.store()
    found = []
    for part, pattern in ENTRY.items():
        depth = "*/seed=*" if part == "runs" else "*"
        for path in sorted((root / part).glob(depth)):
            if pattern.fullmatch(str(path.relative_to(root / part))) and _is_plain_folder(path, root):
                found.append(_entry(path, root))
    return found


def _is_plain_folder(path: Path, root: Path) -> bool:
    """A real folder at this path, not reached through a link."""
    return path.is_dir() and path.resolve() == root.resolve() / path.relative_to(root)


def _entry(path: Path, root: Path) -> Entry:
    stats = [file.lstat() for file in path.rglob("*") if not file.is_dir()]
    changed = max((stat.st_mtime for stat in stats), default=path.stat().st_mtime)
    return Entry(path, str(path.relative_to(root)), sum(stat.st_size for stat in stats), changed)


def study_files() -> list[Path]:
    """params.yaml and studies/*.yaml in the working folder."""
    return [path for path in (Path("params.yaml"), *sorted(Path("studies").glob("*.yaml"))) if path.is_file()]


def named_by(loaded: Study) -> set[str]:
    """Keys of everything that a study plans."""
    runs = {str(planned.stored.relative_to(ids.store())) for planned in planned_runs(loaded)}
    datasets = loaded.settings.datasets.items()
    return runs | {f"data/{ids.dataset_id(name, dataset)}" for name, dataset in datasets}


def load_studies(paths: Iterable[Path]) -> dict[str, set[str]]:
    """File name -> what the study names. Raises StudyError for a file that cannot be read."""
    return {str(path): named_by(load(path)) for path in paths}


def show(paths: Sequence[Path]) -> None:
    """Print the store's size by study and by age. An entry that several studies name counts for each."""
    found = entries()
    studies = load_studies(paths or study_files())
    named = set().union(*studies.values())
    print(f"store {ids.store()}\n")
    rows = [(name, [entry for entry in found if entry.key in keys]) for name, keys in studies.items()]
    if not paths:
        rows.append((UNNAMED, [entry for entry in found if entry.key not in named]))
    _print_rows("study", [*rows, ("whole store, each entry once", found)])
    print()
    _print_rows("age", _by_age(found))
    print()
    for folder, verb in ((places.PRUNED, "prune"), (places.REPAIRED, "verify --repair")):
        print(f"{folder}: {_size(_total(places.files_below(folder)))} moved by posrec {verb}")


def _by_age(found: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    rows: dict[str, list[Entry]] = {name: [] for name in AGES}
    for entry in found:
        days = (time.time() - entry.changed) / DAY
        rows[next(name for name, limit in AGES.items() if days < limit)].append(entry)
    return list(rows.items())


def _print_rows(title: str, rows: Sequence[tuple[str, list[Entry]]]) -> None:
    print(table((title, "trainings", "data sets", "size"), [_row(name, found) for name, found in rows]))


def _row(name: str, found: Sequence[Entry]) -> tuple[str, ...]:
    runs = sum(entry.key.startswith("runs/") for entry in found)
    return name, str(runs), str(len(found) - runs), _size(sum(entry.size for entry in found))


def _total(paths: Iterable[Path]) -> int:
    return sum(path.lstat().st_size for path in paths)


def _size(size: float) -> str:
    return f"{size / 2**20:.1f} MiB" if size < 2**30 else f"{size / 2**30:.2f} GiB"


def free(yes: bool, ask: Callable[[str], str] = input) -> None:
    """Delete from the store, after asking, what neither params.yaml nor studies/*.yaml names.

    Raises PosrecError while a workflow runs here, StudyError where a study file is missing or cannot be read, or when
    no terminal to ask on and `yes` is not given.
    """
    lock.refuse_while_running()
    paths = study_files()
    if not paths:
        raise StudyError(
            "neither params.yaml nor studies/*.yaml exists here, so everything would be deleted; change to the checkout"
        )
    named = set().union(*load_studies(paths).values())
    unnamed = [entry for entry in entries() if entry.key not in named]
    if not unnamed:
        print(f"posrec store: nothing to delete: the {len(paths)} study files name all of {ids.store()}")
        return
    if not (yes or _confirmed(unnamed, len(paths), ask)):
        print("posrec store: nothing was deleted")
        return
    for entry in unnamed:
        shutil.rmtree(entry.path)
        if entry.path.parent != ids.store() / "data" and not any(entry.path.parent.iterdir()):
            entry.path.parent.rmdir()
    print(f"posrec store: {len(unnamed)} entries deleted, {_size(sum(entry.size for entry in unnamed))}")


def _confirmed(unnamed: Sequence[Entry], files: int, ask: Callable[[str], str]) -> bool:
    if ask is input and not sys.stdin.isatty():
        raise StudyError("there is no terminal to ask on; `posrec store --free --yes` deletes without asking")
    for entry in unnamed:
        print(f"{entry.key}  {_size(entry.size)}")
    size = _size(sum(entry.size for entry in unnamed))
    print(f"{len(unnamed)} entries of {ids.store()}, {size}, are {UNNAMED} ({files} files, params.yaml and studies/)")
    print("studies of other branches, of other checkouts and values given with --config are not considered")
    if os.environ.get("POSREC_STORE"):
        print("POSREC_STORE is set: other checkouts may use this store, and what only they name is also deleted")
    return ask("delete them? A study that needs them trains them again [y/N] ").strip().lower() in ("y", "yes")
