"""What a study plans, what of it is there, and what lies in its folder that it no longer plans."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posrec.errors import PosrecError
from posrec.files import read_json
from posrec.plan import ids, work
from posrec.plan.run import PlannedRun, curve_file, planned_runs, progress_folder, run_files
from posrec.store import lock
from posrec.study.study import Study

PARTS = ("data", "runs")
PRUNED = Path(".cache/pruned")  # beside the study, whatever POSREC_STORE says: pruned files are this checkout's
REPAIRED = Path(".cache/repaired")  # what `posrec verify --repair` moved: never taken back
STATES = ("there", "failed", "in the store", "to evaluate", "to train")
COLUMNS = ("data set", "cells", "runs", *STATES)
SHOWN = 3  # examples in an error
SHOWN_JOBS = 40


def print_plan(study: Study) -> None:
    """Print the cells and runs of a study, what of them is there, and what is still to be trained.

    A run is `there` when its files are in the study's folder, or `failed` when they say so; `in the store` when the
    store has its results under every evaluation protocol, or `posrec prune` moved its files aside; `to evaluate` when
    the store has its weights; else it is to train. Checksums are not looked at.
    """
    states = {name: Counter[str]() for name in study.settings.datasets}
    for run in planned_runs(study):
        states[run.cell.dataset][_state(run)] += 1
    print(f"study {study.name}\n")
    print(_table([_row(study, name, counts) for name, counts in states.items()], total=len(states) > 1))
    print()
    jobs = work.batches(study)
    for batch in jobs[:SHOWN_JOBS]:
        runs = sum(len(cell.seeds) for cell in batch.cells)
        minutes = "" if batch.seconds is None else f", nominally {batch.seconds / 60:.1f} minutes"
        print(f"batch {batch.name}: {len(batch.cells)} cells, {runs} runs{minutes}")
    if len(jobs) > SHOWN_JOBS:
        print(f"and {len(jobs) - SHOWN_JOBS} more, {len(jobs)} batches in all")
    for line in _begun(study):
        print(line)
    if failed := sum(counts["failed"] for counts in states.values()):
        print(f"{failed} runs failed: the report names step and reason; `posrec train --again-failed` trains them anew")
    for warning in study.warnings:
        print(f"warning: {warning}")


def _begun(study: Study) -> Iterator[str]:
    """A line a training that runs or was stopped, with its last epoch."""
    found = sorted(progress_folder(study).glob("*.jsonl"))
    planned = {run.progress for run in planned_runs(study)} if found else set()
    for path in found:
        try:
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # the last is empty, or being written
            ago = max(0.0, time.time() - path.stat().st_mtime)
        except FileNotFoundError:  # the run has just ended
            continue
        if path in planned and lines:
            yield _reached(json.loads(lines[-1]), ago)


def _reached(state: dict[str, Any], ago: float) -> str:
    reading = "" if state["validation"] is None else f", validation NDCG@10 {state['validation']:.4f}"
    return (
        f"begun: {state['dataset']} {state['encoding']} seed {state['seed']}, epoch {state['epoch']} of "
        f"{state['epochs']} {ago:.0f} s ago, loss {state['loss']:.4f}{reading}, "
        f"at most {state['seconds_left']:.0f} s left"
    )


def _state(run: PlannedRun) -> str:
    if _readable(run.path):
        return "failed" if _says_failed(run.path) else "there"
    if all(_readable(block) for block in run.blocks.values()) or _readable(pruned_place(run.path)):
        return "in the store"
    kept = _readable(curve_file(run.stored)) and next(run.stored.glob("weights-epoch=*.pt"), None)
    return "to evaluate" if kept else "to train"


def _readable(path: Path) -> bool:
    """The json can be read and its npz lies beside it."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return path.with_suffix(".npz").exists()


def _says_failed(path: Path) -> bool:
    content = read_json(path)
    return isinstance(content, dict) and content.get("status") == "failed"


def _row(study: Study, name: str, counts: Counter[str]) -> list[str]:
    cells = sum(cell.dataset == name for cell in study.cells)
    return [name, *(str(number) for number in (cells, counts.total(), *(counts[state] for state in STATES)))]


def _table(rows: list[list[str]], total: bool) -> str:
    if total:
        sums = [sum(int(row[column]) for row in rows) for column in range(1, len(COLUMNS))]
        rows = [*rows, ["total", *map(str, sums)]]
    lines = [list(COLUMNS), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(_aligned(line, widths)) for line in lines)


def _aligned(line: list[str], widths: list[int]) -> Iterator[str]:
    yield line[0].ljust(widths[0])
    yield from (text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))


def prune(study: Study, only: str | None = None) -> None:
    """Move what a study no longer plans from its `data` and `runs` folders to .cache/pruned.

    only: "data" or "runs" for that part alone. Raises PosrecError while a workflow runs the study here, and when a
    planned file is missing: then the study isn't complete, and what looks superfluous may still be what its report
    rests on. Temporary files that a kill left are deleted: they are half files, never read.
    """
    lock.refuse_while_running(study.name)
    parts = [only] if only else list(PARTS)
    _remove_temporary(ids.STUDIES / study.name)
    planned = {path for part in parts for path in planned_files(study, part)}
    _refuse_incomplete(study, planned)
    superfluous = [
        path for part in parts for path in files_below(ids.STUDIES / study.name / part) if path not in planned
    ]
    moved = Counter((path.parent, move_aside(path).parent) for path in superfluous)
    for (source, target), number in moved.items():
        print(f"{source} -> {target} ({number} files)")
    for part in parts:
        _remove_empty(ids.STUDIES / study.name / part)
    print(f"posrec prune: {len(superfluous)} files of {study.name} moved, {len(planned)} kept")


def _refuse_incomplete(study: Study, planned: set[Path]) -> None:
    missing = sorted(str(path) for path in planned if not path.exists())
    if missing:
        shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise PosrecError(
            f"study {study.name}: {len(missing)} planned files are missing ({shown}); nothing was moved: run "
            "`snakemake --cores all trained` (with --configfile for a study other than params.yaml) first"
        )


def planned_files(study: Study, part: str) -> list[Path]:
    """The files that a study plans in its folder `part`: data or runs."""
    if part == "runs":
        return list(run_files(study))
    folders = [ids.dataset_files(study, name) for name in study.settings.datasets]
    return [path for f in folders for path in (f.arrays, f.manifest, f.candidates, f.card, f.baselines)]


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())


def move_aside(path: Path, base: Path = ids.STUDIES, to: Path = PRUNED) -> Path:
    """Move a file below `base` to the same place below `to`; an older one there is kept. Returns the place."""
    target = to / path.relative_to(base)
    target.parent.mkdir(parents=True, exist_ok=True)
    free, number = target, 1
    while free.exists():
        free, number = target.with_name(f"{target.name}.{number}"), number + 1
    shutil.move(path, free)
    return free


def pruned_place(path: Path) -> Path:
    """Where `prune` moves a file of a study (unless an older one is already there)."""
    return PRUNED / path.relative_to(ids.STUDIES)


def take_back(path: Path) -> None:
    """Bring a run that `prune` moved aside back into the study: its npz, then its json."""
    for file in (path.with_suffix(".npz"), path):
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(pruned_place(file), file)


def _remove_temporary(folder: Path) -> None:
    """Delete what a kill left of atomic writes. A writer that outlived its workflow fails, and is run again."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
