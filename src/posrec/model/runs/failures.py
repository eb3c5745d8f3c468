"""Failures of a run itself, and faults of the machine.

An encoding that raises is a result of its run id: every machine gets the same error. Memory, disk, signals and a
broken installation are not: they fail the job, and the run is tried again.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from posrec.errors import PosrecError

EVALUATION_STEP = -1  # a failure after the last training step
LONGEST_REASON = 300
MACHINE_ERRORS = (MemoryError, OSError, ImportError, PosrecError)
# torch says so in a RuntimeError
MACHINE_TEXTS = ("allocate memory", "out of memory", "can't start new thread", "resource temporarily unavailable")


class TrainingFailed(Exception):
    """The run's own settings, seed and code make it fail: a result of its id, not a fault of the machine."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(f"step {step}: {reason}")
        self.step, self.reason = step, reason


@dataclass
class Progress:
    """Training steps that a run has begun."""

    step: int = 0


@contextmanager
def model_code(progress: Progress) -> Iterator[None]:
    """What the model's own code raises inside becomes TrainingFailed; faults of the machine pass unchanged."""
    try:
        yield
    except TrainingFailed:
        raise
    except Exception as error:
        if is_machine_fault(error):
            raise
        raise TrainingFailed(progress.step, reason_of(error)) from error


def is_machine_fault(error: Exception) -> bool:
    """Whether another machine, or this one at another time, would not meet the error."""
    text = str(error).lower()
    return isinstance(error, MACHINE_ERRORS) or any(known in text for known in MACHINE_TEXTS)


def reason_of(error: Exception) -> str:
    """One line of type and message without addresses: the same error always gives the same text."""
    message = " ".join(re.sub(r"\b0x[0-9a-fA-F]+\b", "0x...", str(error)).split())
    return f"{type(error).__name__}: {message}"[:LONGEST_REASON].rstrip(" :")
