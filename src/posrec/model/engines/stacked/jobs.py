"""The missing seeds of a cell, trained at once (`stacked`), each to its own run file.

A seed that has ended or failed leaves the stack at the end of its epoch. Checkpoints are written at the end of an epoch
where they are due; each seed continues from there, those with the fewest steps first.
"""

import os
import time
from collections.abc import Sequence
from itertools import groupby

import torch

from posrec.errors import PosrecError
from posrec.model.encodings.own import planned_version
from posrec.model.engines.stacked import model
from posrec.model.runs.attempts import clocks
from posrec.model.runs.failures import TrainingFailed
from posrec.model.runs.run import Run
from posrec.model.runs.weights import kept_weights
from posrec.model.train import Curve, Training

SEEDS = "POSREC_STACK"  # the largest number of seeds at once, by the memory of the machine; no result depends on it
DEFAULT_SEEDS = 16


def bring_stacked(runs: Sequence[Run], again_failed: bool) -> list[Run]:
    """Bring the run files that need a training into place, the seeds of a cell at once. Returns the runs it trained.

    Cells that cannot be stacked are trained one seed at a time; a printed line says why.
    """
    trained, most = [], most_seeds()
    for _, of_cell in groupby(runs, key=lambda run: run.run_id):
        members = [
            Member(run, missing) for run in of_cell if (missing := run.missing(again_failed)) and not _has_weights(run)
        ]
        for first in range(0, len(members), most):
            trained += _bring(members[first : first + most])
    return trained


def most_seeds() -> int:
    """How many seeds are stacked at most. Raises PosrecError if POSREC_STACK is not a positive number."""
    text = os.environ.get(SEEDS) or str(DEFAULT_SEEDS)
    if not text.isdecimal() or int(text) == 0:
        raise PosrecError(f"{SEEDS}={text}: give the most seeds that are trained at once, such as {DEFAULT_SEEDS}")
    return int(text)


def _has_weights(run: Run) -> bool:
    """Whether the store has the weights that the missing blocks need: then nothing is trained."""
    every_epoch = any(protocol.evaluation.selection == "released" for protocol in run.cell.protocols)
    return kept_weights(run.stored, every_epoch) is not None


class Member:
    """One seed of a stack: its run, its training, its readings of the test."""

    def __init__(self, run: Run, missing: Sequence[str]) -> None:
        self.run, self.missing = run, missing
        self.ended = False

    def begin(self) -> None:
        """Start the training, or continue from its checkpoint. Raises TrainingFailed if its model cannot be built."""
        data, _ = self.run.load()
        self.scores = self.run.scores(self.missing)
        self.attempt = self.run.attempt(self.scores, stacked=True)
        self.training = Training(self.run.cell, data, self.run.seed, stacked=True)
        saved = self.attempt.load()
        if saved is not None:
            self.training.restore(saved)
        if self.training.finished:
            self.end(None)

    def end_epoch(self, seconds: float, failure: TrainingFailed | None) -> None:
        """Read the validation, and end where the training has."""
        began = clocks()
        try:
            if failure is not None:
                raise failure
            self.training.end_epoch(seconds, self.attempt.at_reading)
        except TrainingFailed as error:
            self.end(error)
            return
        self.attempt.live.after_epoch(self.training.trained.curve)
        self.run.spent("training", began)
        if self.training.finished:
            self.end(None)

    def end(self, failure: TrainingFailed | None) -> None:
        """Write the run file of what was trained, or of the failure."""
        curve, trained = Curve(), self.training.trained
        if failure is None:
            try:
                self.run.read_selected(trained, self.training.data, list(self.scores.values()))
                curve = trained.curve
            except TrainingFailed as error:
                failure = error
        self.run.write_blocks(curve, self.scores, failure)
        self.run.complete(computed=True)
        self.ended = True
        del self.training  # its memory is another seed's

    def save(self) -> None:
        """Write the checkpoint."""
        self.attempt.checkpoint.save(self.attempt.state(self.training))


def _bring(members: Sequence[Member]) -> list[Run]:
    """Train all of them; returns the runs whose files that gave."""
    run = members[0].run
    why = model.unsupported(run.cell)
    if not why:
        try:
            with planned_version(run.version):
                _train(members)
        except TrainingFailed as error:  # no seed's own
            why = error.reason
        except torch.OutOfMemoryError as error:
            raise PosrecError(
                f"{run.cell.dataset} {run.cell.encoding}: {len(members)} seeds at once are too many for the GPU's "
                f"memory: set {SEEDS} to fewer than {len(members)} ({error})"
            ) from None
    if why:
        print(f"posrec: {run.cell.dataset} {run.cell.encoding}: one seed at a time: {why}", flush=True)
    return [member.run for member in members if member.ended]


def _train(members: Sequence[Member]) -> None:
    """Train epoch after epoch of the seeds with the fewest steps, until all have ended."""
    for member in members:
        member.begin()
    watch = members[0].attempt.checkpoint  # for all of them
    with watch:
        while going := [member for member in members if not member.ended]:
            reached = min(member.training.progress.step for member in going)
            together = [member for member in going if member.training.progress.step == reached]
            began = clocks()
            failures = model.train_epoch([member.training for member in together])
            seconds = (clocks()[0] - began[0]) / len(together)
            for member in together:
                member.run.spent("training", began, len(together))
            for member, failure in zip(together, failures, strict=True):
                member.end_epoch(seconds, failure)
            if watch.due:
                for member in members:
                    if not member.ended:
                        member.save()
                watch.saved = time.monotonic()
                watch.stop()
