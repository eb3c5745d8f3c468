"""What a study would cost: core-hours, memory and disk, from its counts and a machine's speed."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from posrec.errors import DataError, StudyError
from posrec.files import read_json
from posrec.plan import ids, work
from posrec.plan.work import Counts, Load
from posrec.study.study import Study

COLUMNS = ("data set", "counts", "runs", "core-hours", "longest run, min", "memory, MB", "disk, MB")
GPU_BASIS = (
    "an estimate: a third of an A100's data sheet and 5 ms a step, one run at a time; it was never run on a GPU and "
    "nothing measured"
)
UNITS = {"m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Estimate:
    """Of one data set's runs: core seconds of all and of the longest, peak MB of a process, MB on disk."""

    counts: str  # where they come from
    runs: int
    seconds: float
    longest: float
    memory: float
    disk: float


def counts_of(study: Study, name: str) -> tuple[Counts, str] | None:
    """The counts of a data set and where they come from: the study, or the prepared data where they are there."""
    given = work.known_counts(study, name)
    if given is not None:
        return given
    try:
        found = read_json(ids.dataset_files(study, name).manifest)["counts"]
        return Counts(found["users"], found["items"], found["interactions"]), "prepared"
    except (DataError, KeyError, TypeError):
        return None


def estimate(study: Study, name: str, speed: Mapping[str, float]) -> Estimate | None:
    """The cost of a data set's runs; None where its counts are not known."""
    known = counts_of(study, name)
    if known is None:
        return None
    counts, origin = known
    cells = [cell for cell in study.cells if cell.dataset == name]
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


def print_estimate(study: Study, speed: Mapping[str, float], source: str) -> None:
    """Print the cost of each data set and of all; `source` says whose speed it is."""
    found = {name: estimate(study, name, speed) for name in study.settings.datasets}
    rows = [list(COLUMNS), *(_row(name, one) for name, one in found.items())]
    known = [one for one in found.values() if one is not None]
    if len(found) > 1:
        runs, seconds, disk = (sum(getattr(one, key) for one in known) for key in ("runs", "seconds", "disk"))
        longest, memory = (max((getattr(one, key) for one in known), default=0.0) for key in ("longest", "memory"))
        rows.append(_row("total", Estimate("", int(runs), seconds, longest, memory, disk)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    print(f"\ncost when all is trained, to the last epoch ({source}; one core a run)")
    for first, *others in rows:
        print("  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]))
    jobs = len(work.batches(study))
    print(f"early stopping makes it less; starting {jobs} jobs takes {jobs * work.START / 3600:.2f} core-hours more")
    print("memory is that of one training process")
    print(f"GPU-hours: about {_gpu_hours(study):.1f} ({GPU_BASIS})")
    for line in _unknown(found):
        print(line)


def _row(name: str, one: Estimate | None) -> list[str]:
    if one is None:
        return [name, "unknown", *["?"] * (len(COLUMNS) - 2)]
    hours, minutes = f"{one.seconds / 3600:.2f}", f"{one.longest / 60:.1f}"
    return [name, one.counts, str(one.runs), hours, minutes, f"{one.memory:.0f}", f"{one.disk:.0f}"]


def _gpu_hours(study: Study) -> float:
    """Of the data sets whose counts are known."""
    counts = {name: counts_of(study, name) for name in study.settings.datasets}
    known = [(cell, found[0]) for cell in study.cells if (found := counts[cell.dataset]) is not None]
    return sum(work.run_load(cell, of).seconds(work.GPU_SPEED) * len(cell.seeds) for cell, of in known) / 3600


def _unknown(found: Mapping[str, Estimate | None]) -> Iterator[str]:
    for name, one in found.items():
        if one is None:
            yield (
                f"datasets.{name}: the study declares no counts; `posrec prepare --dataset {name}` counts, or write "
                "expect: {users: ..., items: ..., interactions: ...}"
            )


def seconds_of(budget: str) -> float:
    """Seconds of a budget such as 90m, 2h or 1.5d. Raises StudyError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([mhd])", budget.strip())
    if match is None or float(match[1]) == 0:
        raise StudyError(f"--budget {budget}: give minutes, hours or days, such as 90m, 2h or 1.5d")
    return float(match[1]) * UNITS[match[2]]


def print_budget(study: Study, speed: Mapping[str, float], budget: str) -> None:
    """Print the line of the study that spends `budget` of all cores of this machine.

    Raises StudyError where counts are unknown, or one epoch of each run is more than the budget.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    available = seconds_of(budget) * cores
    starts = len(work.batches(study)) * work.START
    cost = {epochs: study_load(study, epochs).seconds(speed) + starts for epochs in (1, 1001)}
    epochs = 1 + int((available - cost[1]) / (cost[1001] - cost[1]) * 1000)
    if available < cost[1]:
        raise StudyError(
            f"--budget {budget}: one epoch of every run takes {cost[1] / cores / 60:.0f} minutes on {cores} cores; "
            "give more time, or fewer data sets, encodings or seeds"
        )
    spent = (study_load(study, epochs).seconds(speed) + starts) / cores
    print(f"\n{budget} on {cores} cores is enough for (about {spent / 60:.0f} minutes, without preparing the data):")
    print(f"training: {{epochs: {epochs}}}")


def study_load(study: Study, epochs: int | None = None) -> Load:
    """The work of all runs, with so many epochs each. Raises StudyError where counts are unknown."""
    total = Load()
    for cell in study.cells:
        known = counts_of(study, cell.dataset)
        if known is None:
            raise StudyError(next(_unknown({cell.dataset: None})))
        total += work.run_load(cell, known[0], epochs).times(len(cell.seeds))
    return total
