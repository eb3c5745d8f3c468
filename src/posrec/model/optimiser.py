"""AdamW and the learning rate of each step."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from posrec.study.protocols import TrainingSwitches
from posrec.study.schedule import warm_up_steps
from posrec.study.settings.training import TrainingSettings
from posrec.study.study import Cell

EPS = 1e-8  # AdamW's
DROP = 0.2  # what a plateau multiplies the learning rate by


def make_optimiser(
    parameters: Iterable[nn.Parameter], cell: Cell, steps_per_epoch: int, drops: Callable[[], int] = lambda: 0
) -> tuple[torch.optim.AdamW, LambdaLR]:
    """AdamW and its learning rate before the first step. drops: how often a plateau has divided the rate so far."""
    settings, switches = cell.training, cell.switches
    warm_up = warm_up_steps(settings, switches, steps_per_epoch)
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, eps=EPS, weight_decay=settings.weight_decay, fused=True
    )
    kind = UncorrectedEps if switches.optimiser == "released" else LambdaLR
    return optimiser, kind(optimiser, learning_rate_factor(settings, steps_per_epoch, warm_up, switches, drops))


class UncorrectedEps(LambdaLR):
    """A learning rate that sets AdamW's eps as well, so that eps is outside the bias correction, as released.

    m / (sqrt(v) + eps) with eps outside equals torch's m / (sqrt(v / (1 - beta2^t)) + eps_t), up to the correction of
    the rate that both have, where eps_t = eps / sqrt(1 - beta2^t).
    """

    def step(self, epoch: int | None = None) -> None:
        """Set the rate and eps of the next update; LambdaLR calls it for the first update when it is built."""
        super().step(epoch)
        for group in self.optimizer.param_groups:
            group["eps"] = EPS / (1 - group["betas"][1] ** (self.last_epoch + 1)) ** 0.5


def learning_rate_factor(
    settings: TrainingSettings,
    steps_per_epoch: int,
    warm_up: int,
    switches: TrainingSwitches,
    drops: Callable[[], int] = lambda: 0,
) -> Callable[[int], float]:
    """Linear warm-up, then constant between plateaus, or linear to 0 at the last planned step.

    As released, warm-up starts at 0.
    """
    total = settings.epochs * steps_per_epoch
    first = 0 if switches.warm_up == "released" else 1

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + first) / warm_up
        if settings.schedule != "linear":
            return DROP ** drops()
        return max(0.0, (total - step) / max(1, total - warm_up))

    return factor


def renew(rate: LambdaLR) -> None:
    """Set the rate of the next step again: plateaus are counted between epochs, after the scheduler has set it."""
    for group, base, factor in zip(rate.optimizer.param_groups, rate.base_lrs, rate.lr_lambdas, strict=True):
        group["lr"] = base * factor(rate.last_epoch)
