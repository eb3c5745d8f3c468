"""The amount of work in a study, from the counts that it declares, and how its runs are packed into jobs.

The runs of a job depend on the study only, not on existing results nor on the machine (a cluster node parses the
Snakefile again). `posrec plan` replaces SPEED by this machine's measured speed.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from posrec.study.protocols import DRAWN_USERS
from posrec.study.study import Cell, Study
from posrec.study.twins import TWINS

# Core seconds per unit of each kind of work (`Load`), measured by `posrec plan` on a machine of 2024 and rounded.
SPEED = {
    **{"runs": 0.07, "steps": 2.6e-3, "elements": 2.7e-9, "products": 4e-11},
    **{"requests": 5e-5, "tables": 5e-10, "scores": 3e-11},
}
# The same for a GPU, not measured: a third of the rates in an A100's data sheet (1.5 TB/s; 9.7e12 multiply-adds per
# second in fp32), 12 bytes moved per element, and 5 ms per step to launch the kernels.
GPU_SPEED = {
    **{"runs": 0.07, "steps": 5e-3, "elements": 2.4e-11, "products": 3.1e-13},
    **{"requests": 5e-5, "tables": 2.4e-11, "scores": 3.1e-13},
}
TIMES = 1000  # maximum number of different request times: time features are those of a day, and requests share days
LONGEST_JOB = 20 * 60  # seconds on that core
SHORTEST_JOB = 15  # a job starts Python and torch, which takes seconds
JOBS = 32  # two per core of a laptop with 16: jobs of smaller studies are shorter, so that all cores end together
START = 2.5  # seconds of that core that a job takes to start Python and torch
MATRICES = {"carca": 5, "sasrec": 5, "ligr": 18}  # D x D products of a token in one block
HELD_OUT = 2  # interactions per user that are not trained on
STARTED = 500.0  # MB of a process that has loaded torch
COMPILING = 180.0  # MB more in a process that compiles its kernels
PREPARED = 60  # bytes per interaction of a prepared data set
RECORDED = 16  # bytes per test user of a run's ranks


@dataclass(frozen=True)
class Counts:
    """Users, items and interactions of a prepared data set."""

    users: float
    items: float
    interactions: float


@dataclass(frozen=True)
class Load:
    """Work of runs: their number, optimiser steps, element-wise work, multiply-adds, and ranking on the full catalogue.

    elements: slots x width x operations, and the optimiser's pass over the table of items; requests: users
    ranked and different times at which they ask; tables: (1 + these times) x items x width, what an item is at a time;
    scores: users ranked x items x length of the history x width.
    """

    runs: float = 0.0
    steps: float = 0.0
    elements: float = 0.0
    products: float = 0.0
    requests: float = 0.0
    tables: float = 0.0
    scores: float = 0.0

    def __add__(self, other: "Load") -> "Load":
        return Load(*(mine + its for mine, its in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    def times(self, factor: float) -> "Load":
        """This work, `factor` times."""
        return Load(*(value * factor for value in asdict(self).values()))

    def seconds(self, speed: Mapping[str, float] = SPEED) -> float:
        """Seconds on one core of this speed."""
        return sum(value * speed[kind] for kind, value in asdict(self).items())


def known_counts(study: Study, name: str) -> tuple[Counts, str] | None:
    """The counts that the study gives for a data set and their origin; None where it gives none.

    Declared (`expect`), simulated, or the paper's where the study says that the data set is one of the paper's
    (`report.published`): those are used for planning only and never checked.
    """
    dataset = study.settings.datasets[name]
    if dataset.expect is not None:
        return Counts(dataset.expect.users, dataset.expect.items, dataset.expect.interactions), "declared"
    if dataset.simulate is not None:
        users, items = dataset.simulate.users, dataset.simulate.items
        return Counts(users, items, users * dataset.simulate.mean_length), "declared"
    if name in study.settings.report.published:
        paper = TWINS[study.settings.report.published[name]]
        return Counts(paper.users, paper.items, paper.users * paper.mean_length), "the paper's"
    return None


def history_length(cell: Cell, counts: Counts) -> float:
    """Mean number of training items per user, at most L."""
    return min(max(1.0, counts.interactions / counts.users - HELD_OUT), cell.model.max_length)


def history_slots(cell: Cell, counts: Counts) -> float:
    """Mean number of slots per user's history in training: L where histories are padded."""
    return cell.model.max_length if cell.layout == "padded" else history_length(cell, counts)


def shared_negatives(cell: Cell, counts: Counts) -> float:
    """Negatives that all targets of a batch share; 0 where each target has its own."""
    settings = cell.training
    return {"softmax": counts.items, "shared_softmax": settings.negatives}.get(settings.loss, 0)


def steps_per_epoch(cell: Cell, counts: Counts) -> int:
    """Optimiser steps of an epoch, in which every user is a row of one batch."""
    return max(1, math.ceil(counts.users / cell.training.batch_size))


def epoch_load(cell: Cell, counts: Counts) -> Load:
    """Work of one epoch of one run without its validation."""
    model, length = cell.model, history_slots(cell, counts)
    width, history = model.dimension, counts.users * length
    targets = history if cell.switches.targets == "all" else counts.users
    steps = steps_per_epoch(cell, counts)
    shared = shared_negatives(cell, counts)
    candidates = targets * (1 if shared else 1 + cell.training.negatives) + steps * shared
    distinct = min(steps * counts.items, history + candidates)
    decoded = model.head == "carca"
    matrices = MATRICES[model.block] * model.blocks + 2 * decoded
    layers = width * width * (history * matrices + candidates * decoded + distinct)
    context = 6 * width * (history + candidates)
    attention = 2 * width * length * (history * model.blocks + candidates * decoded) + targets * shared * width
    table = steps * counts.items * width
    elements = width * (history * (2 + 8 * model.blocks) + 6 * candidates) + table
    return Load(steps=steps, elements=elements, products=3 * (layers + context + attention))


def reading_load(cell: Cell, counts: Counts, requests: float, times: float = TIMES) -> Load:
    """Work of ranking `requests` requests with at most `times` different times on the full catalogue."""
    model = cell.model
    length = history_length(cell, counts) if model.head == "carca" else 1.0
    timed = model.context and model.candidate_context != "none"
    table = counts.items * model.dimension
    different = min(requests, times) if timed else 1
    return Load(requests=requests + different, tables=table * (1 + different), scores=requests * table * length)


def run_load(cell: Cell, counts: Counts, epochs: int | None = None) -> Load:
    """Work of one run of a cell when all of its epochs are trained, including the test."""
    epochs = epochs or cell.training.epochs
    readings = math.ceil(epochs / cell.training.validate_every)
    validation = reading_load(cell, counts, min(cell.training.validation_users, counts.users))
    return (
        Load(runs=1)
        + epoch_load(cell, counts).times(epochs)
        + validation.times(readings)
        + _test_load(cell, counts, readings)
    )


def _test_load(cell: Cell, counts: Counts, readings: int) -> Load:
    """Work of the test under every protocol; `selection: released` runs it as often as the validation."""
    total = Load()
    for protocol in cell.protocols:
        drawn = protocol.evaluation.eval_users == "released"
        users = min(DRAWN_USERS, counts.users) if drawn else counts.users
        often = readings if protocol.evaluation.selection == "released" else 1
        total += reading_load(cell, counts, users).times(often)
    return total


def run_memory(cell: Cell, counts: Counts) -> float:
    """Peak memory of a training process in MB: Python and torch, data, weights with their moments, a batch, scores."""
    model, length = cell.model, history_length(cell, counts)
    width = model.dimension
    parameters = counts.items * width + (12 + (1 + MATRICES[model.block]) * model.blocks) * width * width
    targets, shared = cell.training.batch_size * length, shared_negatives(cell, counts)
    slots = targets * (2 if shared else 2 + cell.training.negatives) + shared
    activations = slots * width * (20 + 20 * model.blocks) + 3 * targets * shared
    longest = min(4 * length, model.max_length)
    scored = counts.items * (8 * width + 16 * (2 + 2 * model.heads * longest))
    kept = 4 * (parameters * 7 + activations + scored)
    compiling = COMPILING if cell.training.numerics.engine == "numba" else 0.0
    return STARTED + compiling + (kept + 2 * PREPARED * counts.interactions) / 1e6


def run_disk(cell: Cell, counts: Counts) -> float:
    """MB of a run: ranks and curve, in the study's folder and in the store, and the weights that the study keeps."""
    weights = 0.0
    if cell.training.keep_weights:
        readings = math.ceil(cell.training.epochs / cell.training.validate_every)
        weights = readings * 4 * counts.items * cell.model.dimension
    return (weights + 2 * len(cell.protocols) * (RECORDED * counts.users + 20_000)) / 1e6


@dataclass(frozen=True)
class Batch:
    """Runs of one data set that share a training job: cells, each with its seeds that belong to the job.

    load and memory (MB): None where the study declares no counts.
    """

    name: str
    dataset: str
    cells: tuple[Cell, ...]
    load: Load | None = None
    memory: float | None = None

    @property
    def seconds(self) -> float | None:
        """Nominal length: on the core of SPEED."""
        return None if self.load is None else self.load.seconds()


def batches(study: Study) -> list[Batch]:
    """Pack runs into jobs of about the same work: this depends on the study only, not on existing results."""
    wanted = job_seconds(study)
    result: list[Batch] = []
    for dataset in study.settings.datasets:
        cells = [cell for cell in study.cells if cell.dataset == dataset]
        counts = _counts(study, dataset)
        stacked = any(on_gpu(cell) for cell in cells)  # there the seeds of a cell are trained together
        groups = [(cell,) for cell in cells] if counts is None or stacked else _packed(cells, counts, wanted)
        result += [_batch(f"{dataset}-{number}", group, counts) for number, group in enumerate(groups, 1)]
    return result


def on_gpu(cell: Cell) -> bool:
    """Whether the study trains this cell on a GPU."""
    return cell.training.numerics.device == "cuda"


def _counts(study: Study, name: str) -> Counts | None:
    known = known_counts(study, name)
    return None if known is None else known[0]


def job_seconds(study: Study) -> float:
    """Nominal length of the study's jobs: 20 minutes, or less so that a laptop's cores have enough jobs."""
    total = sum(
        run_load(cell, counts).seconds() * len(cell.seeds)
        for cell in study.cells
        if (counts := _counts(study, cell.dataset)) is not None
    )
    return max(SHORTEST_JOB, min(LONGEST_JOB, total / JOBS))


def _packed(cells: list[Cell], counts: Counts, wanted: float) -> Iterator[tuple[Cell, ...]]:
    """Cut a data set's runs, in their order, into jobs of equal work, as close to `wanted` seconds as possible."""
    runs = [(place, seed) for place, cell in enumerate(cells) for seed in cell.seeds]
    seconds = [run_load(cell, counts).seconds() for cell in cells]
    total = sum(seconds[place] for place, _ in runs)
    jobs = max(1, round(total / wanted))
    middle, numbers = 0.0, []
    for place, _ in runs:
        numbers.append(int((middle + seconds[place] / 2) * jobs / total))
        middle += seconds[place]
    for _, group in groupby(zip(numbers, runs, strict=True), key=lambda pair: pair[0]):
        parts = groupby((run for _, run in group), key=lambda run: run[0])
        yield tuple(replace(cells[place], seeds=tuple(seed for _, seed in part)) for place, part in parts)


def _batch(name: str, cells: tuple[Cell, ...], counts: Counts | None) -> Batch:
    if counts is None:
        return Batch(name, cells[0].dataset, cells)
    load = sum((run_load(cell, counts).times(len(cell.seeds)) for cell in cells), Load())
    return Batch(name, cells[0].dataset, cells, load, max(run_memory(cell, counts) for cell in cells))
