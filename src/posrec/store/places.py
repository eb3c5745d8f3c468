"""Which files a study plans in its folder, which others are there, and where commands move those."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from posrec.plan import ids
from posrec.plan.run import run_files
from posrec.study.study import Study

PARTS = ("data", "runs")
PRUNED = Path(".cache/pruned")  # in the checkout even if POSREC_STORE is set: pruned files belong to this checkout
REPAIRED = Path(".cache/repaired")  # moved by `posrec verify --repair`; never used again


def planned_files(study: Study, part: str) -> list[Path]:
    """The files that a study plans in its folder `part`: data or runs."""
    if part == "runs":
        return list(run_files(study))
    folders = [ids.dataset_files(study, name) for name in study.settings.datasets]
    return [path for f in folders for path in (f.arrays, f.manifest, f.id_map, f.candidates, f.card, f.baselines)]


def unplanned_files(study: Study, part: str) -> list[Path]:
    """The files and links in a study's folder `part` that it does not plan.

    A link to a folder that planned files are in, such as a data set kept on another disk, is part of the plan.
    """
    planned = set(planned_files(study, part))
    known = planned | {folder for path in planned for folder in path.parents}
    return [path for path in files_below(ids.STUDIES / study.name / part) if path not in known]


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())


def move_aside(path: Path, base: Path = ids.STUDIES, to: Path = PRUNED) -> Path:
    """Move a file below `base` to the same place below `to`, without overwriting an older one. Returns the place."""
    target = to / path.relative_to(base)
    target.parent.mkdir(parents=True, exist_ok=True)
    free, number = target, 1
    while free.exists():
        free, number = target.with_name(f"{target.name}.{number}"), number + 1
    shutil.move(path, free)
    return free


def pruned_place(path: Path) -> Path:
    """Where `posrec prune` moves a file of a study (unless an older one is already there)."""
    return PRUNED / path.relative_to(ids.STUDIES)


def take_back(path: Path) -> None:
    """Move a pruned run back into the study: its npz, then its json."""
    for file in (path.with_suffix(".npz"), path):
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(pruned_place(file), file)
