"""An encoding that raises is a result of its id; memory and disk are not; `--again-failed` tries anew."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from posrec import cli
from posrec.analysis.tables import load
from posrec.commands import plan, verify
from posrec.data.prepare.prepared import Prepared
from posrec.errors import DataError
from posrec.files import write_json
from posrec.model import train
from posrec.model.carca import Carca
from posrec.model.encodings.added import Learnt
from posrec.model.runs import failures, jobs, scoring
from posrec.model.train import TrainingFailed, train_run
from posrec.store import results
from tests.model.conftest import make_cell
from tests.model.toy import RAW, make_study, run


class Raises:
    """Stands in for a method: raises at the n-th call."""

    def __init__(self, error: Exception, method: Any, calls: int = 1) -> None:
        self.error, self.method, self.left = error, method, calls

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left <= 0:
            raise self.error
        return self.method(*arguments)


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception, calls: int = 1) -> None:
    """`learnt` raises when its table is asked for."""
    wrapped = Raises(error, Learnt.table, calls)
    monkeypatch.setattr(Learnt, "table", lambda self: wrapped(self))


def test_an_encoding_that_raises_is_a_result_and_the_others_go_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken(monkeypatch, ValueError("angles of\n <Table at 0x7f00aa12> do not fit"))
    loaded = make_study()
    jobs.train_cells(loaded, loaded.cells)
    assert "6 runs: 6 trained, 0 were there, 3 failed" in capsys.readouterr().out
    statuses = {
        (c.encoding, s): results.read_content(run(loaded, c.encoding, s).path) for c in loaded.cells for s in c.seeds
    }
    assert {key: content["status"] for key, content in statuses.items()} == {
        (encoding, seed): "failed" if encoding == "learnt" else "finished"
        for encoding in ("none", "learnt")
        for seed in (1, 2, 3)
    }
    failure = {"step": 0, "reason": "ValueError: angles of <Table at 0x...> do not fit"}
    assert statuses["learnt", 1]["failure"] == failure
    plan.print_plan(loaded)
    shown = capsys.readouterr().out
    assert "3 runs failed" in shown
    assert shown.splitlines()[3].split() == ["toy", "2", "6", "3", "3", "0", "0", "0"]


def test_the_step_of_a_failure_is_that_of_the_training(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, calls = Carca.forward, iter(range(1, 100))

    def third(self: Carca, *arguments: Any) -> Tensor:
        if next(calls) == 3:
            raise IndexError("no such row")
        return forward(self, *arguments)

    monkeypatch.setattr(Carca, "forward", third)
    with pytest.raises(TrainingFailed) as caught:
        train_run(make_cell(), data, 1)
    assert (caught.value.step, caught.value.reason) == (3, "IndexError: no such row")


def test_a_model_that_cannot_be_built_failed_at_step_0(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "Carca", Raises(TypeError("one width missing"), None))
    with pytest.raises(TrainingFailed, match="step 0: TypeError: one width missing"):
        train_run(make_cell(), data, 1)


def test_a_failing_evaluation_is_a_result(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "read_test", Raises(RuntimeError("shapes differ"), None))
    failed = run(make_study())
    assert failed.bring()
    content = results.read_content(failed.path)
    assert content["failure"] == {"step": failures.EVALUATION_STEP, "reason": "RuntimeError: shapes differ"}
    assert content["epochs_trained"] == 2


def test_a_failure_under_one_protocol_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run says `failed`, so that it is counted and tried again; what the other protocol gave is a result."""
    loaded = make_study(protocols=["sound", {"name": "best", "base": "sound", "selection": "released"}])
    job = run(loaded)
    read_test = scoring.read_test

    def released_raises(*arguments: Any) -> Any:
        if any(getattr(argument, "selection", "") == "released" for argument in arguments):
            raise RuntimeError("shapes differ")
        return read_test(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "read_test", released_raises)
        job.bring()
    content = results.read_content(job.path)
    assert (content["status"], list(content["evaluations"])) == ("failed", ["sound"])
    assert content["failure"] == {"step": failures.EVALUATION_STEP, "reason": "RuntimeError: shapes differ"}
    assert list(verify.check_run(job.planned)) == []
    rows = load._run(job.planned)
    assert {name: (row["status"], row["failure"]) for name, row in rows.items()} == {
        "sound": ("finished", ""),
        "best": ("failed", "-1: RuntimeError: shapes differ"),
    }
    assert job.bring(again_failed=True)
    assert (job.status(), set(results.read_content(job.path)["evaluations"])) == ("finished", {"sound", "best"})
    assert list(verify.check_run(job.planned)) == []


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(28, "No space left on device"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("can't start new thread"),
        ImportError("libtorch.so"),
        DataError("damaged"),
    ],
)
def test_faults_of_the_machine_fail_the_job_and_write_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    broken(monkeypatch, error, calls=3)
    job = run(make_study(), "learnt")
    with pytest.raises(type(error)):
        job.bring()
    assert not job.path.exists()
    assert not any(path.exists() for path in job.blocks.values())


def test_ctrl_c_is_no_result(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Learnt) -> Iterator[None]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Learnt, "table", stop)
    job = run(make_study(), "learnt")
    with pytest.raises(KeyboardInterrupt):
        job.bring()
    assert not job.path.exists()


def test_again_failed_trains_the_failed_runs_and_no_others(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json("params.yaml", RAW)
    loaded = make_study()
    with monkeypatch.context() as patch:
        broken(patch, ValueError("wrong"))
        jobs.train_cells(loaded, loaded.cells, only_seeds=[1, 2])
    finished = run(loaded).path.stat().st_mtime_ns
    assert cli.main(["train"]) == 0  # a failure is a result: nothing but seed 3 is trained
    assert "6 runs: 2 trained, 4 were there, 2 failed" in capsys.readouterr().out
    assert cli.main(["train", "--again-failed"]) == 0
    assert "2 runs: 2 trained, 0 were there, 0 failed" in capsys.readouterr().out
    assert {json.loads(p.read_text())["status"] for p in Path("results/studies").rglob("seed=*.json")} == {"finished"}
    assert run(loaded).path.stat().st_mtime_ns == finished
    assert cli.main(["train", "--again-failed"]) == 0
    assert "0 runs: 0 trained" in capsys.readouterr().out


def test_kept_weights_of_another_run_are_not_used(place: Path) -> None:
    loaded = make_study(training={**RAW["training"], "keep_weights": True})
    first, second = run(loaded), run(loaded, seed=2)
    first.bring()
    second.bring()
    content = first.path.read_bytes()
    for path in first.stored.glob("weights-epoch=*.pt"):
        path.write_bytes((second.stored / path.name).read_bytes())
    for path in (first.path, *first.blocks.values()):
        path.unlink()
    assert run(loaded).bring()
    assert first.path.read_bytes() == content
