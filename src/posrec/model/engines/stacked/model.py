"""The stacked engine: several seeds of a cell trained at once on a leading axis.

On a GPU most of a step's time is the launch of its kernels, and a stack launches them once for all seeds. The engine
computes batches in a common layout, the step, and dropout per seed (`ops.py`). Everything else is plain torch under
`torch.vmap`: products, attention, activations, AdamW with dense gradients.

The model is that of one seed, mapped over the stacked parameters by `torch.vmap`; every loss has a gradient in its own
parameters alone. Without dropout a seed is what it would be alone, up to rounding. With it the masks come from the
seed's own stream but in the shared layout, so they depend on the other seeds of the stack.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from posrec.model.bounds import bound_rows
from posrec.model.encodings import REGISTRY, Encoding
from posrec.model.engines.devices import training_products
from posrec.model.engines.stacked.batches import StackedBatch, stack_batches
from posrec.model.engines.stacked.ops import SeedStreams, StackedOps
from posrec.model.optimiser import make_optimiser
from posrec.model.runs.failures import Progress, TrainingFailed, model_code
from posrec.model.train import Steps, Training
from posrec.study.encodings import find
from posrec.study.study import Cell


def unsupported(cell: Cell) -> str:
    """Why the seeds of a cell cannot be stacked; empty where they can."""
    if cell.layout == "padded":
        return "rmha_softmax: released gives padding a weight, and a stack's batches are filled up with it"
    if cell.training.schedule == "plateau":
        return "schedule: plateau lowers the learning rate of each seed at an epoch of its own"
    kind = find(cell.encoding).kind
    turns = kind.own or REGISTRY[kind.name].rotate is not Encoding.rotate
    if cell.switches.rope_axis == "released" and turns:
        return "rope_axis: released turns by the place in the batch, and a stack's batches are filled up"
    return ""


class Stack:
    """S trainings of one cell, which have come equally far, for one epoch."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings, first = trainings, trainings[0]
        self.model, self.cell, self.loss_of = first.model, first.cell, first.loss_of
        self.parameters: dict[str, Any]
        self.parameters, self.buffers = stack_module_state([one.model for one in trainings])  # (S, ...) each
        self.optimiser, self.rate = make_optimiser(self.parameters.values(), self.cell, first.sampler.steps)
        self.optimiser.load_state_dict(_stacked_state([training.optimiser.state_dict() for training in trainings]))
        self.rate.load_state_dict(first.rate.state_dict())
        self.ops = StackedOps(SeedStreams([training.dropout_stream for training in trainings]))

    def computing(self) -> AbstractContextManager[None]:
        """Compute all seeds at once in this context, with dropout from each training's own stream."""
        return self.model.using(self.ops)

    def step(self, batch: StackedBatch) -> tuple[Tensor, Tensor]:
        """Move the parameters of all seeds once. Returns their losses and the norms of their gradients, (S,) each."""
        batch = batch.to(self.model.item_embedding.device)
        self._bound_embeddings(batch.tensors["ids"])
        losses = self.losses(batch)
        self.optimiser.zero_grad()
        losses.sum().backward()
        norms = self.gradient_norms()
        self.optimiser.step()
        self.rate.step()
        return losses.detach(), norms

    def losses(self, batch: StackedBatch) -> Tensor:
        """The loss of each seed on its own batch, (S,)."""

        def loss(state: dict[str, Any], tensors: dict[str, Tensor]) -> Tensor:
            one = batch.of_one(tensors, self.model.causal)
            inputs = (one.items, one.tokens, one.layout, one.shared)
            return self.loss_of(functional_call(self.model, state, inputs), one)

        with training_products(self.cell.training.numerics):
            return torch.vmap(loss)({**self.parameters, **self.buffers}, batch.tensors)

    def _bound_embeddings(self, ids: Tensor) -> None:
        """max_norm on the rows that the batches touch. ids: (S, M)."""
        table = self.parameters["item_embedding"].data  # (S, I + 1, D)
        first = torch.arange(len(table), device=ids.device)[:, None] * table.shape[1]
        bound_rows(table.flatten(0, 1), (ids + first).flatten(), self.cell.model, self.cell.switches)

    def gradient_norms(self) -> Tensor:
        """Euclidean norm of all gradients of each seed together: (S,)."""
        gradients = [p.grad.reshape(len(p), -1) for p in self.parameters.values() if p.grad is not None]
        return torch.stack([torch.linalg.vector_norm(each, dim=1) for each in gradients]).norm(dim=0)

    def hand_back(self) -> None:
        """Give every training its own parameters, moments and learning rate."""
        state = self.optimiser.state_dict()
        for place, training in enumerate(self.trainings):
            with torch.no_grad():
                for name, parameter in training.model.named_parameters():
                    parameter.copy_(self.parameters[name][place])
            training.optimiser.load_state_dict(_state_of_one(state, place))
            training.rate.load_state_dict(self.rate.state_dict())


def train_epoch(trainings: Sequence[Training]) -> list[TrainingFailed | None]:
    """One epoch of all trainings, which have come equally far. Returns which failed, and at which step.

    A seed whose loss is not finite continues to the end of the epoch, where it is discarded; it does not affect the
    others. Raises TrainingFailed where the model's code raises, which no seed alone is to blame for.
    """
    samplers = [training.sampler for training in trainings]
    for training in trainings:
        training.sampler.set_streams(training.streams_before)
        training.model.train()
    began, measured = trainings[0].progress.step, []
    stack = Stack(trainings)
    with stack.computing(), model_code(Progress(began)):
        for batches in zip(*(sampler.epoch_parts() for sampler in samplers), strict=True):
            measured.append(torch.stack(stack.step(stack_batches(samplers, batches))))
    stack.hand_back()
    losses, norms = torch.stack(measured).cpu().double().numpy().transpose(1, 2, 0)  # (S, steps) each
    for training, loss, norm in zip(trainings, losses, norms, strict=True):
        training.progress.step += len(measured)
        training.steps = Steps(loss.tolist(), norm.tolist())
    return [_failure(began, loss) for loss in losses]


def _failure(began: int, losses: np.ndarray) -> TrainingFailed | None:
    """What the first loss that is not finite means, `began` steps before the epoch. losses: (steps,)."""
    bad = np.flatnonzero(~np.isfinite(losses))
    return TrainingFailed(began + int(bad[0]) + 1, f"the loss is {losses[bad[0]]}") if len(bad) else None


def _stacked_state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One optimiser's state of those of S seeds; their steps are the same."""

    def stacked(number: int, name: str) -> Tensor:
        values = [state["state"][number][name] for state in states]
        return values[0] if name == "step" else torch.stack(values)

    first = states[0]
    found = {number: {name: stacked(number, name) for name in kept} for number, kept in first["state"].items()}
    return {**first, "state": found}


def _state_of_one(state: dict[str, Any], place: int) -> dict[str, Any]:
    """The part of a stacked optimiser's state that is one seed's."""
    found = {
        number: {name: value.clone() if name == "step" else value[place].clone() for name, value in kept.items()}
        for number, kept in state["state"].items()
    }
    return {**state, "state": found}
