"""The packed engine against the padded model: every encoding, block, head and residual.

    python -m benchmarks equivalence

writes docs/measured/equivalence.md and .csv; tests hold each row to BOUNDS. Both sides start from the same
weights and train on the same users and negatives; the padded side follows the equations (`posrec.model.equations`).
"""

import itertools
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.speed_reference import Work, dense_attributes, make_data, reference_logits, reference_scores
from posrec.data.prepare.prepared import Prepared
from posrec.files import write_text
from posrec.model import streams
from posrec.model.batches import Batch, Sampler
from posrec.model.evaluate.score import Ranks, model_scores, rank_requests, requests_of
from posrec.model.losses import binary_cross_entropy
from posrec.model.train import build_model
from posrec.study import study
from posrec.study.encodings import built_in_forms
from posrec.study.study import Cell

WORK = Work(36, 50, 5, 9, 3, dimension=8, heads=2, blocks=2, max_length=6, batch_size=12)
STEPS = 20
COMPARED = 12  # batches whose float32 loss and gradients are compared
EXACT = 1e-10  # float64: largest difference of loss, logits, gradients and trained parameters
BOUNDS = {  # of a row's columns, all inclusive
    **dict.fromkeys(("loss", "logits", "gradients", "parameters"), EXACT),
    "ranks that differ": 0,
    "float32 error of logits": 2,
    "float32 error of gradients": 2,
    "float32 error of scores": 2,
    "float32 widest exchange": 2,
}
DOCS = Path("docs/measured")


Case = dict[str, Any]  # an engine, an encoding and model settings
HEADS = ("carca", "dot")
FORMS = [
    *(
        {"block": "carca", "head": head, "residual": residual, "decoder_residual": residual}
        for head, residual in itertools.product(HEADS, ("mul", "sum", "none"))
    ),
    *({"block": block, "head": head} for block, head in itertools.product(("sasrec", "ligr"), HEADS)),
]
ENGINES = ("torch", "numba")
ENCODINGS = built_in_forms()
CASES: list[Case] = [
    {"engine": engine, "encoding": encoding, **form} for engine in ENGINES for encoding in ENCODINGS for form in FORMS
]
# Every encoding once, every form with some encodings: what the tests can afford each time.
COVERING: list[Case] = [
    {"engine": engine, "encoding": encoding, **FORMS[number % len(FORMS)]}
    for engine in ENGINES
    for number, encoding in enumerate(ENCODINGS)
]


# CARCA as published where the case says nothing else: all of its parts act
PUBLISHED = {"head": "carca", "residual": "mul", "context": True, "candidate_context": "request_time"}


def make_cell(case: Case, precision: str) -> Cell:
    """The case as a cell of a study, without dropout."""
    sizes = {name: getattr(WORK, name) for name in ("dimension", "heads", "blocks", "max_length")}
    settings = PUBLISHED | {name: value for name, value in case.items() if name not in ("encoding", "engine")}
    if settings.get("block", "carca") != "carca":
        del settings["residual"]  # which no other block has
    raw = {
        "study": "equivalence",
        "datasets": {"simulated": {"simulate": {"users": 40, "items": 60, "mean_length": 5}}},
        "encodings": [case["encoding"]],
        "model": {**sizes, "dropout": 0.0, **settings},
        "training": {
            "loss": "bce",
            "batch_size": WORK.batch_size,
            "learning_rate": 0.001,  # at 0.003 some cases are chaotic: 1e-14 in a gradient grows to 1e-8 in 20 steps
            "numerics": {"precision": precision, "engine": case["engine"]},
        },
        "seeds": [1, 2, 3],
    }
    return study.from_dict(raw).cells[0]


class Side:
    """One of the two computations in one precision: a model, and batches in its layout."""

    def __init__(self, case: Case, data: Prepared, padded: bool, precision: str) -> None:
        self.cell, self.data, self.padded = make_cell(case, precision), data, padded
        self.model = build_model(self.cell, data, 1)
        self.attributes = dense_attributes(data).to(self.model.item_embedding.dtype)

    def batches(self) -> Iterator[Batch]:
        """Epoch after epoch: the same users and negatives on every side."""
        order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
        sampler = Sampler(
            self.data,
            self.cell.model,
            self.cell.switches,
            WORK.batch_size,
            order,
            negatives,
            "padded" if self.padded else self.model.packing,
        )
        while True:
            yield from sampler.epoch()

    def logits(self, batch: Batch) -> Tensor:
        """Training logits, (Tq,)."""
        if self.padded:
            return reference_logits(self.model, batch, self.attributes, WORK.max_length)
        return self.model(batch.items, batch.tokens, batch.layout)

    def losses(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Loss with its gradients in place, and logits of unpadded candidates, for the first batches."""
        for batch in itertools.islice(self.batches(), steps):
            self.model.bound_embedding(batch.items.ids)
            logits = self.logits(batch)
            loss = binary_cross_entropy(logits, batch)
            self.model.zero_grad()
            loss.backward()
            embedding = self.model.item_embedding
            if embedding.grad is not None:
                embedding.grad = embedding.grad.to_dense()  # the step below is plain AdamW, whose gradients are dense
            yield loss.detach(), logits.detach()[batch.sign != 0]

    def gradients(self) -> Tensor:
        """All gradients that are in place, one after another."""
        of_parameters = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.model.parameters()]
        return torch.cat([gradient.flatten() for gradient in of_parameters])

    def parameters(self) -> Tensor:
        """All parameters, one after another."""
        return torch.cat([parameter.detach().flatten() for parameter in self.model.parameters()])

    def train(self) -> None:
        """So many steps of AdamW."""
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=self.cell.training.learning_rate)
        for _ in self.losses(STEPS):
            optimiser.step()

    def scores(self) -> Tensor:
        """Scores of items 0 .. I for every test user, (R, I + 1); item 0 is none."""
        requests = requests_of(self.data.test)
        result = self.model.item_embedding.new_zeros(len(requests.users), self.data.n_items + 1)
        if self.padded:
            everything = np.tile(np.arange(1, self.data.n_items + 1), (len(requests.users), 1))
            result[:, 1:] = reference_scores(self.model, self.data, requests, everything, self.attributes)
        else:
            for where, block in model_scores(self.model, self.data, requests):
                result[where, 1:] = block[:, 1 : self.data.n_items + 1]
        return result


def ranks(scores: Tensor, data: Prepared) -> Ranks:
    """Ranks of every test user on the full catalogue, from its scores (R, I + 1)."""
    requests = requests_of(data.test)
    nobody = np.zeros((len(requests.users), 0), np.int32)
    return rank_requests(iter([(np.arange(len(requests.users)), scores)]), data, requests, nobody)


def differing(one: Ranks, other: Ranks) -> int:
    """Test users that rank differently."""
    return int(((one.full_greater != other.full_greater) | (one.full_tied != other.full_tied)).sum())


def in_float64(case: Case, data: Prepared) -> tuple[dict[str, Any], Side]:
    """Largest differences at the first batch and after training, users whose rank differs; and the trained model."""
    packed, plain = (Side(case, data, padded, "fp64") for padded in (False, True))
    (loss, logits), (plain_loss, plain_logits) = (next(side.losses(1)) for side in (packed, plain))
    row = {
        "loss": largest(loss - plain_loss),
        "logits": largest(logits - plain_logits),
        "gradients": largest(packed.gradients() - plain.gradients()),
    }
    for side in (packed, plain):
        side.train()
    row["parameters"] = largest(packed.parameters() - plain.parameters())
    row["ranks that differ"] = differing(*(ranks(side.scores(), data) for side in (packed, plain)))
    return row, packed


def in_float32(case: Case, data: Prepared, trained: Side) -> dict[str, Any]:
    """Errors in float32 at trained weights, against the padded model in float64 with the same weights.

    Each is the packed engine's root mean square as a multiple of the padded model's; of logits (the loss with them) and
    gradients the geometric mean over the batches, so that no single ill-conditioned one decides. Widest exchange: of
    all pairs of a target and another item whose order differs from float64's, the largest difference of their two
    scores there, as a multiple of the padded model's largest error of such a difference.
    """
    sides = [Side(case, data, *which) for which in ((True, "fp64"), (False, "fp32"), (True, "fp32"))]
    weights = {name: value.float() for name, value in trained.model.state_dict().items()}
    for side in sides:
        side.model.load_state_dict(weights)
    ratios: dict[str, list[float]] = {"logits": [], "gradients": []}
    for (loss, logits), *others in zip(*(side.losses(COMPARED) for side in sides), strict=True):
        errors = [torch.cat([its_logits - logits, (its_loss - loss)[None]]) for its_loss, its_logits in others]
        ratios["logits"].append(ratio(*errors))
        exact, *gradients = (side.gradients() for side in sides)
        ratios["gradients"].append(ratio(*(its - exact for its in gradients)))
    row = {f"float32 error of {name}": float(np.exp(np.mean(np.log(values)))) for name, values in ratios.items()}
    true, scores, plain_scores = (side.scores() for side in sides)
    row["float32 error of scores"] = ratio(scores - true, plain_scores - true)
    row["float32 ranks that differ"] = differing(ranks(scores, data), ranks(true, data))
    row["float32 widest exchange"] = exchange(scores, plain_scores, true, data)
    return row


def exchange(scores: Tensor, plain: Tensor, true: Tensor, data: Prepared) -> float:
    """See `in_float32`; 0 where no order differs. All (R, I + 1)."""
    target = torch.from_numpy(data.items[requests_of(data.test).targets].astype(np.int64))[:, None]
    own, other, exact = ((x - x.gather(1, target))[:, 1:] for x in (scores, plain, true))
    moved = own.sign() != exact.sign()
    return float(exact[moved].abs().max() / (other - exact).abs().max()) if moved.any() else 0.0


def largest(x: Tensor) -> float:
    """Largest absolute value."""
    return float(x.abs().max())


def ratio(own: Tensor, other: Tensor) -> float:
    """Of two root mean squares."""
    return float(own.double().norm() / other.double().norm())


def measure(case: Case, data: Prepared) -> dict[str, Any]:
    """One row of the table."""
    row, trained = in_float64(case, data)
    return {**case, **row, **in_float32(case, data, trained)}


def page(table: pd.DataFrame) -> str:
    """docs/measured/equivalence.md: the worst cell of each encoding; bounded columns and float32 exchanges."""
    numbers = [*BOUNDS, "float32 ranks that differ"]
    worst = table.groupby(["engine", "encoding"], sort=False)[numbers].max().reset_index()
    lines = [list(worst.columns), ["---"] * len(worst.columns)]
    lines += [[engine, name, *(f"{value:.2g}" for value in values)] for engine, name, *values in worst.to_numpy()]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    users = len(requests_of(make_data(WORK).test).users)
    moved = int(table["float32 ranks that differ"].sum())
    return f"""# The packed engine and the equations

Written by `python -m benchmarks equivalence`, on {platform.machine()}, {platform.system()}, torch {torch.__version__};
don't edit. Both engines, with every form of every encoding, both heads, all three blocks and CARCA's three residuals
({len(table):,} cells, each in `equivalence.csv`), are compared with the padded model of
`src/posrec/model/equations.py`. A row shows the worst of an encoding's {len(FORMS)} cells.

- Float64: the largest difference in loss, logits and gradients of a batch and in all parameters after {STEPS} steps of
  AdamW (at most {EXACT:g}), and the number of test users (of {users}) with a different rank (none).
- Float32, at the trained weights: errors relative to float64, as a multiple of the padded model's own (at most 2).
- Float32 exchanges: pairs of target and item whose order differs between float32 and float64. The table gives the
  widest difference of their float64 scores, as a multiple of the padded model's largest error. In all cells together,
  {moved} of {users * len(table):,} ranks of test users differ from float64.

{body}
"""


def main() -> None:
    """Measure everything and write the page."""
    torch.set_num_threads(1)
    data = make_data(WORK)
    rows = []
    for case in tqdm(CASES, disable=not sys.stderr.isatty()):
        rows.append(measure(case, data))
        print(*rows[-1].values(), flush=True)
    table = pd.DataFrame(rows)
    write_text(DOCS / "equivalence.csv", table.to_csv(index=False, float_format="%.3g"))
    write_text(DOCS / "equivalence.md", page(table))
