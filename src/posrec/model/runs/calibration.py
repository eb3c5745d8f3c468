"""This machine's seconds for each kind of work, from short trainings on random data; kept in the store.

The answer is shown (`posrec plan`) and sets the time and memory that jobs ask a cluster for: no id, no result and not
which runs share a job depends on it.
"""

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import psutil
import torch
from scipy.optimize import nnls

from posrec import __version__
from posrec.data.prepare.prepared import Prepared
from posrec.errors import DataError
from posrec.files import digest, read_checked_json, write_checked_json
from posrec.model.carca import Carca
from posrec.model.evaluate.diagnostics import diagnose
from posrec.model.evaluate.score import Requests, model_scores, rank_requests, requests_of
from posrec.model.machine import machine_facts
from posrec.model.threads import one_thread
from posrec.model.train import Curve, build_model, train_run
from posrec.plan import ids
from posrec.plan.work import SPEED, Counts, Load, epoch_load, reading_load
from posrec.study import study
from posrec.study.study import Cell

# (users, items, mean length, width, blocks, L, batch size, head): each kind of work leads in one of them
SHAPES = (
    (2000, 200, 7, 8, 1, 10, 16, "carca"),
    (2000, 200, 7, 16, 2, 10, 32, "dot"),
    (4000, 1000, 12, 32, 1, 20, 256, "carca"),
    (3000, 2000, 20, 128, 2, 50, 256, "carca"),
    (1000, 20_000, 7, 64, 1, 20, 64, "dot"),
    (1000, 12_000, 9, 64, 1, 50, 256, "carca"),
)
REQUESTS = 256  # ranked on the full catalogue for each shape, of many times and of one
SMALL = 300  # items: below, a run's building, test and diagnostics are much of it


def speed() -> dict[str, float]:
    """Seconds of one core a unit of each kind of work, measured once for each machine and version."""
    facts = machine_facts()
    about = [facts["processor"], facts["kernels"], platform.node(), __version__, torch.__version__]
    path = ids.store() / "calibration" / f"{digest(about)}.json"
    try:
        measured: dict[str, float] = read_checked_json(path)
        return {kind: measured[kind] for kind in SPEED}
    except (DataError, KeyError):
        measured = measure()
        started = psutil.Process().memory_info().rss / 1e6
        write_checked_json(path, {**measured, "started": started})  # what `cluster.machines` reads
        return measured


@one_thread()
def measure() -> dict[str, float]:
    """Train and rank each shape, and fit non-negative seconds a unit of work, in relation to the seconds."""
    rows = [row for shape in SHAPES for row in _times(shape)]
    loads = np.array([list(asdict(load).values()) for load, _ in rows])
    seconds = np.array([taken for _, taken in rows])
    scale = np.array([SPEED[kind] for kind in SPEED])
    fitted = nnls(loads * scale / seconds[:, None], np.ones(len(rows)))[0]
    return {kind: float(value) for kind, value in zip(SPEED, fitted * scale, strict=True)}


def _times(shape: tuple[int, int, float, int, int, int, int, str]) -> Iterator[tuple[Load, float]]:
    """The work and the seconds of an epoch, of rankings, and where data are small of what else a run is."""
    cell, data, counts = _case(shape)
    yield epoch_load(cell, counts) + reading_load(cell, counts, 1), _seconds(lambda: train_run(cell, data, 1))
    model = build_model(cell, data, 1)
    requests = requests_of(data.test).take(np.arange(REQUESTS))
    at_once = replace(data, context=np.zeros_like(data.context))
    times = len(np.unique(data.context[requests.targets], axis=0))
    for asked, number in ((data, times), (at_once, 1)):
        yield reading_load(cell, counts, REQUESTS, number), _seconds(partial(_rank, model, asked, requests))
    if counts.items < SMALL:
        yield Load(runs=1), _seconds(lambda: diagnose(build_model(cell, data, 1), data, Curve()))


def _rank(model: Carca, data: Prepared, requests: Requests) -> None:
    rank_requests(model_scores(model, data, requests), data, requests, np.zeros((REQUESTS, 0), np.int32))


def _seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the faster of two calls: the first allocates, and other programs disturb."""
    times = []
    for _ in range(2):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def _case(shape: tuple[int, int, float, int, int, int, int, str]) -> tuple[Cell, Prepared, Counts]:
    users, items, mean, width, blocks, longest, batch, head = shape
    raw = {
        "study": "calibration",
        "datasets": {"random": {"simulate": {"users": users, "items": items, "mean_length": mean}}},
        "encodings": ["learnt"],
        "model": {"dimension": width, "blocks": blocks, "max_length": longest, "head": head, "dropout": 0.2},
        "training": {"batch_size": batch, "epochs": 1, "validation_users": 1},
        "seeds": [1],
        "report": {"stability": False},
    }
    data = random_data(users, items, mean)
    return study.from_dict(raw).cells[0], data, Counts(users, items, len(data.items))


def random_data(users: int, items: int, mean_length: float) -> Prepared:
    """Uniform random interactions of 3 + geometric lengths, with random attributes; requests of a day share a time."""
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(2 + rng.geometric(1 / (mean_length - 2), users))])
    total = int(offsets[-1])
    days = np.sort(rng.integers(0, 1000, total))
    return Prepared(
        offsets=offsets,
        items=rng.integers(1, items + 1, total).astype(np.int32),
        times=days * 86_400,
        context=rng.random((1000, 6), np.float32)[days],
        train_length=(np.diff(offsets) - 2).astype(np.int32),
        validation=offsets[1:] - 2,
        test=offsets[1:] - 1,
        attribute_offsets=np.concatenate([[0, 0], np.arange(1, items + 1) * 4]),
        attribute_ids=rng.integers(0, 100, 4 * items).astype(np.int32),
    )
