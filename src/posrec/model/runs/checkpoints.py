"""Checkpoints of a training in the store, beside its blocks: a killed run continues and ends with the same bytes.

POSREC_CHECKPOINT_SECONDS says how often (default 60); POSREC_TIME_LIMIT, in minutes of the process, or Slurm's own end
of the job say when to save and stop. No id and no result depends on them.
"""

import hashlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import torch

from posrec.errors import PosrecError
from posrec.files import write_bytes

State = dict[str, Any]  # plain values and tensors alone
SECONDS = 60.0
MARGIN = 60.0  # seconds before the end of the job's time in which the checkpoint is written
CHECKSUM = 64  # hexadecimal digits before the content


class Checkpoint:
    """One training's checkpoint. `identity` is what it must be of to be used."""

    def __init__(self, path: Path, identity: State) -> None:
        self.path, self.identity = path, identity
        self.every = _number("POSREC_CHECKPOINT_SECONDS", SECONDS)
        self.end = deadline()
        self.saved = time.monotonic()
        self.terminated = 0
        self._before: Any = None

    def __enter__(self) -> "Checkpoint":
        """From here SIGTERM waits for the end of the training step."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._terminate)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        if self.terminated:  # after the last step
            sys.exit(128 + self.terminated)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.terminated = number

    @property
    def due(self) -> bool:
        """Whether to save now."""
        return self._late or self.terminated > 0 or time.monotonic() - self.saved >= self.every

    @property
    def _late(self) -> bool:
        return time.time() > self.end

    def after_step(self, state: Callable[[], State]) -> None:
        """Save where it is due. Raises SystemExit after SIGTERM and PosrecError near the end of the job's time."""
        if self.due:
            self.save(state())
            self.stop()

    def stop(self) -> None:
        """End the process where it is asked to: after SIGTERM, or near the end of the job's time."""
        if self.terminated:
            print(f"posrec: stopped; saved in {self.path}: run the same command again to go on", file=sys.stderr)
            sys.exit(128 + self.terminated)
        if self._late:
            raise PosrecError(
                f"the job's time is nearly over; saved in {self.path}: run the same command again to go on"
            )

    def save(self, state: State) -> None:
        """Write the state with a checksum, atomically."""
        buffer = io.BytesIO()
        torch.save({"identity": self.identity, "state": state}, buffer)
        content = buffer.getvalue()
        write_bytes(self.path, hashlib.sha256(content).hexdigest().encode() + content)
        self.saved = time.monotonic()

    def load(self) -> State | None:
        """The saved state; None where there is none, or with a warning where it is damaged or another training's.

        Code in it is refused, never run.
        """
        try:
            raw = self.path.read_bytes()
        except OSError:
            return None
        content = raw[CHECKSUM:]
        if hashlib.sha256(content).hexdigest().encode() != raw[:CHECKSUM]:
            self._ignored("is damaged")
            return None
        try:
            found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # torch passes on any error of its unpickler
            self._ignored(f"cannot be read ({type(error).__name__})")
            return None
        if found["identity"] != self.identity:
            self._ignored("is of another training")
            return None
        state: State = found["state"]
        return state

    def _ignored(self, why: str) -> None:
        print(
            f"posrec: warning: {self.path} {why}: it is ignored, and the run starts from the beginning", file=sys.stderr
        )


def deadline() -> float:
    """When to save and stop, in seconds since 1970: before POSREC_TIME_LIMIT or Slurm's end of the job; else never."""
    began = psutil.Process().create_time()
    ends = []
    if "POSREC_TIME_LIMIT" in os.environ:
        ends.append(began + 60 * _number("POSREC_TIME_LIMIT", 0.0))
    if "SLURM_JOB_END_TIME" in os.environ:
        ends.append(_number("SLURM_JOB_END_TIME", 0.0))
    if not ends:
        return float("inf")
    return min(ends) - min(MARGIN, 0.1 * max(0.0, min(ends) - began))


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise PosrecError(f"{variable}={text}: give a number") from None
