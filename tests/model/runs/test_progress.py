"""What a training shows while it runs: a line an epoch, lines of JSON that a restart does not double, a bar."""

import io
import json
import sys
from pathlib import Path

import pytest

from posrec.data.prepare.prepared import Prepared
from posrec.model.runs.progress import LiveProgress
from posrec.model.train import Curve, train_run
from tests.model.conftest import make_cell

CURVE = Curve([1, 2], [0.75, 0.5], [float("nan"), 0.25], [1.0, 1.0], [0.0, 0.0], [2.0, 4.0])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def live(path: Path) -> LiveProgress:
    return LiveProgress(make_cell("rope"), 7, "random rope seed 7", path)


def test_a_line_an_epoch_and_the_same_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "progress.jsonl"
    first = Curve(*([values[0]] for values in vars(CURVE).values()))
    with live(path) as shown:
        shown.after_epoch(first)
        shown.after_epoch(CURVE)
    assert capsys.readouterr() == (
        "random rope seed 7 epoch 1/3 loss 0.7500 validation NDCG@10 not read, 2.00 s, at most 4 s left\n"
        "random rope seed 7 epoch 2/3 loss 0.5000 validation NDCG@10 0.2500, 4.00 s, at most 3 s left\n",
        "",  # no bar: standard error is no terminal
    )
    lines = path.read_text()
    assert [json.loads(line) for line in lines.splitlines()] == [
        {
            **{"dataset": "random", "encoding": "rope", "seed": 7, "epoch": epoch, "epochs": 3, "loss": loss},
            **{"validation": value, "seconds": seconds, "seconds_left": left},
        }
        for epoch, loss, value, seconds, left in ((1, 0.75, None, 2.0, 4.0), (2, 0.5, 0.25, 4.0, 3.0))
    ]
    with live(path) as shown:  # a restart, whose checkpoint knows the first epoch
        shown.after_epoch(CURVE)
    assert path.read_text() == lines


def test_a_bar_on_a_terminal(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    cell = make_cell("rope")
    with live(tmp_path / "progress.jsonl") as shown:
        trained = train_run(cell, data, 7, shown.after_epoch, after_step=shown.after_step)
        bar = shown.bar
        assert bar is not None
        assert bar.n == bar.total == 3 * 3  # 3 epochs of 3 batches
    written = terminal.getvalue()
    assert "random rope seed 7: 100%" in written
    assert f"loss {trained.curve.loss[-1]:.4f}, NDCG@10 {trained.curve.validation[-1]:.4f}" in written
