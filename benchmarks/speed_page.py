"""docs/speed.md: the measured figures, beside what was asked of them."""

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
    """docs/speed.md. full: seconds of the full-catalogue evaluation of Beauty 5-core."""
    return f"""# Speed

Made by `python -m benchmarks speed`, on one thread of {platform.machine()}, {platform.system()}, torch
{torch.__version__}, numba {version("numba")}. Seconds are CPU seconds, and rough where other work shares the machine,
but for a ratio the sides take turns in one process. Evaluation and memory are measured in processes of their own. No
figure is a promise: what another machine gives, this command tells.

The reference is `posrec/model/equations.py`: float32, every history padded to L, attributes as dense rows projected for
each slot, history and candidates encoded apart, torch's AdamW. It runs without dropout, which favours it. The others
are posrec's own training step as studies run it, its checks and records included, by each of its engines: torch, and
with `training: {{numerics: {{engine: numba}}}}` attention, dropout and activations compiled, on histories without any
padding.

## Targets

{markdown(targets(table, full))}

{training_parts(table)}
{other_parts(table, full)}
## Growth

Training; one count is twice the base ({_words(base)}); a ratio of 2 is linear.

{markdown(grown)}

## The shapes

{markdown(pd.DataFrame([{"shape": name, **asdict(work)} for name, work in shapes.items()]))}
"""


def training_parts(table: pd.DataFrame) -> str:
    """What was measured of training."""
    of_adam = 1 / (1 - table["optimiser share"])
    return f"""## Training

{markdown(table[["shape", *TRAINING]])}

The first compiled step of a process loads the compiled code from disk; the first ever on a machine compiles it, for
some seconds.

## Share of the matrix rate

{markdown(table[["shape", *SHARES]])}

The operations of the step's products without any padding, as torch counts them, and those of attention over the pairs
that the mask leaves, over the step's time, as a share of the rate of a 1536 x 1536 product by the faster of torch's two
libraries.

## What is left in a compiled step

{markdown(table[["shape", *PARTS]])}

Products of whole tokens and items, and attention's kernels, as torch's profiler sees them; AdamW's pass over all
parameters, which are nearly all the item embedding's, timed alone. The rest is element-wise work, gathering and torch's
own bookkeeping.

A lazy AdamW, which passes over an item's row only when a batch holds the item, could make a step at most
{of_adam.min():.2f} to {of_adam.max():.2f} times as fast, if it cost nothing; to stay equal it would have to make up for
every step that a row missed, the same arithmetic later. What is sparse is the gradient: torch's engine writes a batch's
rows of it alone, and the compiled pass reads them alone.
"""


def other_parts(table: pd.DataFrame, full: float) -> str:
    """What was measured of evaluation and memory."""
    return f"""## Evaluation

{markdown(table[["shape", *EVALUATION]])}

{NEGATIVES + 1} candidates of each of {EVALUATED:,} users are ranked; the reference scores those of {REFERENCE_USERS}
users, scaled up. The packed side is `posrec.model.evaluate.sampled.rank_sampled`, for candidate lists alone, by the
matrix products that training takes; equal candidates tie bit for bit. A study asks for the full catalogue as well and
reads its sampled candidates from those scores. Both engines evaluate by torch.

The full catalogue of Beauty 5-core ({BEAUTY_5CORE.users:,} users, {BEAUTY_5CORE.items:,} items, d
{BEAUTY_5CORE.dimension}; simulated in this shape) takes {full:.1f} s for all users.

## Memory

{markdown(table[["shape", *MEMORY]])}

The largest private memory of a process that takes two steps, with interpreter and torch. posrec's sides have their
dense features as a study has them, mapped from the prepared file: their pages are the system's, shared by all trainings
of a machine, and not counted. The reference holds them as a tensor.
"""


def _words(work: Work) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(work).items())


def markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *(map(_text, row) for row in table.to_numpy())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
