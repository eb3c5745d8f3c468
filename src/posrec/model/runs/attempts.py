"""One attempt at training a run: who hears of it, and what its checkpoint holds."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from posrec.model.carca import Carca
from posrec.model.runs.checkpoints import Checkpoint, State
from posrec.model.runs.progress import LiveProgress
from posrec.model.runs.scoring import Scores
from posrec.model.train import Training

if TYPE_CHECKING:
    from posrec.model.runs.jobs import Run


def clocks() -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process: what a run takes on a machine that others use too."""
    return time.perf_counter(), time.process_time()


class Attempt:
    """A run that trains, with its readings of the test, its checkpoint and its progress.

    stacked: beside other seeds; the checkpoints of the two ways are not each other's.
    """

    def __init__(self, run: "Run", scores: Mapping[str, Scores], stacked: bool = False) -> None:
        self.scores = scores
        identity = {**run.planned.block_must_say, "blocks": [run.blocks[name].name for name in scores]}
        self.checkpoint = Checkpoint(run.planned.checkpoint, {**identity, "stacked": True} if stacked else identity)
        self.live = LiveProgress(run.cell, run.seed, run.planned.label, run.planned.progress)

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
