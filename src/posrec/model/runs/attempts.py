"""One attempt at training a run: its progress, and what its checkpoint holds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from posrec.model.carca import Carca
from posrec.model.runs.checkpoints import Checkpoint, State
from posrec.model.runs.progress import LiveProgress
from posrec.model.runs.scoring import Scores
from posrec.model.train import Training


def clocks() -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process: what a run takes on a machine that others use too."""
    return time.perf_counter(), time.process_time()


@dataclass(frozen=True)
class Attempt:
    """A run that trains (`Run.attempt`): what each protocol makes of it, its checkpoint and its progress."""

    scores: Mapping[str, Scores]
    checkpoint: Checkpoint
    live: LiveProgress

    def at_reading(self, model: Carca, epoch: int) -> None:
        """Read the test where a protocol reads it at every epoch whose validation is read."""
        for one in self.scores.values():
            if one.every_epoch:
                one.read(model, epoch)

    def state(self, training: Training) -> State:
        """What the checkpoint holds."""
        return {"training": training.state(), "scores": [one.state() for one in self.scores.values()]}

    def load(self) -> State | None:
        """The training's state in the checkpoint, with the readings restored; None where there is none."""
        saved = self.checkpoint.load()
        if saved is None:
            return None
        for one, readings in zip(self.scores.values(), saved["scores"], strict=True):
            one.restore(readings)
        training: State = saved["training"]
        return training
