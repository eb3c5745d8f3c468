"""Speed and memory of training and evaluation against the plain padded reference, on one thread.

    python -m benchmarks.speed

writes docs/measured/speed.md and .csv. The sides take turns (reference, then steps of both engines, and again) in one
process, so that another load on the machine meets all; evaluation and peak memory are measured in fresh processes. An
epoch is the number of its steps times the median step.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from benchmarks.speed_evaluation import full_catalogue_seconds, sampled_seconds, seconds
from benchmarks.speed_page import page
from benchmarks.speed_reference import Work, dense_attributes, make_cell, make_data, reference_loss
from posrec.data.prepare.prepared import Prepared
from posrec.files import write_text
from posrec.model import streams
from posrec.model.batches import Batch, Sampler
from posrec.model.ops.products import onednn, onednn_is_float32
from posrec.model.train import Training, build_model
from posrec.study.study import Cell

SHAPES = {
    "Games": Work(31_013, 23_715, 9.3, 506, 0, 90, 3, 1, 50, 512),
    "Men-90": Work(34_244, 110_636, 7.4, 0, 2048, 90, 3, 3, 35, 512),
    "Men-390": Work(34_244, 110_636, 7.4, 0, 2048, 390, 3, 3, 35, 512),
    "Beauty": Work(52_204, 57_289, 7.6, 6507, 0, 90, 3, 1, 75, 256),
}
BASE = Work(10_000, 10_000, 9.3, 500, 0, 64, 2, 1, 50, 256)
GROWTH = {"users": 20_000, "items": 20_000, "max_length": 100, "dimension": 128, "attributes": 1000}
ROUNDS = 3
DONE = 25  # packed steps before any is timed
FAST_STEPS = 6  # packed steps a round: a step of the reference takes as long as many of them
ENGINES = ("torch", "numba")
PARTS = {"products": ("aten::mm", "aten::addmm"), "attention": ("_Attention", "_AttentionBackward")}
DOCS = Path("docs/measured")
Step = Callable[[], object]


def packed_step(cell: Cell, data: Prepared, done: int = 0) -> tuple[Step, Training]:
    """A function that does one step of posrec's own training, sampling included, and the training.

    done: steps before that: the first ones allocate, compile, and meet each number of rows for the first time.
    """
    training = Training(cell, data, 1)
    training.model.train()
    batches = chain.from_iterable(training.sampler.epoch() for _ in count())
    for _ in range(done):
        training.step(next(batches))
    return lambda: training.step(next(batches)), training


def reference_step(cell: Cell, data: Prepared) -> Step:
    """A function that does one training step of the reference, sampling included."""
    model = build_model(cell, data, 1)
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    size, length = cell.training.batch_size, cell.model.max_length
    batches = Sampler(data, cell.model, cell.switches, size, order, negatives, "padded").epoch()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.001)
    attributes = dense_attributes(data)

    def step() -> None:
        batch = next(batches)
        model.bound_embedding(batch.items.ids)
        loss = reference_loss(model, batch, attributes, length)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def matrix_rate() -> float:
    """Floating-point operations a second of float32 matrix products, the best of some by the faster library."""
    a, b = torch.rand(1536, 1536), torch.rand(1536, 1536)
    times = [seconds(lambda: torch.mm(a, b)) for _ in range(5)]
    if onednn_is_float32():
        with onednn():
            times += [seconds(lambda: torch.mm(a, b)) for _ in range(5)]
    return 2 * 1536**3 / min(times)


def measure(name: str) -> dict[str, Any]:
    """All figures of one shape."""
    work = SHAPES[name]
    data = make_data(work)
    slow = reference_step(make_cell(work), data)
    sides = {engine: packed_step(make_cell(work, engine), data, DONE) for engine in ENGINES}
    times: dict[str, list[float]] = {"reference": [], **{engine: [] for engine in ENGINES}}
    rates = []
    for _ in range(ROUNDS):
        rates.append(matrix_rate())
        times["reference"].append(seconds(slow))
        for _ in range(FAST_STEPS):
            for engine, (step, _) in sides.items():
                times[engine].append(seconds(step))
    median = {side: float(np.median(values)) for side, values in times.items()}
    compiled, training = sides["numba"]
    needed = operations(compiled) + attention_operations(work, next(training.sampler.epoch()))
    row = {
        "shape": name,
        **{f"{side} s/epoch": value * training.sampler.steps for side, value in median.items()},
        **{f"{engine} ratio": median["reference"] / median[engine] for engine in ENGINES},
        "numba over torch": median["torch"] / median["numba"],
        **{f"{engine} share": needed / median[engine] / np.mean(rates) for engine in ENGINES},
        **parts_of_step(compiled),
        "optimiser share": optimiser_share(compiled, training),
    }
    del slow, sides, compiled, training
    slow_evaluation, fast_evaluation = apart("sampled", name)
    memory = {side: apart("peak", name, side) for side in ("reference", *ENGINES)}
    return {
        **row,
        "reference evaluation s": slow_evaluation,
        "packed evaluation s": fast_evaluation,
        "evaluation ratio": slow_evaluation / fast_evaluation,
        **{f"{side} GiB": value for side, value in memory.items()},
        **{f"{engine} memory": memory[engine] / memory["reference"] for engine in ENGINES},
    }


def operations(step: Step) -> int:
    """Floating-point operations of a step's matrix products, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def attention_operations(work: Work, batch: Batch) -> int:
    """Those of attention: two products forward and four backward over the pairs that the causal mask leaves.

    A decoder has two queries a step, a positive and a negative.
    """
    pairs = sum(group.users * group.keys * (group.keys + 1) // 2 for group in batch.layout)
    return (work.blocks + 2) * pairs * work.dimension * 2 * 6


def parts_of_step(step: Step) -> dict[str, float]:
    """Shares of a compiled step in torch's profile: products of whole tokens and items, attention."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(FAST_STEPS):
            step()
    events = profiled.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    return {
        f"{part} share": sum(event.self_cpu_time_total for event in events if event.key in names) / total
        for part, names in PARTS.items()
    }


def optimiser_share(step: Step, training: Training) -> float:
    """Share of a step in moving the parameters: the item embedding, and by torch's AdamW the others."""
    assert training.items is not None
    spent: list[float] = []

    def timed(call: Callable[[], object]) -> Callable[[], None]:
        return lambda: spent.append(seconds(call))

    with (
        mock.patch.object(training.items, "before_step", timed(training.items.before_step)),
        mock.patch.object(training.optimiser, "step", timed(training.optimiser.step)),
    ):
        total = sum(seconds(step) for _ in range(FAST_STEPS))
    return sum(spent) / total


def apart(what: str, *names: str) -> Any:
    """A measurement in a fresh process, whose memory holds nothing else: one of `APART`, by its names."""
    command = [sys.executable, "-m", "benchmarks.speed", what, *names]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak(name: str, side: str) -> float:
    """The peak of this process's own memory in GiB in two steps of one side (interpreter and torch included).

    A packed side has its dense features as a study has them, mapped from a file: its pages are the system's, shared
    by all trainings, and not counted. The reference gathers from a tensor.
    """
    work, reference = SHAPES[name], side == "reference"
    data, cell = make_data(work), make_cell(work, "torch" if reference else side)
    with TemporaryDirectory() as folder:
        if not reference:
            np.save(f"{folder}/features.npy", data.features)
            data = replace(data, features=np.load(f"{folder}/features.npy", mmap_mode="r"))
        step = reference_step(cell, data) if reference else packed_step(cell, data)[0]
        return peak_memory(lambda: (step(), step()))


def peak_memory(call: Callable[[], object]) -> float:
    """The largest private memory (RssAnon) during a call in GiB, looked at every millisecond."""
    seen, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("RssAnon"))
            seen.append(int(line.split()[1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    done.set()
    watcher.join()
    return max(seen) / 2**20


def growth() -> pd.DataFrame:
    """Epoch seconds of both engines when one count doubles, as a ratio to the base: 2 is linear."""
    works = {"base": BASE, **{name: replace(BASE, **{name: value}) for name, value in GROWTH.items()}}
    table = pd.DataFrame({"twice": list(works)})
    for engine in ENGINES:
        parts = {name: packed_step(make_cell(work, engine), make_data(work), DONE) for name, work in works.items()}
        times: dict[str, list[float]] = {name: [] for name in parts}
        for _ in range(2 * FAST_STEPS):
            for name, (step, _) in parts.items():
                times[name].append(seconds(step))
        epoch = np.array([np.median(times[name]) * parts[name][1].sampler.steps for name in works])
        table[f"{engine} s/epoch"], table[f"{engine} ratio"] = epoch, epoch / epoch[0]
    return table


def main(names: Sequence[str] = tuple(SHAPES)) -> None:
    """Measure everything and write the page."""
    torch.set_num_threads(1)
    rows = []
    for name in tqdm(names):
        rows.append(measure(name))
        table = pd.DataFrame(rows)
        write_text(DOCS / "speed.csv", table.to_csv(index=False, float_format="%.4g"))  # kept if a later one is killed
    write_text(DOCS / "speed.md", page(table, growth(), apart("full"), SHAPES, BASE))


APART: dict[str, Callable[..., Any]] = {
    "peak": peak,
    "sampled": lambda name: sampled_seconds(SHAPES[name], make_data(SHAPES[name])),
    "full": full_catalogue_seconds,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:]:
        print(json.dumps(APART[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
