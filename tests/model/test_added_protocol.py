"""An evaluation protocol that is added to a finished study: evaluated from kept weights, else trained again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posrec.commands import plan
from posrec.model.runs import run as run_module
from posrec.model.runs.run import Run
from posrec.plan import ids
from posrec.plan.run import planned_runs
from posrec.store import results
from posrec.study.study import Study
from tests.model.toy import make_study, run

ADDED = [{"name": "tied", "ties": "released"}, {"name": "best", "selection": "released", "candidates": "released"}]


def train_all(study: Study) -> None:
    for planned in planned_runs(study):
        Run(planned).bring()


def evaluations(study: Study) -> dict[str, Any]:
    content, arrays = results.read_result(run(study).path)
    return {"content": content["evaluations"], "arrays": arrays}


@pytest.mark.parametrize("kept", [True, False])
def test_an_added_protocol(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: bool
) -> None:
    settings = {"training": {"keep_weights": kept}}
    before = make_study(**settings)
    train_all(before)
    first = evaluations(before)
    after = make_study(protocols=["sound", *ADDED], **settings)
    assert [ids.run_id(after, cell) for cell in after.cells] == [ids.run_id(before, cell) for cell in before.cells]
    capsys.readouterr()
    plan.print_plan(after)
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("toy "))
    to_evaluate, to_train = (int(row[3 + plan.STATES.index(state)]) for state in ("to evaluate", "to train"))
    assert (to_evaluate, to_train) == ((6, 0) if kept else (0, 6))
    trained: list[int] = []
    train_run = run_module.train_run

    def counted(*arguments: Any) -> Any:
        trained.append(1)
        return train_run(*arguments)

    monkeypatch.setattr(run_module, "train_run", counted)
    train_all(after)
    assert len(trained) == (0 if kept else 6)
    found = evaluations(after)
    assert set(found["content"]) == {"sound", "tied", "best"}
    assert found["content"]["sound"] == first["content"]["sound"]
    assert found["arrays"].keys() >= first["arrays"].keys()
    assert all(np.array_equal(found["arrays"][name], value) for name, value in first["arrays"].items())


def test_the_plan_says_which_finished_runs_have_no_weights(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """keep_weights is in no id: turning it on trains nothing again."""
    run(make_study()).bring()
    for kept in (False, True):
        capsys.readouterr()
        plan.print_plan(make_study(training={"keep_weights": kept}))
        assert ("the store has no weights of 1 finished runs" in capsys.readouterr().out) == kept


def test_both_ways_give_the_same_bytes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scored while training, or from the weights of a finished training."""
    study = make_study(protocols=["sound", *ADDED])
    whole = run(study)
    whole.bring()
    monkeypatch.setenv("POSREC_STORE", str(place / "other"))
    weights = {"training": {"keep_weights": True}}
    run(make_study(**weights)).bring()
    late = run(make_study(protocols=["sound", *ADDED], **weights)).beside(place / "late")
    late.stored = run(make_study(**weights)).stored
    late.make()
    for kind in (".json", ".npz"):
        assert late.path.with_suffix(kind).read_bytes() == whole.path.with_suffix(kind).read_bytes()


def test_the_released_selection_is_the_best_of_its_own_curve(place: Path) -> None:
    job = run(make_study(protocols=[{"name": "best", "selection": "released"}, "sound"]))
    job.bring()
    content, arrays = results.read_result(job.path)
    best, sound = content["evaluations"]["best"], content["evaluations"]["sound"]
    for kind in ("sampled", "full"):
        for metric, value in best[kind].items():
            curve = arrays[f"best.test_{kind}_{metric}"]
            assert len(curve) == content["epochs_trained"]
            assert value == curve.max()
            assert best["selected_epochs"][kind][metric] == arrays["best.test_epoch"][np.argmax(curve)]
            place_of_sound = list(arrays["best.test_epoch"]).index(sound["selected_epoch"])
            assert sound[kind][metric] == curve[place_of_sound] <= value
