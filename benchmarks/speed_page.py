"""docs/measured/speed.md: the measured figures, beside what was asked of them."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch

from benchmarks.speed_evaluation import BEAUTY_5CORE, EVALUATED, NEGATIVES, REFERENCE_USERS
from benchmarks.speed_reference import Work

# shape: training's ratio to the reference without and with compiled code, share of the matrix rate with it
TARGETS: dict[str, tuple[float, float, float | None]] = {
    "Games": (12, 20, None),
    "Men-90": (12, 20, 0.35),
    "Men-390": (8, 12, 0.55),
    "Beauty": (60, 100, None),
}
TRAINING = ["reference s/epoch", "torch s/epoch", "numba s/epoch", "torch ratio", "numba ratio", "numba over torch"]
SHARES = ["torch share", "numba share"]
PARTS = ["products share", "attention share", "optimiser share"]
EVALUATION = ["reference evaluation s", "packed evaluation s", "evaluation ratio"]
MEMORY = ["reference GiB", "torch GiB", "numba GiB", "torch memory", "numba memory"]


def targets(table: pd.DataFrame, full: float) -> pd.DataFrame:
    """What was asked for and what was measured. table: one row a shape; full: seconds of Beauty 5-core."""
    rows = []
    for row in table.to_dict("records"):
        shape = row["shape"]
        plain, compiled, share = TARGETS[shape]
        rows.append((shape, "training with torch, ratio", plain, row["torch ratio"], True))
        rows.append((shape, "training with numba, ratio", compiled, row["numba ratio"], True))
        if share is not None:
            rows.append((shape, "training with numba, share of the matrix rate", share, row["numba share"], True))
        rows.append((shape, "sampled evaluation, ratio", 30, row["evaluation ratio"], True))
        for engine in ("torch", "numba"):
            name = f"peak memory with {engine}, share of the reference's"
            rows.append((shape, name, 1 / 3, row[f"{engine} memory"], False))
    rows.append(("Beauty 5-core", "full-catalogue evaluation, s", 20, full, False))
    return pd.DataFrame([_judged(*row) for row in rows])


def _judged(shape: str, what: str, asked: float, measured: float, at_least: bool) -> dict[str, Any]:
    met = measured >= asked if at_least else measured < asked
    words = f"at least {asked:.3g}" if at_least else f"under {asked:.3g}"
    return {"shape": shape, "target": what, "asked": words, "measured": measured, "met": "yes" if met else "no"}


def page(table: pd.DataFrame, grown: pd.DataFrame, full: float, shapes: Mapping[str, Work], base: Work) -> str:
    """docs/measured/speed.md. full: seconds of the full-catalogue evaluation of Beauty 5-core."""
    return f"""# Speed

Written by `python -m benchmarks speed`, on one thread of {platform.machine()}, {platform.system()}, torch
{torch.__version__}, numba {version("numba")}; don't edit. Seconds are CPU seconds. Other work may have shared
the machine; for ratios, the two sides alternate in one process. Evaluation and memory are measured in separate
processes. Run the command to measure your own machine.

The reference is `posrec/model/equations.py`: float32, every history padded to L, attributes as dense rows projected for
each slot, history and candidates encoded separately, torch's AdamW. It runs without dropout, which favours it. The
others are posrec's own training step as studies run it, including its checks and records, with each engine: torch, and
with `training: {{numerics: {{engine: numba}}}}` compiled attention, dropout and activations on histories without
padding.

## Targets

{markdown(targets(table, full))}

{training_parts(table)}
{other_parts(table, full)}
## Growth

Training with one count at twice the base ({_words(base)}). A ratio of 2 is linear growth.

{markdown(grown)}

## The shapes

{markdown(pd.DataFrame([{"shape": name, **asdict(work)} for name, work in shapes.items()]))}
"""


def training_parts(table: pd.DataFrame) -> str:
    """What was measured of training."""
    of_adam = 1 / (1 - table["optimiser share"])
    return f"""## Training

{markdown(table[["shape", *TRAINING]])}

The first compiled step of a process loads the compiled code from disk. The first one on a machine compiles it, which
takes some seconds.

## Share of the matrix rate

{markdown(table[["shape", *SHARES]])}

Floating-point operations per second as a share of the rate of a 1536 x 1536 matrix product with the faster of torch's
two libraries. The operations are those of the step's products without padding, as torch counts them, and those of
attention over unmasked pairs.

## Parts of a compiled step

{markdown(table[["shape", *PARTS]])}

Matrix products of tokens and items, and attention kernels, as measured by torch's profiler. AdamW's pass over all
parameters, almost all of them in the item embedding, is timed separately. The rest is element-wise work, gathering and
torch's own overhead.

A lazy AdamW, which updates an item's row only when a batch contains the item, could make a step at most
{of_adam.min():.2f} to {of_adam.max():.2f} times as fast if it cost nothing. To give equal results it would
have to do the skipped arithmetic later. Only the gradient is sparse: torch's engine writes only the rows of the batch,
and the compiled pass reads only those.
"""


def other_parts(table: pd.DataFrame, full: float) -> str:
    """What was measured of evaluation and memory."""
    return f"""## Evaluation

{markdown(table[["shape", *EVALUATION]])}

{NEGATIVES + 1} candidates of each of {EVALUATED:,} users are ranked; the reference scores those of {REFERENCE_USERS}
users, scaled up. The packed side is `posrec.model.evaluate.sampled.rank_sampled`, which ranks candidate lists only,
with the matrix products of training; equal candidates tie exactly. A study also ranks the full catalogue and takes its
sampled candidates from those scores. Both engines evaluate with torch.

The full catalogue of Beauty 5-core ({BEAUTY_5CORE.users:,} users, {BEAUTY_5CORE.items:,} items, d
{BEAUTY_5CORE.dimension}; simulated in this shape) takes {full:.1f} s for all users.

## Memory

{markdown(table[["shape", *MEMORY]])}

Peak private memory of a process that takes two steps, including the interpreter and torch. With both engines, dense
features are memory-mapped from the prepared file, as in a study: the system shares these pages among all trainings of a
machine, and they are not counted. The reference holds them as a tensor.
"""


def _words(work: Work) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(work).items())


def markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *(map(_text, row) for row in table.to_numpy())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
