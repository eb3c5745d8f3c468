"""A GPU against one core of the CPU, seeds at once against one at a time, bfloat16 against float32.

    python -m benchmarks gpu

writes docs/measured/gpu-measured.md; on a machine without a GPU it says so and measures nothing. The time of a step is
the median of several and includes sampling its batch on the CPU. The effect of bfloat16: `benchmarks.bfloat16`.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.bfloat16 import SEEDS, effect, words
from benchmarks.speed import FAST_STEPS, SHAPES, packed_step
from benchmarks.speed_page import markdown
from benchmarks.speed_reference import Work, make_cell, make_data
from posrec.data.prepare.prepared import Prepared
from posrec.files import write_text
from posrec.model.engines.devices import without_gpu
from posrec.model.engines.stacked.batches import stack_batches
from posrec.model.engines.stacked.model import Stack
from posrec.model.threads import one_thread
from posrec.model.train import Training
from posrec.study import study
from posrec.study.study import Cell

STACKED = 10  # seeds at once
DOCS = Path("docs/measured")
Step = Callable[[], object]


def of_numerics(work: Work, device: str, precision: str) -> Cell:
    """The cell of this work in a numerics class."""
    cell = make_cell(work)
    raw = {
        "study": "gpu",
        "datasets": {"simulated": {"simulate": {"users": 40, "items": 60, "mean_length": 5}}},
        "encodings": [cell.encoding],
        "model": cell.model.model_dump(),
        "training": {**cell.training.model_dump(), "numerics": {"device": device, "precision": precision}},
        "seeds": [1, 2, 3],
    }
    return study.from_dict(raw).cells[0]


def stacked_step(cell: Cell, data: Prepared, seeds: int) -> Step:
    """A function that does one step of so many seeds at once, sampling included."""
    trainings = [Training(cell, data, seed, stacked=True) for seed in range(1, seeds + 1)]
    samplers = [training.sampler for training in trainings]
    stack = Stack(trainings)
    stack.model.train()
    batches = zip(*(sampler.epoch_parts() for sampler in samplers), strict=True)

    def step() -> None:
        with stack.computing():
            stack.step(stack_batches(samplers, next(batches)))

    return step


def milliseconds(step: Step, steps: int) -> float:
    """Median wall time of a step after the first, which allocates; a GPU is waited for."""
    step()
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))


@one_thread()
def speed(name: str, work: Work, device: str, seeds: int = STACKED, steps: int = FAST_STEPS) -> list[dict[str, Any]]:
    """Milliseconds a step and seed of one shape: the CPU alone, the device with one seed and with several."""
    data = make_data(work)
    ways: dict[str, tuple[Callable[[], Step], int]] = {
        "CPU, one core, one seed": (lambda: packed_step(of_numerics(work, "cpu", "fp32"), data)[0], 1)
    }
    for precision in ("fp32", "bf16"):
        cell = of_numerics(work, device, precision)
        ways[f"{device}, {precision}, one seed"] = (lambda cell=cell: packed_step(cell, data)[0], 1)
        ways[f"{device}, {precision}, {seeds} seeds at once"] = (
            lambda cell=cell: stacked_step(cell, data, seeds),
            seeds,
        )
    found = {way: milliseconds(make(), steps) / count for way, (make, count) in ways.items()}
    alone = next(iter(found.values()))
    return [
        {"shape": name, "trained": way, "ms per step and seed": ms, "ratio": alone / ms} for way, ms in found.items()
    ]


def page(machine: str, speeds: pd.DataFrame, effects: pd.DataFrame, seeds: int) -> str:
    """docs/measured/gpu-measured.md."""
    return f"""# Measured on a GPU

Written by `python -m benchmarks gpu` on {machine}, torch {torch.__version__}; don't edit. [gpu.md](../guide/gpu.md)
describes the settings.

## Speed
Milliseconds of a training step, including its batch, divided by the number of seeds; the ratio is relative to one core
of the same machine. The shapes are those of [speed.md](speed.md).

{markdown(speeds)}

## Effect of bfloat16 on metrics
{words(effects, seeds)}
"""


def main() -> None:
    """Measure and write the page."""
    if why := without_gpu():
        print(f"benchmarks gpu: {why}: nothing is measured")
        return
    speeds = [row for name in ("Games", "Men-90", "Beauty") for row in speed(name, SHAPES[name], "cuda")]
    text = page(torch.cuda.get_device_name(0), pd.DataFrame(speeds), effect("cuda"), len(SEEDS))
    write_text(DOCS / "gpu-measured.md", text)


if __name__ == "__main__":
    main()
