"""Stacked seeds of a study: the run files of one seed at a time, each with its own end, resumed to the same bytes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from posrec.data.prepare.prepared import Prepared
from posrec.errors import PosrecError, StudyError
from posrec.model.engines.stacked import jobs as stacked_jobs
from posrec.model.engines.stacked import model
from posrec.model.runs import jobs
from posrec.model.runs.run import Run
from posrec.model.train import Training
from posrec.plan.run import planned_runs
from posrec.store import results
from posrec.study.study import Cell
from tests.model.conftest import make_cell
from tests.model.toy import RAW, make_study

EXACT: dict[str, Any] = {
    "model": {"dropout": 0.0},
    "training": {"numerics": {"precision": "fp64"}, "learning_rate": 0.003, "epochs": 3},
}


def runs_of(encoding: str = "learnt", **changes: Any) -> list[Run]:
    loaded = make_study(**changes)
    cell = next(cell for cell in loaded.cells if cell.encoding == encoding)
    return [Run(planned) for planned in planned_runs(loaded, [cell])]


def contents(runs: list[Run]) -> list[tuple[bytes, bytes]]:
    return [(run.path.read_bytes(), run.path.with_suffix(".npz").read_bytes()) for run in runs]


def elsewhere(place: Path, monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> None:
    """Another store, and none of the run files."""
    monkeypatch.setenv("POSREC_STORE", str(place / "elsewhere"))
    for run in runs:
        run.path.unlink()


def test_run_files_are_those_of_one_seed_at_a_time(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float64 without dropout: metrics, ranks and curves; and nothing is trained again."""
    runs = runs_of(**EXACT)
    for run in runs:
        run.bring()
    before = [results.read_result(run.path) for run in runs]
    elsewhere(place, monkeypatch, runs)
    again = runs_of(**EXACT)
    assert stacked_jobs.bring_stacked(again, again_failed=False) == again
    assert [run.bring() for run in again] == [False, False, False]
    for (content, arrays), run in zip(before, again, strict=True):
        mine, its_arrays = results.read_result(run.path)
        assert mine["evaluations"]["sound"]["full"] == pytest.approx(content["evaluations"]["sound"]["full"], abs=1e-9)
        assert mine["streams"] == content["streams"]
        for name in arrays:
            assert its_arrays[name] == pytest.approx(arrays[name], abs=1e-9), name
        assert run.seconds.keys() == {"training", "evaluation", "diagnostics"}


def test_each_seed_ends_with_its_own_patience(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {**EXACT, "training": {**EXACT["training"], "learning_rate": 0.05, "epochs": 6, "patience": 1}}
    runs = runs_of(**changes)
    together: list[int] = []
    epoch = model.train_epoch
    monkeypatch.setattr(model, "train_epoch", lambda trainings: (together.append(len(trainings)), epoch(trainings))[1])
    assert stacked_jobs.bring_stacked(runs, again_failed=False) == runs
    trained = [results.read_result(run.path)[0]["epochs_trained"] for run in runs]
    assert len(set(trained)) > 1
    assert together == [sum(epochs >= number for epochs in trained) for number in range(1, max(trained) + 1)]


def test_killed_and_resumed_to_the_same_bytes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, after the first of two epochs; the checkpoints go with the run files."""
    runs = runs_of()
    stacked_jobs.bring_stacked(runs, again_failed=False)
    whole = contents(runs)
    elsewhere(place, monkeypatch, runs)
    monkeypatch.setenv("POSREC_CHECKPOINT_SECONDS", "0")
    killed = runs_of()
    epochs: list[int] = []

    def dies(trainings: list[Training]) -> Any:
        if epochs:
            raise KeyboardInterrupt
        epochs.append(1)
        return train_epoch(trainings)

    train_epoch = model.train_epoch
    with monkeypatch.context() as patch:
        patch.setattr(model, "train_epoch", dies)
        with pytest.raises(KeyboardInterrupt):
            stacked_jobs.bring_stacked(killed, again_failed=False)
    assert all(run.planned.checkpoint.exists() for run in killed)
    with monkeypatch.context() as patch:
        patch.setattr(model, "train_epoch", lambda trainings: (epochs.append(1), train_epoch(trainings))[1])
        stacked_jobs.bring_stacked(killed, again_failed=False)
    assert len(epochs) == 2
    assert contents(killed) == whole
    assert not any(run.planned.checkpoint.exists() for run in killed)


def test_seeds_that_are_behind_catch_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between two checkpoints leaves seeds an epoch apart: then those that are behind go first, together."""
    monkeypatch.setenv("POSREC_CHECKPOINT_SECONDS", "0")
    runs, steps = runs_of(), []
    lost = iter([True])
    save = stacked_jobs.Member.save

    def dies_on_the_second(member: stacked_jobs.Member) -> None:
        if member.run.seed == 2 and next(lost, False):
            raise KeyboardInterrupt
        save(member)

    monkeypatch.setattr(stacked_jobs.Member, "save", dies_on_the_second)
    with pytest.raises(KeyboardInterrupt):
        stacked_jobs.bring_stacked(runs, again_failed=False)
    epoch = model.train_epoch

    def noted(trainings: list[Training]) -> Any:
        steps.append((len(trainings), trainings[0].progress.step))
        return epoch(trainings)

    monkeypatch.setattr(model, "train_epoch", noted)
    assert stacked_jobs.bring_stacked(runs, again_failed=False) == runs
    assert [count for count, _ in steps] == [2, 3]
    assert [step == 0 for _, step in steps] == [True, False]


def test_runs_that_diverge_are_results(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And are not trained a second time, alone, when failed runs are tried anew."""
    changes = {"training": {**RAW["training"], "learning_rate": 1e20, "warmup_steps": 0}}
    alone = runs_of(**changes)
    for run in alone:
        run.bring()
    failures = [results.read_result(run.path)[0]["failure"] for run in alone]
    elsewhere(place, monkeypatch, alone)
    runs = runs_of(**changes)
    assert stacked_jobs.bring_stacked(runs, again_failed=False) == runs
    assert [results.read_result(run.path)[0]["failure"] for run in runs] == failures
    assert [run.bring() for run in runs] == [False, False, False]
    monkeypatch.setattr("posrec.plan.work.on_gpu", lambda cell: True)
    loaded = runs[0].planned.study
    jobs.train_cells(loaded, [runs[0].cell])
    assert "3 runs: 0 trained, 3 were there, 3 failed" in capsys.readouterr().out
    monkeypatch.setattr(Run, "_train", lambda *_: pytest.fail("trained alone"))
    jobs.train_cells(loaded, [runs[0].cell], again_failed=True)
    assert "3 runs: 3 trained, 0 were there, 3 failed" in capsys.readouterr().out


def test_the_most_seeds_at_once_are_the_machines(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSREC_STACK", "2")
    sizes = []
    train = stacked_jobs._train
    monkeypatch.setattr(stacked_jobs, "_train", lambda members: (sizes.append(len(members)), train(members))[1])
    stacked_jobs.bring_stacked(runs_of(), again_failed=False)
    assert sizes == [2, 1]
    monkeypatch.setenv("POSREC_STACK", "some")
    with pytest.raises(PosrecError, match="POSREC_STACK=some: give the most seeds"):
        stacked_jobs.bring_stacked(runs_of(), again_failed=False)


def test_too_little_memory_says_what_to_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(trainings: list[Training]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "train_epoch", full)
    with pytest.raises(PosrecError, match=r"3 seeds at once are too many .* set POSREC_STACK to fewer than 3"):
        stacked_jobs.bring_stacked(runs_of(), again_failed=False)


def test_what_cannot_be_stacked_is_said_and_left(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Padded histories; and an encoding of the user's that looks at a number, which a stack has several of."""
    changes = {"protocols": [{"name": "second", "base": "sound", "rmha_softmax": "released"}], "encodings": ["rmha4"]}
    assert stacked_jobs.bring_stacked(runs_of("rmha4", **changes), again_failed=False) == []
    assert "toy rmha4: one seed at a time: rmha_softmax: released" in capsys.readouterr().out
    Path("own").mkdir()
    Path("own/looks.py").write_text(OWN)
    monkeypatch.setenv("POSREC_ENCODINGS", "own")
    runs = runs_of("looks", encodings=["looks", "none"])
    assert stacked_jobs.bring_stacked(runs, again_failed=False) == []
    assert "toy looks: one seed at a time: RuntimeError: vmap" in capsys.readouterr().out
    assert runs[0].bring()
    assert not runs[0].failed


OWN = """
from posrec.model.encodings import Encoding, register

@register("looks", "added")
class Looks(Encoding):
    def encode(self, x, rows):
        return x + (0.5 if rows.max().item() > 3 else 0.25)
"""


# --- a study that names a GPU -----------------------------------------------------------------------------------------


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.version.cuda", "12.8")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def on_cuda(**settings: Any) -> Cell:
    return make_cell("learnt", numerics={"device": "cuda"}, **settings)


def test_a_gpu_that_is_not_there_is_an_error_before_anything_is_trained(place: Path, no_gpu: None) -> None:
    loaded = make_study(training={"numerics": {"device": "cuda"}})
    with pytest.raises(StudyError, match=r"training\.numerics\.device: cuda, but torch finds no GPU .*device: cpu"):
        jobs.train_cells(loaded, loaded.cells)
    assert not Path("results/studies/jobs/runs").exists()


def test_a_cpu_build_of_torch_is_said_to_be_one(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.version.cuda", None)
    with pytest.raises(StudyError, match="this torch is a build for the CPU alone"):
        Training(on_cuda(), data, 1)
