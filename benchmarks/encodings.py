"""What each encoding costs beside `none`: learnt numbers, CPU time of a training step and of a request.

    python -m benchmarks encodings             # all of them
    python -m benchmarks.encodings rope abs    # these alone; the rows of the others stay

writes docs/measured/encodings-cost.md, and src/posrec/analysis/tables/encoding_costs.csv, which `posrec encodings` and
reports read. The default recipe at width 64 on one thread; `none` is measured in
turn with each encoding, so that another load on the machine meets both.
"""

import sys
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.speed_evaluation import seconds
from benchmarks.speed_reference import Work, make_data
from posrec.analysis.costs import FILE
from posrec.data.prepare.prepared import Prepared
from posrec.files import write_text
from posrec.model.evaluate.score import Requests, model_scores, requests_of
from posrec.model.train import Training
from posrec.study import study
from posrec.study.encodings import built_in_forms

LENGTHS = {  # slots L -> data whose histories mostly fill them
    50: Work(400, 1000, 70, 0, 0, 64, 2, 1, 50, 32),
    200: Work(120, 1000, 280, 0, 0, 64, 2, 1, 200, 8),
}
DONE = 2  # steps before any is timed
ROUNDS = 25  # timed steps, and requests' batches, of both sides in turn
REQUESTS = 32  # scored at once against all items
DOCS = Path("docs/measured")


class Side:
    """An encoding's training and requests."""

    def __init__(self, encoding: str, work: Work, data: Prepared) -> None:
        sizes = {name: getattr(work, name) for name in ("dimension", "heads", "blocks", "max_length")}
        raw = {
            "study": "cost",
            "datasets": {"simulated": {"simulate": {"users": 40, "items": 60, "mean_length": 5}}},
            "encodings": [encoding],
            "model": {**sizes, "candidate_context": "request_time"},
            "training": {"batch_size": work.batch_size},
            "seeds": [1, 2, 3],
        }
        self.data, self.training = data, Training(study.from_dict(raw).cells[0], data, 1)
        self.batches = chain.from_iterable(self.training.sampler.epoch() for _ in count())
        requests = requests_of(data.test)
        self.requests = requests.take(np.arange(min(REQUESTS, len(requests.users))))
        for _ in range(DONE):
            self.step()

    def step(self) -> float:
        """CPU seconds of a training step, sampling included."""
        self.training.model.train()
        return seconds(lambda: self.training.step(next(self.batches)))

    def request(self) -> float:
        """CPU milliseconds of a request, of some that are scored at once."""
        return 1000 * seconds(lambda: _score(self.training, self.data, self.requests)) / len(self.requests.users)

    @property
    def learnt(self) -> int:
        """Numbers that the encoding learns."""
        return sum(parameter.numel() for parameter in self.training.model.encoding.parameters())


def _score(training: Training, data: Prepared, requests: Requests) -> None:
    for _ in model_scores(training.model, data, requests):
        pass


def measure(encoding: str, length: int, none: Side) -> dict[str, Any]:
    """A row of the table: medians, and the medians of the ratios to `none` measured at the same time."""
    side = Side(encoding, LENGTHS[length], none.data)
    steps, requests = (
        np.array([_round(side, none, what, number % 2 == 0) for number in range(ROUNDS)])
        for what in ("step", "request")
    )
    return {
        "encoding": encoding,
        "L": length,
        "learnt": side.learnt,
        "step s": np.median(steps[:, 0]),
        "step ratio": np.median(steps[:, 0] / steps[:, 1]),
        "request ms": np.median(requests[:, 0]),
        "request ratio": np.median(requests[:, 0] / requests[:, 1]),
    }


def _round(side: Side, none: Side, what: str, first: bool) -> tuple[float, float]:
    """What both take. Who runs second may find its data in the processor's cache, so they take turns at that."""
    if first:
        return getattr(side, what)(), getattr(none, what)()
    other = getattr(none, what)()
    return getattr(side, what)(), other


def page(table: pd.DataFrame) -> str:
    """docs/measured/encodings-cost.md."""
    lengths = list(dict.fromkeys(table["L"]))
    head = ["encoding", *(f"{what}, L = {length}" for length in lengths for what in ("learnt", "step", "request"))]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, own in table.groupby("encoding", sort=False):
        lines.append([f"`{name}`", *(cell for row in own.to_dict("records") for cell in _cells(row))])
    return "\n".join(
        [
            "# What each encoding costs",
            "",
            "Written by `python -m benchmarks encodings`; don't edit. Numbers that an encoding learns, CPU time of a "
            f"training step ({', '.join(f'{work.batch_size} users at L = {n}' for n, work in LENGTHS.items())}) and of "
            f"a request ({REQUESTS} scored at once against 1,000 items), on one thread, with the default recipe at "
            f"width 64, medians of {ROUNDS}. In brackets the multiple of `none`, measured in turn; the row of `none` "
            "says how far to trust the digits.",
            "",
            *(f"| {' | '.join(line)} |" for line in lines),
            "",
        ]
    )


def _cells(row: dict[str, Any]) -> tuple[str, str, str]:
    step, request = 1000 * row["step s"], row["request ms"]
    return (
        f"{row['learnt']:,}",
        f"{step:.3g} ms ({row['step ratio']:.2f})",
        f"{request:.3g} ms ({row['request ratio']:.2f})",
    )


def main(names: Sequence[str] = ()) -> None:
    """Measure these encodings, or all, at both lengths, and write both files."""
    torch.set_num_threads(1)
    rows = []
    for length, work in LENGTHS.items():
        none = Side("none", work, make_data(work))
        for encoding in names or built_in_forms():
            rows.append(measure(encoding, length, none))
            print(*rows[-1].values(), flush=True)
    write_files(pd.DataFrame(rows))


def write_files(measured: pd.DataFrame, file: Path = FILE, docs: Path = DOCS) -> None:
    """The measured rows in place of those of the same encodings, in the order of the list, and the page of all."""
    kept = pd.read_csv(file) if file.exists() else measured[:0]
    table = pd.concat([kept[~kept["encoding"].isin(measured["encoding"])], measured])
    place = {name: number for number, name in enumerate(built_in_forms())}
    table = table[table["encoding"].isin(place)].sort_values("encoding", key=lambda names: names.map(place))
    table = table.sort_values("L", kind="stable")
    write_text(file, table.to_csv(index=False, float_format="%.3g"))
    write_text(docs / "encodings-cost.md", page(table))


if __name__ == "__main__":
    main(sys.argv[1:])
