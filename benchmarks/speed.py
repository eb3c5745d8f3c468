"""Speed and memory of training and evaluation against the plain padded reference, on one thread.

    python -m benchmarks.speed

writes docs/speed.md and docs/speed.csv. The two sides take turns (reference, packed, reference, packed) in one process,
so that another load on the machine meets both; peak memory is that of fresh processes. An epoch is the number of its
steps times the median step.
"""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from benchmarks.speed_reference import (
    Work,
    dense_attributes,
    make_cell,
    make_data,
    packed_loss,
    reference_loss,
    reference_scores,
)
from posrec.data.prepared import Prepared
from posrec.files import write_text
from posrec.model import streams
from posrec.model.batches import Sampler
from posrec.model.evaluate import model_scores, rank_requests, requests_of
from posrec.model.products import onednn, onednn_is_float32
from posrec.model.train import build_model

SHAPES = {
    "Games": Work(31_013, 23_715, 9.3, 506, 0, 90, 3, 1, 50, 512),
    "Men-90": Work(34_244, 110_636, 7.4, 0, 2048, 90, 3, 3, 35, 512),
    "Men-390": Work(34_244, 110_636, 7.4, 0, 2048, 390, 3, 3, 35, 512),
    "Beauty": Work(52_204, 57_289, 7.6, 6507, 0, 90, 3, 1, 75, 256),
}
BASE = Work(10_000, 10_000, 9.3, 500, 0, 64, 2, 1, 50, 256)
GROWTH = {"users": 20_000, "items": 20_000, "max_length": 100, "dimension": 128, "attributes": 1000}
ROUNDS = 2
FAST_STEPS = 6  # packed steps a round: a step of the reference takes as long as many of them
EVALUATED = 10_000  # users
REFERENCE_USERS = 32  # of them, scored by the reference: its time is proportional to the users
NEGATIVES = 100
DOCS = Path("docs")
Step = Callable[[], object]


def training_step(work: Work, data: Prepared, reference: bool) -> tuple[Step, int]:
    """A function that does one training step, sampling included, and the number of steps an epoch."""
    cell = make_cell(work)
    model = build_model(cell, data, 1)
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    sampler = Sampler(data, cell.model, cell.switches, work.batch_size, order, negatives, padded=reference)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.001, fused=not reference)
    batches = sampler.epoch()
    attributes = dense_attributes(data) if reference else torch.empty(0)

    def step() -> None:
        batch = next(batches)
        model.bound_embedding(batch.items.ids)
        loss = reference_loss(model, batch, attributes, work.max_length) if reference else packed_loss(model, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step, sampler.steps


def seconds(step: Step) -> float:
    """CPU seconds of one call: what else the machine does counts little."""
    began = time.process_time()
    step()
    return time.process_time() - began


def matrix_rate() -> float:
    """Floating-point operations a second of float32 matrix products, the best of some by the faster library."""
    a, b = torch.rand(1536, 1536), torch.rand(1536, 1536)
    times = [seconds(lambda: torch.mm(a, b)) for _ in range(5)]
    if onednn_is_float32():
        with onednn():
            times += [seconds(lambda: torch.mm(a, b)) for _ in range(5)]
    return 2 * 1536**3 / min(times)


def evaluation_seconds(work: Work, data: Prepared) -> tuple[float, float]:
    """Seconds to rank 101 candidates of 10,000 users: reference (from some of them), packed (full catalogue too)."""
    cell = make_cell(work)
    model = build_model(cell, data, 1).eval()
    requests = requests_of(data.test).take(np.arange(EVALUATED))
    candidates = np.random.default_rng(1).integers(1, data.n_items + 1, (EVALUATED, NEGATIVES))
    attributes = dense_attributes(data)
    some = requests.take(np.arange(REFERENCE_USERS))
    asked = np.concatenate([data.items[some.targets][:, None], candidates[:REFERENCE_USERS]], 1)
    reference = seconds(lambda: reference_scores(model, data, some, asked, attributes))
    packed = seconds(lambda: rank_requests(model_scores(model, data, requests), data, requests, candidates))
    return reference * EVALUATED / REFERENCE_USERS, packed


def measure(name: str) -> dict[str, Any]:
    """All figures of one shape."""
    work = SHAPES[name]
    data = make_data(work)
    (slow, _), (fast, steps) = (training_step(work, data, reference) for reference in (True, False))
    fast()  # the first step allocates
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        times[True].append(seconds(slow))
        times[False] += [seconds(fast) for _ in range(FAST_STEPS)]
    with FlopCounterMode(display=False) as counter:
        fast()
    reference, packed = (float(np.median(times[side])) for side in (True, False))
    share = counter.get_total_flops() / packed / matrix_rate()
    del slow, fast
    slow_evaluation, fast_evaluation = evaluation_seconds(work, data)
    memory = {side: _peak(name, side) for side in ("reference", "packed")}
    return {
        "shape": name,
        "reference s/epoch": reference * steps,
        "packed s/epoch": packed * steps,
        "train ratio": reference / packed,
        "share of matrix rate": share,
        "reference evaluation s": slow_evaluation,
        "packed evaluation s": fast_evaluation,
        "evaluation ratio": slow_evaluation / fast_evaluation,
        "reference GiB": memory["reference"],
        "packed GiB": memory["packed"],
        "memory ratio": memory["packed"] / memory["reference"],
    }


def _peak(name: str, side: str) -> float:
    command = [sys.executable, "-m", "benchmarks.speed", "--peak", name, side]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def print_peak(name: str, side: str) -> None:
    """Print the peak memory of this process in GiB after two steps of one side (interpreter and torch included)."""
    work = SHAPES[name]
    step, _ = training_step(work, make_data(work), side == "reference")
    step()
    step()
    # not getrusage: a process started by another begins with that one's peak
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 2**20)


def growth() -> pd.DataFrame:
    """Packed epoch seconds when one count doubles, as a ratio to the base: 2 is linear."""
    works = {"base": BASE, **{name: replace(BASE, **{name: value}) for name, value in GROWTH.items()}}
    parts = {name: training_step(work, make_data(work), False) for name, work in works.items()}
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(1 + 2 * FAST_STEPS):
        for name, (step, _) in parts.items():
            times[name].append(seconds(step))
    epoch = {name: float(np.median(times[name][1:])) * steps for name, (_, steps) in parts.items()}
    rows = [{"twice": name, "s/epoch": epoch[name], "ratio": epoch[name] / epoch["base"]} for name in parts]
    return pd.DataFrame(rows)


def page(table: pd.DataFrame, grown: pd.DataFrame) -> str:
    """docs/speed.md."""
    shapes = pd.DataFrame([{"shape": name, **asdict(work)} for name, work in SHAPES.items()])
    return f"""# Speed

Made by `python -m benchmarks speed`, on one thread of {platform.machine()}, {platform.system()}, torch
{torch.__version__}. The machine may have been shared: seconds are CPU seconds and only rough, the ratios had both sides
in turn in one process. The reference is `posrec/model/padded.py`: every history padded to L, attributes as dense rows
projected for each slot, history and candidates encoded apart, torch's AdamW. It runs without dropout, which favours it.

{_markdown(table)}

Evaluation ranks {EVALUATED:,} users; the reference scores {NEGATIVES + 1} candidates of {REFERENCE_USERS} users
(scaled up), the packed engine all items for all of them and reads the {NEGATIVES + 1} from these. The share of the
matrix rate is the operations of the packed step's products, as torch counts them, over its time, as a share of the rate
of a 1536 x 1536 product by the faster of torch's two libraries. Memory (GiB) is the peak of a process with interpreter
and torch; dense features lie in memory on both sides. No figure is a promise: what another machine gives, this command
tells.

## Growth

One count is twice the base ({_words(BASE)}); a ratio of 2 is linear.

{_markdown(grown)}

## The shapes

{_markdown(shapes)}
"""


def _words(work: Work) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(work).items())


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *(map(_text, row) for row in table.to_numpy())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure everything and write the page."""
    torch.set_num_threads(1)
    rows = []
    for name in tqdm(SHAPES):
        rows.append(measure(name))
        table = pd.DataFrame(rows)
        write_text(DOCS / "speed.csv", table.to_csv(index=False, float_format="%.4g"))  # kept if a later one is killed
    write_text(DOCS / "speed.md", page(table, growth()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--peak"]:
        print_peak(*sys.argv[2:4])
    else:
        main()
