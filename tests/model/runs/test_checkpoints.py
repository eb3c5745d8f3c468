"""A training that was killed goes on from its checkpoint and ends with the bytes of one that was not."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from posrec.commands import plan
from posrec.data.prepare.prepared import Prepared
from posrec.errors import PosrecError
from posrec.model.runs import checkpoints
from posrec.model.runs.checkpoints import Checkpoint
from posrec.model.runs.run import Run
from posrec.model.runs.scoring import Scores
from posrec.model.train import Training, batch_size, train_run
from tests.model.conftest import make_candidates, make_cell
from tests.model.toy import RAW, make_study, run

EVERY_EPOCH = {"name": "every_epoch", "base": "sound", "selection": "released"}  # reads the test at every epoch
LONG: dict[str, Any] = {
    "training": {**RAW["training"], "epochs": 12, "batch_size": 8, "patience": 100},
    "model": {**RAW["model"], "dropout": 0.3},
}


def contents(one: Run) -> tuple[bytes, bytes]:
    return one.path.read_bytes(), one.path.with_suffix(".npz").read_bytes()


@pytest.mark.parametrize("protocol", ["sound", "released"])
def test_from_every_step_the_rest_is_the_same(data: Prepared, protocol: str, tmp_path: Path) -> None:
    """Saved to a file and read again after each step and epoch of 2 epochs, mid-epoch ones included."""
    cell = make_cell("learnt", protocol, "fp32", dropout=0.3, epochs=2, schedule="linear")
    states = []
    file = Checkpoint(tmp_path / "checkpoint", {})

    def save(training: Training) -> None:
        file.save(training.state())
        states.append(file.load())

    whole = train_run(cell, data, 1, after_step=save)
    assert len(states) > 4
    for state in states:
        again = train_run(cell, data, 1, saved=state)
        assert again.curve.loss == whole.curve.loss
        assert np.array_equal(again.curve.validation, whole.curve.validation, equal_nan=True)
        assert again.curve.gradient_variance == whole.curve.gradient_variance
        assert list(again.weights) == list(whole.weights)
        for epoch, weights in whole.weights.items():
            assert all(torch.equal(value, again.weights[epoch][name]) for name, value in weights.items())


def test_readings_of_the_test_come_back(data: Prepared, tmp_path: Path) -> None:
    cell = make_cell("learnt", EVERY_EPOCH, "fp32", epochs=3)
    scores = [Scores(cell.protocol.evaluation, data, make_candidates(data), 1, batch_size(cell)) for _ in range(2)]
    train_run(cell, data, 1, at_reading=lambda model, epoch: scores[0].read(model, epoch))
    file = Checkpoint(tmp_path / "checkpoint", {})
    file.save(scores[0].state())
    scores[1].restore(file.load() or {})
    (means, arrays), (other_means, other_arrays) = (one.result() for one in scores)
    assert means == other_means
    assert all(np.array_equal(array, other_arrays[name]) for name, array in arrays.items())
    assert {name: array.dtype for name, array in arrays.items()} == {
        name: array.dtype for name, array in other_arrays.items()
    }


def start(study: dict[str, Any], **environment: str) -> subprocess.Popen[str]:
    Path("study.yaml").write_text(yaml.safe_dump(study))
    return subprocess.Popen(
        [sys.executable, "-m", "posrec.cli", "train", "--study", "study.yaml", "--encoding", "learnt", "--seed", "1"],
        env={**os.environ, "POSREC_CHECKPOINT_SECONDS": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(("protocol", "number"), [(EVERY_EPOCH, signal.SIGKILL), ("sound", signal.SIGTERM)])
def test_a_killed_process_goes_on_and_ends_with_the_same_bytes(
    place: Path, monkeypatch: pytest.MonkeyPatch, protocol: Any, number: signal.Signals
) -> None:
    """`posrec train` is killed three times: after its first checkpoint, and after later ones."""
    changes = {**LONG, "protocols": [protocol]}
    loaded = make_study(**changes)
    monkeypatch.setenv("POSREC_STORE", "whole")
    whole = run(loaded, "learnt")
    uninterrupted = start({**RAW, **changes}, POSREC_CHECKPOINT_SECONDS="60")
    assert uninterrupted.wait() == 0
    expected = contents(whole)
    whole.path.unlink()
    monkeypatch.setenv("POSREC_STORE", "killed")
    again = run(loaded, "learnt")
    for _ in range(3):
        process = start({**RAW, **changes})
        before, end = (
            again.planned.checkpoint.exists() and again.planned.checkpoint.stat().st_mtime_ns,
            time.monotonic() + 60,
        )
        while not again.planned.checkpoint.exists() or again.planned.checkpoint.stat().st_mtime_ns == before:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, "no checkpoint"
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(number)
        output = process.communicate()[0]
        assert process.returncode == (-number if number == signal.SIGKILL else 128 + number), output
    process = start({**RAW, **changes}, POSREC_CHECKPOINT_SECONDS="60")
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert "warning" not in output
    assert "epoch 12/12" in output
    assert contents(again) == expected
    assert not again.planned.checkpoint.exists()


def stopped_training(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose time is over at its first step."""
    with monkeypatch.context() as patch:
        patch.setenv("POSREC_TIME_LIMIT", "0")
        one = run(loaded)
        with pytest.raises(PosrecError, match="time is nearly over; saved in"):
            one.bring()
    assert one.planned.checkpoint.exists()
    return one


def test_stopped_after_every_step_it_ends_with_the_same_bytes(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each call trains one step, saves and stops; what `posrec plan` says of it is the epoch that it has reached."""
    monkeypatch.setenv("POSREC_STORE", "whole")
    whole = run(make_study(), "learnt")
    whole.bring()
    expected = contents(whole)
    whole.path.unlink()
    monkeypatch.setenv("POSREC_STORE", "stopped")
    monkeypatch.setenv("POSREC_TIME_LIMIT", "0")
    stops, seen = 0, []
    capsys.readouterr()
    while True:
        one = run(make_study(), "learnt")
        try:
            one.bring()
            break
        except PosrecError:
            stops += 1
        capsys.readouterr()
        plan.print_plan(make_study())
        seen += re.findall(r"begun: toy learnt seed 1, epoch (\d) of 2 \d+ s ago, loss 0\.\d+", capsys.readouterr().out)
    assert stops > 6
    assert sorted(set(seen)) == ["1", "2"]
    assert contents(one) == expected
    assert not one.planned.checkpoint.exists()
    assert not one.planned.progress.exists()


def test_killed_between_any_two_files_it_ends_with_the_same_bytes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block, run file and sidecar are written last: before each of their files in turn the process ends."""
    monkeypatch.setenv("POSREC_CHECKPOINT_SECONDS", "100000")  # on a loaded machine too, no other file is written
    monkeypatch.setenv("POSREC_STORE", "whole")
    whole = run(make_study())
    whole.bring()
    expected, number, killed = contents(whole), 0, True
    replace = os.replace
    while killed:
        number += 1
        whole.path.unlink()
        monkeypatch.setenv("POSREC_STORE", f"killed-{number}")
        with monkeypatch.context() as patch:
            left = iter(range(number - 1))

            def replace_some(source: Any, target: Any, left: Any = left) -> None:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                replace(source, target)

            patch.setattr(os, "replace", replace_some)
            try:
                run(make_study()).bring()
                killed = False
            except KeyboardInterrupt:
                pass
        run(make_study()).bring()
        assert contents(whole) == expected
    assert number == 6  # npz and json of the block, of the run file, and the sidecar


@pytest.mark.parametrize("damage", ["cut", "edited", "foreign", "code"])
def test_a_bad_checkpoint_is_ignored_with_a_warning(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    whole = run(make_study())
    monkeypatch.setenv("POSREC_STORE", "whole")
    run(make_study()).bring()
    expected = contents(whole)
    whole.path.unlink()
    monkeypatch.delenv("POSREC_STORE")
    one = stopped_training(make_study(), monkeypatch)
    content = one.planned.checkpoint.read_bytes()
    if damage == "cut":
        one.planned.checkpoint.write_bytes(content[:-10])
    elif damage == "edited":
        one.planned.checkpoint.write_bytes(content[:-500] + bytes([content[-500] ^ 1]) + content[-499:])
    elif damage == "foreign":
        Checkpoint(one.planned.checkpoint, {"run_id": "another"}).save({})
    else:
        Checkpoint(one.planned.checkpoint, {}).save({"training": Path.cwd})
    assert run(make_study()).bring()
    assert "it is ignored, and the run starts from the beginning" in capfd.readouterr().err
    assert contents(whole) == expected
    assert not one.planned.checkpoint.exists()


def test_the_end_of_the_jobs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POSREC_TIME_LIMIT", "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)
    assert checkpoints.deadline() == float("inf")
    later = time.time() + 100_000
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(later))
    assert checkpoints.deadline() == pytest.approx(later - checkpoints.MARGIN)
    monkeypatch.setenv("POSREC_TIME_LIMIT", "1")
    assert checkpoints.deadline() < later - 1000
    monkeypatch.setenv("POSREC_TIME_LIMIT", "soon")
    with pytest.raises(PosrecError, match="POSREC_TIME_LIMIT=soon: give a number"):
        checkpoints.deadline()
