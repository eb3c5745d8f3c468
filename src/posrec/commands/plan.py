"""`posrec plan`: what a study trains, what is already there, and what the rest costs."""

import argparse
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posrec.errors import DataError, StudyError
from posrec.files import read_checked_json, read_json
from posrec.plan import ids, work
from posrec.plan.run import PlannedRun, curve_file, planned_runs, progress_folder
from posrec.plan.work import Counts, Load
from posrec.store.places import pruned_place
from posrec.study.schedule import warm_up_steps
from posrec.study.study import Study, load
from posrec.text import table

if TYPE_CHECKING:
    from posrec.analysis.claims.reach import Reach

STATES = ("there", "failed", "in the store", "to evaluate", "to train")
COLUMNS = ("data set", "cells", "runs", *STATES)
SHOWN_JOBS = 40
COST = ("data set", "counts", "runs", "core-hours", "longest run, min", "memory, MB", "disk, MB")
REACH = ("comparisons", "in the family", "seeds", "smallest p", "power", "seeds for 80 %", "detects with 80 %")
GPU_BASIS = (
    "an estimate, not measured: a third of the rates in an A100's data sheet and 5 ms per step, one run at a time"
)
UNITS = {"m": 60, "h": 3600, "d": 86_400}


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    loaded = load(arguments.study)
    if arguments.budget:
        seconds_of(arguments.budget)  # before minutes of measuring
    if arguments.no_calibration:
        speed, source = work.SPEED, "at the speed of a typical machine of 2024, not of this one"
    else:
        from posrec.model.runs import calibration

        speed, source = calibration.speed(), "measured on this machine"
    print_plan(loaded)
    print_estimate(loaded, speed, source)
    print_reach(loaded)
    if any(work.on_gpu(cell) or cell.training.numerics.engine == "numba" for cell in loaded.cells):
        from posrec.model.engines import devices

        print(devices.device_note(loaded.cells))
    if arguments.budget:
        print_budget(loaded, speed, arguments.budget)


def print_plan(loaded: Study) -> None:
    """Print the cells and runs of a study, how many are already there, and the jobs.

    A run is `there` when its files are in the study's folder, or `failed` when they say so; `in the store` when the
    store has its results under every evaluation protocol, or `posrec prune` moved its files; `to evaluate` when the
    store has its weights; otherwise it is `to train`. Checksums are not verified.
    """
    states = {name: Counter[str]() for name in loaded.settings.datasets}
    for planned in planned_runs(loaded):
        states[planned.cell.dataset][_state(planned)] += 1
    print(f"study {loaded.name}\n")
    print(_state_table(loaded, states))
    print()
    _print_jobs(loaded)
    for line in _begun(loaded):
        print(line)
    if failed := sum(counts["failed"] for counts in states.values()):
        print(f"{failed} runs failed: the report gives step and reason; `posrec train --again-failed` retrains them")
    if without := sum(_lacks_weights(planned) for planned in planned_runs(loaded)):
        print(
            f"keep_weights: the store has no weights of {without} finished runs, which were trained without it; "
            "new trainings keep theirs"
        )
    for warning in dict.fromkeys((*loaded.warnings, *_long_warm_ups(loaded))):
        print(f"warning: {warning}")


def _long_warm_ups(loaded: Study) -> Iterator[str]:
    """What training will refuse: a warm-up of more than a tenth of the steps, where the counts are known."""
    counts = {name: counts_of(loaded, name) for name in loaded.settings.datasets}
    for cell in loaded.cells:
        if (known := counts[cell.dataset]) is not None:
            try:
                warm_up_steps(cell.training, cell.switches, work.steps_per_epoch(cell, known[0]))
            except StudyError as error:
                yield f"{cell.dataset}: {error}"


def _state_table(loaded: Study, states: Mapping[str, Counter[str]]) -> str:
    cells = Counter(cell.dataset for cell in loaded.cells)
    numbers = {
        name: [cells[name], counts.total(), *(counts[state] for state in STATES)] for name, counts in states.items()
    }
    if len(numbers) > 1:
        numbers["total"] = [sum(column) for column in zip(*numbers.values(), strict=True)]
    return table(COLUMNS, [[name, *map(str, row)] for name, row in numbers.items()])


def _print_jobs(loaded: Study) -> None:
    jobs = work.batches(loaded)
    for batch in jobs[:SHOWN_JOBS]:
        runs = sum(len(cell.seeds) for cell in batch.cells)
        minutes = "" if batch.seconds is None else f", nominally {batch.seconds / 60:.1f} minutes"
        print(f"batch {batch.name}: {len(batch.cells)} cells, {runs} runs{minutes}")
    if len(jobs) > SHOWN_JOBS:
        print(f"and {len(jobs) - SHOWN_JOBS} more, {len(jobs)} batches in all")


def _begun(loaded: Study) -> Iterator[str]:
    """One line per training that runs or was stopped, with its last epoch."""
    found = sorted(progress_folder(loaded).glob("*.jsonl"))
    planned = {run.progress for run in planned_runs(loaded)} if found else set()
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


def _state(planned: PlannedRun) -> str:
    if _readable(planned.path):
        return "failed" if _says_failed(planned.path) else "there"
    if all(_readable(block) for block in planned.blocks.values()) or _readable(pruned_place(planned.path)):
        return "in the store"
    kept = _readable(curve_file(planned.stored)) and next(planned.stored.glob("weights-epoch=*.pt"), None)
    return "to evaluate" if kept else "to train"


def _lacks_weights(planned: PlannedRun) -> bool:
    """Whether a finished run has no weights although the study keeps them."""
    if not planned.cell.training.keep_weights or next(planned.stored.glob("weights-epoch=*.pt"), None):
        return False
    return _readable(planned.path) and not _says_failed(planned.path)


def _readable(path: Path) -> bool:
    """The json can be read and its npz is beside it."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return path.with_suffix(".npz").exists()


def _says_failed(path: Path) -> bool:
    content = read_json(path)
    return isinstance(content, dict) and content.get("status") == "failed"


@dataclass(frozen=True)
class Estimate:
    """Cost of one data set's runs: core seconds of all and of the longest, peak MB of a process, MB on disk."""

    counts: str  # their origin
    runs: int
    seconds: float
    longest: float
    memory: float
    disk: float


def counts_of(loaded: Study, name: str) -> tuple[Counts, str] | None:
    """The counts of a data set and their origin: the study, or the prepared data where they exist."""
    given = work.known_counts(loaded, name)
    if given is not None:
        return given
    try:
        files = ids.dataset_files(loaded, name)
        found = read_checked_json(files.manifest, dataset_id=files.folder.name)["counts"]
        return Counts(found["users"], found["items"], found["interactions"]), "prepared"
    except (DataError, KeyError, TypeError):
        return None


def estimate(loaded: Study, name: str, speed: Mapping[str, float]) -> Estimate | None:
    """The cost of a data set's runs; None where its counts are not known."""
    known = counts_of(loaded, name)
    if known is None:
        return None
    counts, origin = known
    cells = [cell for cell in loaded.cells if cell.dataset == name]
    if not cells:
        return Estimate(origin, 0, 0.0, 0.0, 0.0, 0.0)
    seconds = [work.run_load(cell, counts).seconds(speed) for cell in cells]
    return Estimate(
        origin,
        runs=sum(len(cell.seeds) for cell in cells),
        seconds=sum(each * len(cell.seeds) for each, cell in zip(seconds, cells, strict=True)),
        longest=max(seconds),
        memory=max(work.run_memory(cell, counts) for cell in cells),
        disk=sum(work.run_disk(cell, counts) * len(cell.seeds) for cell in cells),
    )


def print_estimate(loaded: Study, speed: Mapping[str, float], source: str) -> None:
    """Print the cost of each data set and the total; `source` is the origin of the speed."""
    found = {name: estimate(loaded, name, speed) for name in loaded.settings.datasets}
    rows = [_row(name, one) for name, one in found.items()]
    if len(found) > 1:
        rows.append(_row("total", _total([one for one in found.values() if one is not None])))
    print(f"\ncost when every run is trained to the last epoch ({source}; one core per run)")
    print(table(COST, rows))
    jobs = len(work.batches(loaded))
    print(f"early stopping reduces it; starting {jobs} jobs takes {jobs * work.START / 3600:.2f} core-hours more")
    print("memory is that of one training process")
    print(f"GPU-hours: about {_gpu_hours(loaded):.1f} ({GPU_BASIS})")
    for line in _unknown(found):
        print(line)


def print_reach(loaded: Study) -> None:
    """Print for each family of comparisons and each claim what the study can decide, and what it can't."""
    if not loaded.settings.report.stability:
        return
    from posrec.analysis.claims import reach  # statistics, which other parts of the plan do without

    relative, source = reach.deviation(loaded)
    found = list(reach.reaches(loaded, relative))
    margin = loaded.settings.report.margin
    print("\nwhat it can decide")
    print(table(REACH, [_reach_row(one) for one in found]))
    print(
        f"power is for twice the margin: a difference of levels of {200 * margin.relative:g} % of none's mean, a ratio "
        f"of spreads of {margin.ratio**2:g}"
    )
    print(f"differences of one seed scatter by {100 * relative:.1f} % of none's mean, {source}")
    if lost := [one.family.name for one in found if not one.decides]:
        print(f"this study can't be expected to decide: {'; '.join(lost)}")


def _reach_row(one: "Reach") -> list[str]:
    power = "?" if one.power is None else f"{100 * one.power:.0f} %"
    needed = "-" if one.power is None else "above 1000" if one.seeds_needed is None else str(one.seeds_needed)
    sizes = (str(one.family.comparisons), str(one.family.seeds), f"{one.smallest_p:.2g}")
    detects = "-" if one.power is None else "nothing" if one.detects == float("inf") else _detects(one)
    return [one.family.name, *sizes, power, needed, detects]


def _detects(one: "Reach") -> str:
    return f"ratio {one.detects:.1f}" if one.family.of == "spread" else f"{100 * one.detects:.0f} %"


def _total(known: Sequence[Estimate]) -> Estimate:
    runs, seconds, disk = (sum(getattr(one, key) for one in known) for key in ("runs", "seconds", "disk"))
    longest, memory = (max((getattr(one, key) for one in known), default=0.0) for key in ("longest", "memory"))
    return Estimate("", int(runs), seconds, longest, memory, disk)


def _row(name: str, one: Estimate | None) -> list[str]:
    if one is None:
        return [name, "unknown", *["?"] * (len(COST) - 2)]
    hours, minutes = f"{one.seconds / 3600:.2f}", f"{one.longest / 60:.1f}"
    return [name, one.counts, str(one.runs), hours, minutes, f"{one.memory:.0f}", f"{one.disk:.0f}"]


def _gpu_hours(loaded: Study) -> float:
    """GPU-hours of the data sets with known counts."""
    counts = {name: counts_of(loaded, name) for name in loaded.settings.datasets}
    known = [(cell, found[0]) for cell in loaded.cells if (found := counts[cell.dataset]) is not None]
    return sum(work.run_load(cell, of).seconds(work.GPU_SPEED) * len(cell.seeds) for cell, of in known) / 3600


def _unknown(found: Mapping[str, Estimate | None]) -> Iterator[str]:
    for name, one in found.items():
        if one is None:
            yield (
                f"datasets.{name}: the study declares no counts; run `posrec prepare --dataset {name}`, or add "
                "expect: {users: ..., items: ..., interactions: ...}"
            )


def seconds_of(budget: str) -> float:
    """Seconds of a budget such as 90m, 2h or 1.5d. Raises StudyError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([mhd])", budget.strip())
    if match is None or float(match[1]) == 0:
        raise StudyError(f"--budget {budget}: give minutes, hours or days, such as 90m, 2h or 1.5d")
    return float(match[1]) * UNITS[match[2]]


def print_budget(loaded: Study, speed: Mapping[str, float], budget: str) -> None:
    """Print the setting of `epochs` that uses `budget` on all cores of this machine.

    Raises StudyError where counts are unknown, or one epoch of each run exceeds the budget.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    available = seconds_of(budget) * cores
    starts = len(work.batches(loaded)) * work.START
    cost = {epochs: study_load(loaded, epochs).seconds(speed) + starts for epochs in (1, 1001)}
    epochs = 1 + int((available - cost[1]) / (cost[1001] - cost[1]) * 1000)
    if available < cost[1]:
        raise StudyError(
            f"--budget {budget}: one epoch of every run takes {cost[1] / cores / 60:.0f} minutes on {cores} cores; "
            "give more time, or fewer data sets, encodings or seeds"
        )
    spent = (study_load(loaded, epochs).seconds(speed) + starts) / cores
    print(f"\n{budget} on {cores} cores is enough for (about {spent / 60:.0f} minutes, without preparing the data):")
    print(f"training: {{epochs: {epochs}}}")


def study_load(loaded: Study, epochs: int | None = None) -> Load:
    """The work of all runs with `epochs` epochs each (default: the study's). Raises StudyError for unknown counts."""
    total = Load()
    for cell in loaded.cells:
        known = counts_of(loaded, cell.dataset)
        if known is None:
            raise StudyError(next(_unknown({cell.dataset: None})))
        total += work.run_load(cell, known[0], epochs).times(len(cell.seeds))
    return total
