"""Training losses over a batch's logits. A loss is a function, and its name in studies: `@register("NAME")`.

The names are read from this file without running it (`posrec.study.losses`), so a new loss is written here alone.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from posrec.model.batches import Batch
from posrec.study.settings.training import TrainingSettings

Loss = Callable[[Tensor, Batch], Tensor]
Maker = Callable[[TrainingSettings, int], Loss]  # of the settings and the number I of items in the catalogue
LOSSES: dict[str, Maker] = {}


def register(*names: str) -> Callable[[Maker], Maker]:
    """Make a loss known under the names that `training.loss` then takes."""

    def add(maker: Maker) -> Maker:
        LOSSES.update(dict.fromkeys(names, maker))
        return maker

    return add


def loss_function(settings: TrainingSettings, n_items: int) -> Loss:
    """The loss that the settings name, on a catalogue of I items."""
    return LOSSES[settings.loss](settings, n_items)


@register("shared_softmax", "softmax")
def _shared_softmax(settings: TrainingSettings, n_items: int) -> Loss:
    return shared_softmax


@register("bce")
def _bce(settings: TrainingSettings, n_items: int) -> Loss:
    return binary_cross_entropy


@register("gbce")
def _gbce(settings: TrainingSettings, n_items: int) -> Loss:
    power = gbce_power(settings.negatives, n_items, settings.gbce_calibration)
    return partial(generalised_binary_cross_entropy, negatives=settings.negatives, power=power)


@register("ce")
def _ce(settings: TrainingSettings, n_items: int) -> Loss:
    return partial(cross_entropy, negatives=settings.negatives)


def binary_cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Mean over unpadded positive and negative positions. logits: (Tq,)."""
    sign = batch.sign.to(logits.dtype)
    return (softplus(-sign * logits) * sign.abs()).sum() / sign.abs().sum()


def gbce_power(negatives: int, n_items: int, calibration: float) -> float:
    """The power beta of the positive's probability (Petrov and Macdonald 2023, gSASRec, equation 13).

    Sampling rate a = negatives / (I - 1), calibration t: beta = a (t (1 - 1 / a) + 1 / a).
    """
    rate = min(1.0, negatives / (n_items - 1))
    return rate * (calibration * (1 - 1 / rate) + 1 / rate)


def generalised_binary_cross_entropy(logits: Tensor, batch: Batch, negatives: int, power: float) -> Tensor:
    """gBCE: the positive's probability to a power, mean over a target and its negatives. logits: (Tq,)."""
    scores, real = by_target(logits, batch, negatives)
    each = power * logsigmoid(scores[:, 0]) - softplus(scores[:, 1:]).sum(1)  # (N,)
    return -(each * real).sum() / (real.sum() * (1 + negatives))


def cross_entropy(logits: Tensor, batch: Batch, negatives: int) -> Tensor:
    """Softmax of the positive among its own negatives, mean over targets. logits: (Tq,)."""
    scores, real = by_target(logits, batch, negatives)
    return ((scores.logsumexp(1) - scores[:, 0]) * real).sum() / real.sum()


def shared_softmax(logits: Tensor, batch: Batch) -> Tensor:
    """-ln softmax of the target among the shared negatives, mean over targets.

    logits: (Tq, 2), each target's logit and the ln sum exp of its negatives' (`Carca.forward`).
    """
    real = (batch.sign > 0).to(logits.dtype)
    target, negatives = logits.unbind(1)
    return (softplus(negatives - target) * real).sum() / real.sum()


def by_target(logits: Tensor, batch: Batch, negatives: int) -> tuple[Tensor, Tensor]:
    """Logits of each target and its k negatives (N, 1 + k), and whether the target is an item and not padding (N,)."""
    sizes = [group.users * group.queries for group in batch.layout]
    scores, real = [], []
    parts = zip(batch.layout, logits.split(sizes), batch.sign.split(sizes), strict=True)
    for group, of_group, sign in parts:
        shape = (group.users, 1 + negatives, -1)
        scores.append(of_group.view(shape).transpose(1, 2).flatten(0, 1))  # (B * targets, 1 + k)
        real.append(sign.view(shape)[:, 0].flatten() > 0)
    return torch.cat(scores), torch.cat(real).to(logits.dtype)
