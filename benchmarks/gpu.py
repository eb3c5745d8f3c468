"""A GPU against one core of the CPU, seeds at once against one at a time, bfloat16 against float32.

    python -m benchmarks gpu

writes docs/gpu-measured.md; on a machine without a GPU it says so and measures nothing. A step is the median of some,
with the drawing of its batch, which the CPU does. What bfloat16 does to the metrics is a paired difference over seeds
in the planted world of `benchmarks.planted`, whose order an encoding can learn.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from benchmarks import planted
from benchmarks.speed import FAST_STEPS, SHAPES, packed_step
from benchmarks.speed_page import markdown
from benchmarks.speed_reference import Work, make_cell, make_data
from posrec import plan, store, study
from posrec.data import candidates, prepare, simulate
from posrec.data.prepared import Prepared
from posrec.files import write_text
from posrec.model.devices import without_gpu
from posrec.model.jobs import Run
from posrec.model.stacked import Stack
from posrec.model.stacked_batches import stack_batches
from posrec.model.stacked_jobs import bring_stacked
from posrec.model.stacking import SeedStreams, seeds_together
from posrec.model.threads import one_thread
from posrec.model.train import Training
from posrec.study import Cell

STACKED = 10  # seeds at once
SEEDS = range(1, 21)  # of the effect on the metrics
METRICS = (("full", "NDCG@10"), ("full", "Hit@10"), ("sampled", "NDCG@10"), ("sampled", "Hit@10"))
DOCS = Path("docs")
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
    stack, streams = Stack(trainings), SeedStreams([training.dropout_stream for training in trainings])
    stack.model.train()
    batches = zip(*(sampler.epoch_parts() for sampler in samplers), strict=True)

    def step() -> None:
        with seeds_together(streams):
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
    return [{"shape": name, "trained": way, "ms a step and seed": ms, "ratio": alone / ms} for way, ms in found.items()]


def raw_study(device: str, seeds: Sequence[int], **changes: Any) -> dict[str, Any]:
    """The planted world of order, trained with float32 and with bfloat16 products."""
    raw = planted.raw_study(1)
    classes = [{"device": device, "precision": precision} for precision in ("fp32", "bf16")]
    own = {"only": [{"dataset": "order", "encoding": "learnt"}], "seeds": list(seeds)}
    datasets = {"order": raw["datasets"]["order"]}
    return {**raw, **own, "datasets": datasets, "training": {**raw["training"], "numerics": classes, **changes}}


def effect(device: str, seeds: Sequence[int] = SEEDS, **changes: Any) -> pd.DataFrame:
    """What bfloat16 does to each metric: means over seeds, and the paired difference with its 95 % interval."""
    with planted.scratch():
        loaded = study.from_dict(raw_study(device, seeds, **changes))
        dataset = loaded.settings.datasets["order"]
        assert dataset.simulate is not None
        simulate.simulate(dataset.simulate, plan.raw_folder("order", dataset))
        prepare.prepare_dataset(loaded, "order")
        candidates.draw_candidates(loaded, "order")
        exact, rough = (_metrics(loaded, cell) for cell in loaded.cells)
    apart = rough - exact  # (seeds, metrics)
    half = stats.t.ppf(0.975, len(apart) - 1) * apart.sem()
    names = {"metric": exact.columns, "fp32": exact.mean(), "bf16": rough.mean(), "difference": apart.mean()}
    return pd.DataFrame({**names, "from": apart.mean() - half, "to": apart.mean() + half})


def _metrics(loaded: study.Study, cell: Cell) -> pd.DataFrame:
    """The metrics of a cell's runs in percent, trained at once: (seeds, METRICS)."""
    runs = [Run(loaded, cell, seed) for seed in cell.seeds]
    bring_stacked(runs, again_failed=False)
    found = (store.read_content(run.path)["evaluations"][planted.PROTOCOL] for run in runs)
    return pd.DataFrame([{f"{kind} {name}": 100 * one[kind][name] for kind, name in METRICS} for one in found])


def page(machine: str, speeds: pd.DataFrame, effects: pd.DataFrame, seeds: int) -> str:
    """docs/gpu-measured.md."""
    return f"""# Measured on a GPU

Made by `python -m benchmarks gpu` on {machine}, torch {torch.__version__}; the settings are described in
[gpu.md](gpu.md).

## Speed
Milliseconds of a training step, its batch included, over the number of seeds; the ratio is to one core of the same
machine. The shapes are those of [speed.md](speed.md).

{markdown(speeds)}

## What bfloat16 does to the metrics
Simulated world of 600 users and 80 items, `learnt`, {seeds} seeds, in percent: means with float32 and with bfloat16
products in training, and the mean of the paired differences with its 95 % interval over seeds.

{markdown(effects)}
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
