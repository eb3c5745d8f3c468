"""Train some runs of a study again in a temporary folder, and compare.

Within one numerics class on one processor type the bytes are the same. On another processor type, and on a GPU, sums
are rounded differently and training amplifies that: only the level of the metrics can be compared, to `tolerance`.
"""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posrec.errors import PosrecError
from posrec.files import read_json
from posrec.model.machine import machine_facts
from posrec.model.runs.run import Run
from posrec.plan import environment
from posrec.plan.run import planned_runs
from posrec.plan.work import on_gpu
from posrec.store import results
from posrec.study.study import Study
from posrec.text import table


@dataclass(frozen=True)
class Comparison:
    """A run trained again: whether its bytes are the same, else the largest difference of a metric (inf: not both)."""

    label: str
    identical: bool
    difference: float
    tolerance: float
    same_processor: bool | None  # None: the run's record doesn't say
    seconds: float
    on_gpu: bool = False

    @property
    def promised(self) -> bool:
        """Whether the bytes are promised: on the same processor type, and never on a GPU."""
        return self.same_processor is True and not self.on_gpu

    @property
    def accepted(self) -> bool:
        """Where bytes are not promised metrics are, within the tolerance."""
        return self.identical or (not self.promised and self.difference <= self.tolerance)

    @property
    def verdict(self) -> str:
        """What the table says."""
        if self.identical:
            return "byte-identical"
        if self.promised:
            return "DIFFERS on the same processor type"
        where = "another processor type" if self.same_processor is False else "a processor type that is not recorded"
        where = "a GPU" if self.on_gpu else where
        return f"{'within the tolerance' if self.accepted else 'DIFFERS'} ({where})"


def retrain(study: Study, number: int, choice: int | None = None) -> int:
    """Train `number` of the study's runs again and print the comparison; returns the exit status.

    choice: seed of the choice of runs; by default another each time, which is printed. Raises PosrecError where no run
    is there or data are missing.
    """
    choice = int(np.random.SeedSequence().generate_state(1)[0]) if choice is None else choice
    chosen = choose(study, number, choice)
    environment.check(run.cell.training.numerics.engine for run in chosen)
    print(f"posrec verify: {len(chosen)} runs are trained again (the same ones with --choice {choice})")
    found = [compare(run) for run in chosen]
    print_table(found)
    return int(not all(comparison.accepted for comparison in found))


def choose(study: Study, number: int, choice: int) -> list[Run]:
    """A random choice of the study's undamaged run files. Raises PosrecError when there is none."""
    runs = [Run(planned) for planned in planned_runs(study)]
    there = [run for run in runs if run.status()]
    if not there:
        raise PosrecError(f"study {study.name}: no undamaged run file to compare with; run the workflow first")
    picked = np.random.default_rng(choice).choice(len(there), min(number, len(there)), replace=False)
    return [there[place] for place in sorted(picked)]


def compare(run: Run) -> Comparison:
    """Train a run again in a temporary folder and compare it with its file."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="posrec-verify-") as folder:
        again = run.beside(Path(folder))
        again.make()
        pairs = ((run.planned.path, again.planned.path), (run.planned.npz, again.planned.npz))
        identical = all(first.read_bytes() == second.read_bytes() for first, second in pairs)
        difference = 0.0 if identical else metric_difference(run.path, again.path)
    seconds = time.perf_counter() - began
    return Comparison(
        run.planned.label, identical, difference, tolerance(run.path), _same_processor(run), seconds, on_gpu(run.cell)
    )


def tolerance(path: Path) -> float:
    """Largest difference of a metric (a fraction) that another processor type may make: 1 / sqrt(users).

    It is two standard errors of Hit@10 at most (a share of n users has a standard error of at most 1 / (2 sqrt(n))): a
    rerun within it tells the same as far as these users can tell.
    """
    evaluations = results.read_content(path)["evaluations"].values()
    return 1 / math.sqrt(min((evaluation["users"] for evaluation in evaluations), default=math.inf))


def metric_difference(first: Path, second: Path) -> float:
    """Largest absolute difference of a metric of two run files; infinite where only one has it."""
    one, other = (_metrics(path) for path in (first, second))
    if one.keys() != other.keys():
        return float("inf")
    return max((abs(one[key] - other[key]) for key in one), default=0.0)


def _metrics(path: Path) -> dict[tuple[str, str, str], float]:
    evaluations = results.read_content(path)["evaluations"]
    return {
        (protocol, kind, metric): value
        for protocol, evaluation in evaluations.items()
        for kind in ("sampled", "full")
        for metric, value in evaluation[kind].items()
    }


def _same_processor(run: Run) -> bool | None:
    try:
        recorded = read_json(run.planned.sidecar)
        return all(recorded[key] == machine_facts()[key] for key in ("processor", "kernels"))
    except (PosrecError, KeyError, TypeError):
        return None


def print_table(found: Sequence[Comparison]) -> None:
    """One line per run, then the summary."""
    header = ("run", "difference", "tolerance", "seconds", "verdict")
    print(table(header, [_row(item) for item in found], left=(0, 4)))
    good = sum(comparison.accepted for comparison in found)
    print(
        f"posrec verify: {good} of {len(found)} runs came back. difference: the largest of a metric; tolerance: for "
        "another processor type and for a GPU (on the same processor type the bytes must be the same)"
    )


def _row(item: Comparison) -> tuple[str, ...]:
    return item.label, f"{item.difference:.2g}", f"{item.tolerance:.2g}", f"{item.seconds:.1f}", item.verdict
