"""Seeds trained at once and one at a time, step by step, for tests on whichever device."""

from collections.abc import Sequence

import torch

from posrec.data.prepare.prepared import Prepared
from posrec.model.engines.stacked import model
from posrec.model.train import Steps, Training
from posrec.study.study import Cell

# No warm-up, and a rate at which Adam, whose step is as large for a tiny gradient as for any, doesn't blow rounding up.
SETTINGS = {"learning_rate": 1e-4, "warmup_steps": 0, "dimension": 8, "max_length": 6}
EPOCHS = 7  # 21 steps on the small random data


def together(cell: Cell, data: Prepared, seeds: Sequence[int], epochs: int = EPOCHS) -> list[Training]:
    """The trainings of the seeds after so many epochs at once."""
    trainings = [Training(cell, data, seed, stacked=True) for seed in seeds]
    for _ in range(epochs):
        assert model.train_epoch(trainings) == [None] * len(seeds)
        for training in trainings:
            training.streams_before = training.sampler.stream_states()
    return trainings


def alone(cell: Cell, data: Prepared, seed: int, epochs: int = EPOCHS) -> Training:
    """The training of one seed after so many epochs."""
    training = Training(cell, data, seed)
    for _ in range(epochs):
        training.steps = Steps()
        training.train_epoch(lambda: None)
        training.streams_before = training.sampler.stream_states()
    return training


def difference(one: Training, other: Training) -> float:
    """Largest absolute difference of a parameter, a loss of the last epoch, or (relative) of a gradient's norm."""
    mine, its = (training.model.state_dict() for training in (one, other))
    worst = max(float((mine[name] - its[name]).abs().max()) for name in mine)
    losses, norms = (
        torch.tensor([getattr(one.steps, name), getattr(other.steps, name)], dtype=torch.float64)
        for name in ("loss", "gradient_norm")
    )
    of_losses, of_norms = (losses[0] - losses[1]).abs(), (norms[0] / norms[1] - 1).abs()
    return max(worst, float(of_losses.max()), float(of_norms.max()))
