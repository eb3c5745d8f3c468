"""AdamW and its learning rate."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from posrec.study.settings import TrainingSettings


def make_optimiser(
    parameters: Iterable[nn.Parameter], settings: TrainingSettings, steps_per_epoch: int
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW and its learning rate before the first step."""
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, eps=1e-8, weight_decay=settings.weight_decay, fused=True
    )
    factor = learning_rate_factor(settings, steps_per_epoch)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def learning_rate_factor(settings: TrainingSettings, steps_per_epoch: int) -> Callable[[int], float]:
    """Linear warm-up, then constant or linear to 0 at the last planned step."""
    total = settings.epochs * steps_per_epoch

    def factor(step: int) -> float:
        if step < settings.warmup_steps:
            return (step + 1) / settings.warmup_steps
        if settings.schedule == "constant":
            return 1.0
        return max(0.0, (total - step) / max(1, total - settings.warmup_steps))

    return factor
