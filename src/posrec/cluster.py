"""What a training job asks a cluster for: its work at the measured speed of a machine, and more at each attempt.

The measurement (`posrec plan`) never changes which runs share a job; that is a function of the study alone (work.py).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from posrec import store
from posrec.errors import DataError, PosrecError
from posrec.files import read_checked_json
from posrec.work import SPEED, STARTED, Batch

SPARE_MINUTES = 30  # starting and reading the data
TIME = 3  # times the estimate: nodes differ, and share memory and caches
MEMORY = 1.5
UNKNOWN_MINUTES = 24 * 60  # where the study declares no counts
UNKNOWN_MEMORY = 4000  # MB
LONGEST = 7 * 24 * 60  # minutes
LIMIT = "POSREC_TIME_LIMIT"  # the site's, in minutes; a training saves and stops before it


@dataclass(frozen=True)
class Machine:
    """What was measured of a machine: seconds of a core a unit of work, and MB of a process that has loaded torch."""

    speed: Mapping[str, float]
    started: float


def machines() -> list[Machine]:
    """The machines that `posrec plan` measured with this store; where it measured none, that of work.py."""
    found = []
    for path in sorted((store.root() / "calibration").glob("*.json")):
        try:
            measured = read_checked_json(path)
            speed = {kind: float(measured[kind]) for kind in SPEED}
            found.append(Machine(speed, float(measured.get("started", STARTED))))
        except (DataError, KeyError, TypeError, ValueError):
            continue  # of another version, or damaged: `posrec plan` measures anew
    return found or [Machine(SPEED, STARTED)]


def job_minutes(batch: Batch, attempt: int, known: list[Machine]) -> int:
    """Minutes of a job on the slowest of the machines, times the attempt, at most the site's limit.

    Raises PosrecError where POSREC_TIME_LIMIT is no number of minutes.
    """
    minutes = UNKNOWN_MINUTES
    if batch.load is not None:
        minutes = round(TIME * max(batch.load.seconds(machine.speed) for machine in known) / 60) + SPARE_MINUTES
    return min(_longest(), minutes * attempt)


def job_memory(batch: Batch, attempt: int, known: list[Machine]) -> int:
    """MB of a job's process on the machine where it takes the most, times the attempt."""
    if batch.memory is None:
        return UNKNOWN_MEMORY * attempt
    return round(MEMORY * (batch.memory + max(machine.started for machine in known) - STARTED)) * attempt


def job_gpus(batch: Batch) -> dict[str, int]:
    """One GPU where the study names cuda; nothing at all elsewhere, since some executors take 0 for a wish."""
    devices: set[str] = {cell.training.numerics.device for cell in batch.cells}
    return {"gpu": 1} if "cuda" in devices else {}


def put_first(folder: str) -> None:
    """Put the programs of a folder before all others of their names, for what this process starts."""
    os.environ["PATH"] = folder + os.pathsep + os.environ.get("PATH", os.defpath)


def _longest() -> int:
    text = os.environ.get(LIMIT) or str(LONGEST)
    if not text.isdecimal() or int(text) == 0:
        raise PosrecError(f"{LIMIT}={text}: give whole minutes, such as 2880")
    return min(LONGEST, int(text))
