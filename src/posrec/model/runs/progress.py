"""Progress of a training: one line per epoch, a bar on a terminal, and a file with one JSON object per line.

None of it is a result: the final curve is in the run's npz.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from posrec.errors import WriteError
from posrec.model.train import Curve, Training
from posrec.study.study import Cell


class LiveProgress:
    """Shows one training, label and file given, from its first step to its last; a context manager."""

    def __init__(self, cell: Cell, seed: int, label: str, path: Path) -> None:
        self.cell, self.seed, self.label, self.path = cell, seed, label, path
        self.written = 0  # epochs in the file
        self.bar: tqdm[Any] | None = None

    def __enter__(self) -> "LiveProgress":
        if sys.stderr.isatty():
            self.bar = tqdm(desc=self.label, unit="step", leave=False, position=1)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def after_step(self, training: Training) -> None:
        """Move the bar, where there is one, to the step that the training has reached."""
        if self.bar is not None:
            self.bar.total = self.cell.training.epochs * training.sampler.steps
            self.bar.update(training.progress.step - self.bar.n)

    def after_epoch(self, curve: Curve) -> None:
        """Print the last epoch's line, and add to the file what is not in it: after a restart all epochs so far."""
        reached = self._state(curve, -1)
        value = reached["validation"]
        reading = "not read" if value is None else f"{value:.4f}"
        tqdm.write(
            f"{self.label} epoch {reached['epoch']}/{reached['epochs']} loss {reached['loss']:.4f} "
            f"validation NDCG@10 {reading}, {reached['seconds']:.2f} s, at most {reached['seconds_left']:.0f} s left"
        )
        sys.stdout.flush()
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {reached['loss']:.4f}, NDCG@10 {reading}")
        lines = [json.dumps(self._state(curve, place)) + "\n" for place in range(self.written, len(curve.epoch))]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a" if self.written else "w", encoding="utf-8") as handle:
                handle.writelines(lines)
        except OSError as error:
            raise WriteError(f"{self.path}: cannot be written ({error.strerror}): fix this and run again") from error
        self.written = len(curve.epoch)

    def _state(self, curve: Curve, place: int) -> dict[str, Any]:
        """The line of one epoch; seconds_left: at most, by the mean epoch so far. A metric not read is None."""
        epoch, values = curve.epoch[place], {name: getattr(curve, name)[place] for name in ("loss", "validation")}
        return {
            "dataset": self.cell.dataset,
            "encoding": self.cell.encoding,
            "seed": self.seed,
            "epoch": epoch,
            "epochs": self.cell.training.epochs,
            **{name: value if math.isfinite(value) else None for name, value in values.items()},
            "seconds": curve.seconds[place],
            "seconds_left": (self.cell.training.epochs - epoch) * float(np.mean(curve.seconds[:epoch])),
        }
