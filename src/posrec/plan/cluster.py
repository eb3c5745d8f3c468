"""The resources that a training job requests: its work at a machine's measured speed, and more at each attempt.

The measurement (`posrec plan`) never changes which runs share a job; that depends on the study only (work.py).
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from posrec.errors import DataError, PosrecError
from posrec.files import read_checked_json
from posrec.plan import ids
from posrec.plan.work import GPU_SPEED, SPEED, STARTED, Batch, on_gpu

SPARE_MINUTES = 30  # starting and reading the data
TIME = 3  # times the estimate: nodes differ, and share memory and caches
MEMORY = 1.5
UNKNOWN_MINUTES = 24 * 60  # where the study declares no counts
UNKNOWN_MEMORY = 4000  # MB
LONGEST = 7 * 24 * 60  # minutes
LIMIT = "POSREC_TIME_LIMIT"  # the site's, in minutes; a training saves a checkpoint and stops before it
RETRIES = 2  # as in the profiles: a failed job is submitted again twice, with more time and memory


@dataclass(frozen=True)
class Machine:
    """Measurements of a machine: core seconds per unit of work, and MB of a process that has loaded torch."""

    speed: Mapping[str, float]
    started: float


def machines() -> list[Machine]:
    """The machines that `posrec plan` measured with this store, or else that of work.py."""
    found = []
    for path in sorted((ids.store() / "calibration").glob("*.json")):
        try:
            measured = read_checked_json(path)
            speed = {kind: float(measured[kind]) for kind in SPEED}
            found.append(Machine(speed, float(measured.get("started", STARTED))))
        except (DataError, KeyError, TypeError, ValueError):
            continue  # of another version, or damaged: `posrec plan` measures again
    return found or [Machine(SPEED, STARTED)]


def limited(minutes: int) -> int:
    """The smaller of these minutes and the site's limit.

    Raises PosrecError where POSREC_TIME_LIMIT is not a number of minutes.
    """
    text = os.environ.get(LIMIT) or str(LONGEST)
    if not text.isdecimal() or int(text) == 0:
        raise PosrecError(f"{LIMIT}={text}: give whole minutes, such as 2880")
    return min(LONGEST, int(text), minutes)


def job_minutes(batch: Batch, attempt: int, known: list[Machine]) -> int:
    """Minutes of a job on the slowest of the machines, times the attempt, at most the site's limit.

    A GPU's speed is an estimate: a job that takes longer continues from its checkpoint at the next attempt.
    Raises PosrecError where POSREC_TIME_LIMIT is not a number of minutes.
    """
    return limited(_minutes(batch, known) * attempt)


def job_memory(batch: Batch, attempt: int, known: list[Machine]) -> int:
    """MB of a job's process on the machine where it needs most, times the attempt.

    A job longer than the limit needs several attempts to finish, so memory is raised after these only. Raises
    PosrecError where POSREC_TIME_LIMIT is not a number of minutes.
    """
    raised = 1 + (attempt - 1) // _limits(batch, known)
    if batch.memory is None:
        return UNKNOWN_MEMORY * raised
    return round(MEMORY * (batch.memory + max(machine.started for machine in known) - STARTED)) * raised


def job_retries(batch: Batch, known: list[Machine]) -> int | None:
    """How often a job longer than the limit is submitted again; None for a shorter one, which follows the profile.

    Raises PosrecError where POSREC_TIME_LIMIT is not a number of minutes.
    """
    limits = _limits(batch, known)
    return limits * (1 + RETRIES) - 1 if limits > 1 else None


def job_gpus(batch: Batch) -> dict[str, int]:
    """One GPU where the study names cuda; nothing at all elsewhere, since some executors treat 0 as a request."""
    return {"gpu": 1} if any(on_gpu(cell) for cell in batch.cells) else {}


def put_first(folder: str) -> None:
    """Put a folder first in PATH for the processes that this one starts."""
    os.environ["PATH"] = folder + os.pathsep + os.environ.get("PATH", os.defpath)


def _minutes(batch: Batch, known: list[Machine]) -> int:
    """What a first attempt would request without a limit."""
    if batch.load is None:
        return UNKNOWN_MINUTES
    speeds = [GPU_SPEED] if job_gpus(batch) else [machine.speed for machine in known]
    return round(TIME * max(batch.load.seconds(speed) for speed in speeds) / 60) + SPARE_MINUTES


def _limits(batch: Batch, known: list[Machine]) -> int:
    """The number of jobs of the site's limit that these minutes need."""
    return math.ceil(_minutes(batch, known) / limited(LONGEST))
