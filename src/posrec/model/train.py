"""Train one run: a cell and a seed. Epochs are selected on validation, the test is read once."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.errors import StudyError
from posrec.model import streams
from posrec.model.batches import Batch, Sampler
from posrec.model.carca import Carca
from posrec.model.encodings import Encoding
from posrec.model.engines.devices import device_of, training_products, weights_type
from posrec.model.engines.make import make_ops
from posrec.model.evaluate import metrics
from posrec.model.evaluate.score import Requests, ScoreError, model_scores, rank_requests, requests_of
from posrec.model.losses import loss_function
from posrec.model.ops.plain import PLAIN, Ops
from posrec.model.optimiser import make_optimiser, renew
from posrec.model.runs.checkpoints import State
from posrec.model.runs.failures import Progress, TrainingFailed, model_code
from posrec.model.start_scale import set_start_scale
from posrec.model.threads import one_thread
from posrec.study.settings.evaluation import PRIMARY
from posrec.study.settings.training import SHARED, TrainingSettings
from posrec.study.study import SECOND_SOFTMAX, Cell

LAST_DROP = 2  # of the learning rate under `schedule: plateau`: the next plateau ends the training
VALIDATION_SAMPLE_SEED = 20240516  # the sample is the same for every run: part of TRAINING_VERSION

Weights = dict[str, Tensor]


@dataclass
class Curve:
    """Figures per epoch: mean loss, and validation NDCG@10 (full catalogue; NaN where not read).

    gradient_mean, gradient_variance: of the norm of all gradients together, over the steps of the epoch.
    """

    epoch: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    gradient_mean: list[float] = field(default_factory=list)
    gradient_variance: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # machine facts: never in a run file

    def best(self) -> tuple[int, float]:
        """The epoch with the highest validation metric, the first of equals, and that metric."""
        place = int(np.nanargmax(self.validation))
        return self.epoch[place], self.validation[place]

    def still_rising(self, epochs: int) -> bool:
        """Whether training ended at the last of its epochs with the best reading the last or the one before it.

        Then more epochs may give a better model, and the run is not comparable with one that patience ended.
        """
        read = self.readings()
        return bool(read) and self.epoch[-1] == epochs and self.best()[0] in read[-2:]

    def plateaus(self, patience: int) -> int:
        """How often so far `patience` readings in a row brought no improvement; each starts its count again.

        >>> Curve(epoch=[1, 2, 3, 4, 5], validation=[0.1, 0.3, 0.2, 0.3, 0.2]).plateaus(patience=2)
        1
        """
        best, waited, found = -np.inf, 0, 0
        for value in self.validation:
            if not np.isnan(value):
                best, waited = (value, 0) if value > best else (best, waited + 1)
                found, waited = (found + 1, 0) if waited == patience else (found, waited)
        return found

    def readings(self) -> list[int]:
        """The epochs whose validation was read."""
        return [epoch for epoch, value in zip(self.epoch, self.validation, strict=True) if not np.isnan(value)]


@dataclass
class Steps:
    """Loss and norm of all gradients of each step of an epoch."""

    loss: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)


@dataclass
class Trained:
    """A finished training: its curve and the weights of the epochs that were kept."""

    curve: Curve
    weights: dict[int, Weights]


def build_model(cell: Cell, data: Prepared, seed: int, ops: Ops | None = None) -> Carca:
    """A fresh model with the initial weights of `seed`; ops: those of the settings' engine if not given."""
    seeds = streams.cell_seeds(cell, seed)
    widths = {"context_width": data.context.shape[1], "n_features": data.features.shape[1]}
    trunk, encoding = (streams.torch_stream(name, seeds[name]) for name in ("trunk", "encoding"))
    counts = (data.n_items, data.n_attributes)
    model = Carca(cell.model, cell.encoding, *counts, cell.switches, trunk, encoding, **widths)
    if model.padded != (cell.layout == "padded"):  # the layout is in the run id
        raise StudyError(f"{cell.encoding}: second_softmax is for {', '.join(SECOND_SOFTMAX)} alone; remove it there")
    _check_shared(model, cell)
    set_start_scale(model, data)
    numerics = cell.training.numerics
    model.use(ops or make_ops(numerics))
    return model.to(device_of(numerics), weights_type(numerics))


def _check_shared(model: Carca, cell: Cell) -> None:
    """With CARCA's head and shared negatives a candidate must be the same at every step: it has no time."""
    timed = model.encoding.reads_times and type(model.encoding).encode is not Encoding.encode
    if timed and cell.model.head == "carca" and cell.training.loss in SHARED:
        raise StudyError(
            f"training.loss: {cell.training.loss}: {cell.encoding} adds a vector of its time to a candidate, so "
            "candidates differ from step to step; choose model.head: dot, or training.loss: bce, gbce or ce"
        )


def batch_size(cell: Cell) -> int:
    """Users per batch; under `batch_none: released` the runs without an encoding have half of it."""
    halved = cell.switches.batch_none == "released" and cell.encoding == "none"
    return max(1, cell.training.batch_size // 2) if halved else cell.training.batch_size


def negative_counts(settings: TrainingSettings, n_items: int) -> dict[str, Any]:
    """How many negatives a sampler draws: per target, or shared by a batch."""
    if settings.loss not in SHARED:
        return {"negatives_a_target": settings.negatives}
    count = n_items if settings.loss == "softmax" else settings.negatives
    from_batch = settings.loss == "shared_softmax" and settings.shared_negatives == "in_batch"
    return {"negatives_a_target": 0, "shared": count, "from_batch": from_batch}


class Training:
    """One training between two steps: what its checkpoint holds, and what goes on from there."""

    def __init__(self, cell: Cell, data: Prepared, seed: int, stacked: bool = False) -> None:
        """stacked: trained beside other seeds (`stacked.train_epoch`), with a dropout stream of its own."""
        self.cell, self.data = cell, data
        self.progress, self.trained, self.steps = Progress(), Trained(Curve(), {}), Steps()
        with model_code(self.progress):
            self.model = build_model(cell, data, seed, PLAIN if stacked else None)
        settings, device = cell.training, self.model.item_embedding.device
        seeds = streams.cell_seeds(cell, seed)
        self.dropout_stream = torch.Generator(device) if stacked else torch_stream(device)
        self.dropout_stream.manual_seed(streams.torch_seed("dropout", seeds["dropout"]))
        order, negatives = (streams.numpy_stream(name, seeds[name]) for name in ("order", "negatives"))
        packing, counts = self.model.packing, negative_counts(settings, data.n_items)
        self.sampler = Sampler(data, cell.model, cell.switches, batch_size(cell), order, negatives, packing, **counts)
        self.optimiser, self.rate = make_optimiser(
            self.model.parameters(), cell, self.sampler.steps, lambda: min(LAST_DROP, self.plateaus)
        )
        self.items = self.model.ops.item_update(self.model.item_embedding, self.optimiser)
        self.loss_of = loss_function(settings, data.n_items)
        self.sample = validation_sample(data, settings.validation_users)
        self.streams_before = self.sampler.stream_states()  # at the start of the epoch

    @property
    def plateaus(self) -> int:
        """How often patience has ended under `schedule: plateau`; 0 under the others."""
        settings = self.cell.training
        return self.trained.curve.plateaus(settings.patience) if settings.schedule == "plateau" else 0

    @property
    def finished(self) -> bool:
        """Whether the epochs or the patience have ended."""
        curve, settings = self.trained.curve, self.cell.training
        epoch = curve.epoch[-1] if curve.epoch else 0
        if epoch == 0 or epoch == settings.epochs:
            return epoch == settings.epochs
        if self.cell.switches.early_stopping == "released" or epoch % settings.validate_every != 0:
            return False
        if settings.schedule == "plateau":
            return self.plateaus > LAST_DROP
        return epoch - curve.best()[0] >= settings.patience * settings.validate_every

    def train_epoch(self, after_step: Callable[[], None]) -> None:
        """Train the rest of the epoch: its batches are drawn again from the streams as they were at its start."""
        done = len(self.steps.loss)
        self.sampler.set_streams(self.streams_before)
        renew(self.rate)
        self.model.train()
        for batch in islice(self.sampler.epoch(), done, None):
            with model_code(self.progress):
                self.step(batch)
            after_step()

    def step(self, batch: Batch) -> None:
        """Update the parameters once. Raises TrainingFailed if the loss is not finite."""
        self.progress.step += 1
        batch = batch.to(self.model.item_embedding.device)
        self.model.bound_embedding(batch.items.ids)
        with training_products(self.cell.training.numerics):
            loss = self.loss_of(self.model(batch.items, batch.tokens, batch.layout, batch.shared), batch)
        value = loss.item()
        if not np.isfinite(value):
            raise TrainingFailed(self.progress.step, f"the loss is {value}")
        self.optimiser.zero_grad()
        loss.backward()
        self.items.before_norm()
        self.steps.loss.append(value)
        self.steps.gradient_norm.append(gradient_norm(self.model))
        self.items.before_step()
        self.optimiser.step()
        self.rate.step()

    def end_epoch(self, seconds: float, at_reading: Callable[[Carca, int], None]) -> None:
        """Read the validation where it is due, and keep what is to be kept."""
        settings, curve = self.cell.training, self.trained.curve
        epoch = len(curve.epoch) + 1
        due = epoch % settings.validate_every == 0 or epoch == settings.epochs
        began = time.perf_counter()
        with model_code(self.progress):
            value = _validate(self.model, self.data, self.sample, self.progress.step) if due else float("nan")
        _record(curve, epoch, self.steps, value, seconds + time.perf_counter() - began)
        self.steps, self.streams_before = Steps(), self.sampler.stream_states()
        if due:
            _keep(self.trained, self.model, epoch, settings)
            at_reading(self.model, epoch)
            if self.cell.switches.sampling == "released":  # max_norm acts on all rows that an evaluation looks up
                every = torch.arange(1, self.data.n_items + 1, device=self.model.item_embedding.device)
                self.model.bound_embedding(every)

    def state(self) -> State:
        """All that the rest of the training depends on, as tensors and text."""
        text = {
            "step": self.progress.step,
            "curve": asdict(self.trained.curve),
            "steps": asdict(self.steps),
            "streams": self.streams_before,
        }
        return {
            "text": json.dumps(text),
            "torch": self.dropout_stream.get_state(),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rate": self.rate.state_dict(),
            "weights": self.trained.weights,
        }

    def restore(self, state: State) -> None:
        """Go back to where `state` was taken."""
        text = json.loads(state["text"])
        self.progress.step, self.streams_before = text["step"], text["streams"]
        self.trained = Trained(Curve(**text["curve"]), state["weights"])
        self.steps = Steps(**text["steps"])
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rate.load_state_dict(state["rate"])
        self.dropout_stream.set_state(state["torch"])


@one_thread()
def train_run(
    cell: Cell,
    data: Prepared,
    seed: int,
    on_epoch: Callable[[Curve], None] = lambda curve: None,
    at_reading: Callable[[Carca, int], None] = lambda model, epoch: None,
    after_step: Callable[[Training], None] = lambda training: None,
    saved: State | None = None,
) -> Trained:
    """Train a cell with one seed until its epochs or its patience end, from the start or from a saved state.

    Raises TrainingFailed when loss or scores are no longer finite, or when the model's own code raises. `on_epoch`
    gets the curve after every epoch; `at_reading` gets the model of every epoch whose validation is read, and must not
    change it; `after_step`, called after every step and epoch, may take the training's state.
    """
    training = Training(cell, data, seed)
    if saved is not None:
        training.restore(saved)
    while not training.finished:
        began = time.perf_counter()
        training.train_epoch(lambda: after_step(training))
        training.end_epoch(time.perf_counter() - began, at_reading)
        on_epoch(training.trained.curve)
        after_step(training)
    return training.trained


def torch_stream(device: torch.device) -> torch.Generator:
    """torch's own stream on a device: in a training nothing but dropout draws from it."""
    return (
        torch.default_generator if device.type == "cpu" else torch.cuda.default_generators[torch.cuda.current_device()]
    )


def validation_sample(data: Prepared, size: int) -> Requests:
    """A fixed sample of at most `size` validation users, the same for every run on these data."""
    requests = requests_of(data.validation)
    if len(requests.users) <= size:
        return requests
    chosen = np.random.default_rng(VALIDATION_SAMPLE_SEED).choice(len(requests.users), size, replace=False)
    return requests.take(np.sort(chosen))


def gradient_norm(model: Carca) -> float:
    """Euclidean norm of the gradients of all parameters together."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return float(torch.nn.utils.get_total_norm([g._values() if g.is_sparse else g for g in gradients]))


def _validate(model: Carca, data: Prepared, sample: Requests, step: int) -> float:
    no_candidates = np.zeros((len(sample.users), 0), np.int32)
    try:
        ranks = rank_requests(model_scores(model, data, sample), data, sample, no_candidates)
    except ScoreError as error:
        raise TrainingFailed(step, str(error)) from None
    return metrics.mean_metrics(ranks.full_greater, ranks.full_tied)[PRIMARY]


def _record(curve: Curve, epoch: int, steps: Steps, value: float, seconds: float) -> None:
    curve.epoch.append(epoch)
    curve.loss.append(sum(steps.loss) / len(steps.loss))
    curve.validation.append(value)
    curve.gradient_mean.append(float(np.mean(steps.gradient_norm)))
    curve.gradient_variance.append(float(np.var(steps.gradient_norm)))
    curve.seconds.append(seconds)


def _keep(trained: Trained, model: Carca, epoch: int, settings: TrainingSettings) -> None:
    """Keep the weights of this epoch when they are the best so far, or all when the settings say so."""
    best, _ = trained.curve.best()
    if best == epoch or settings.keep_weights:
        if not settings.keep_weights:
            trained.weights.clear()
        state = model.state_dict()
        trained.weights[epoch] = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
