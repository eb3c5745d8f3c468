"""Run files: taken in place, from the store, evaluated from kept weights, or trained; never from a damaged file."""

import json
from pathlib import Path

import numpy as np
import pytest

from posrec import cli
from posrec.data.prepare import candidates
from posrec.errors import DataError
from posrec.files import write_json
from posrec.model.runs import run as run_module
from posrec.plan import ids
from posrec.store import places, results
from tests.model.toy import RAW, make_study, run


def test_trained_then_in_place_then_from_the_store(place: Path) -> None:
    first = run(make_study())
    assert first.bring()
    content, npz = first.path.read_bytes(), first.path.with_suffix(".npz").read_bytes()
    assert not run(make_study()).bring()
    first.path.unlink()
    first.path.with_suffix(".npz").unlink()
    assert not run(make_study()).bring()
    assert (first.path.read_bytes(), first.path.with_suffix(".npz").read_bytes()) == (content, npz)


def test_trained_again_to_the_same_bytes_without_a_store(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(make_study())
    first.bring()
    content = first.path.read_bytes()
    first.path.unlink()
    monkeypatch.setenv("POSREC_STORE", str(place / "elsewhere"))
    assert run(make_study()).bring()
    assert first.path.read_bytes() == content


def test_pruned_results_come_back_where_no_store_has_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `dvc pull`, a change of settings with `posrec prune`, and back."""
    first = run(make_study())
    first.bring()
    content = first.path.read_bytes()
    for path in (first.path, first.path.with_suffix(".npz")):
        places.move_aside(path)
    monkeypatch.setenv("POSREC_STORE", str(place / "elsewhere"))
    assert not run(make_study()).bring()
    assert first.path.read_bytes() == content
    assert not places.pruned_place(first.path).exists()


def test_a_damaged_pruned_result_is_trained_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(make_study())
    first.bring()
    content = first.path.read_bytes()
    for path in (first.path, first.path.with_suffix(".npz")):
        places.move_aside(path).write_bytes(b"{}")
    monkeypatch.setenv("POSREC_STORE", str(place / "elsewhere"))
    assert run(make_study()).bring()
    assert first.path.read_bytes() == content


@pytest.mark.parametrize("damage", ["truncated", "edited", "npz", "foreign"])
def test_damaged_files_are_no_results(place: Path, damage: str) -> None:
    first, other = run(make_study()), run(make_study(), seed=2)
    first.bring()
    other.bring()
    content = first.path.read_bytes()
    if damage == "truncated":
        first.path.write_bytes(content[: len(content) // 2])
    elif damage == "edited":
        first.path.write_bytes(content.replace(b'"seed": 1', b'"seed": 9'))
    elif damage == "npz":
        first.path.with_suffix(".npz").write_bytes(b"PK")
    else:  # another seed's files under this seed's name
        first.path.write_bytes(other.path.read_bytes())
        first.path.with_suffix(".npz").write_bytes(other.path.with_suffix(".npz").read_bytes())
    assert not results.is_good(first.path, first.planned.must_say)
    assert not run(make_study()).bring()  # from the store
    assert first.path.read_bytes() == content


def test_a_damaged_store_trains_again(place: Path) -> None:
    first = run(make_study())
    first.bring()
    content = first.path.read_bytes()
    for path in (first.path, *first.blocks.values()):
        path.write_bytes(b"{}")
    assert run(make_study()).bring()
    assert first.path.read_bytes() == content


def test_an_added_evaluation_is_computed_from_kept_weights(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number of candidates: a new evaluation id, the same run id. With kept weights nothing is trained."""
    kept = {"training": {**RAW["training"], "keep_weights": True}}
    run(make_study(**kept)).bring()
    changed = make_study(**kept, evaluation={"negatives": 20})
    candidates.draw_candidates(changed, "toy")
    assert run(changed).run_id == run(make_study()).run_id
    trained_again = run(make_study(evaluation={"negatives": 20}))
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "train_run", lambda *_: pytest.fail("trained although the weights were kept"))
        from_weights = run(changed)
        assert from_weights.bring()
    content = from_weights.path.read_bytes()
    assert trained_again.path == from_weights.path
    for path in (place / ids.STORE / "runs").rglob("*"):
        if path.is_file():
            path.unlink()
    from_weights.path.unlink()
    assert trained_again.bring()  # trained again, without weights
    assert trained_again.path.read_bytes() == content


def test_a_diverging_run_is_a_result(place: Path) -> None:
    loaded = make_study(training={**RAW["training"], "learning_rate": 1e20, "warmup_steps": 0})
    failed = run(loaded)
    assert failed.bring()
    assert failed.failed
    content, arrays = results.read_result(failed.path)
    assert content["status"] == "failed"
    assert content["evaluations"] == {}
    assert "NaN" in content["failure"]["reason"] or "nan" in content["failure"]["reason"]
    assert not run(loaded).bring()
    assert arrays["curve_epoch"].size == 0


def test_what_a_run_file_holds(place: Path) -> None:
    first = run(make_study(), "learnt", 2)
    first.bring()
    content, arrays = results.read_result(first.path)
    keys = (
        "study_schema run_id training_version dataset dataset_id encoding settings protocol seed streams epochs_trained"
        " still_rising diagnostics inputs"
    )
    assert set(content) == {*keys.split(), "evaluation_id", "evaluations", "collapsed", "status", "failure"}
    evaluation = content["evaluations"]["sound"]
    assert set(evaluation) == {"selected_epoch", "users", "sampled", "full", "tie_share", "collapsed", "diagnostics"}
    users = evaluation["users"]
    assert {name: len(value) for name, value in arrays.items() if name.startswith("sound.")} == dict.fromkeys(
        ("sound.sampled_greater", "sound.sampled_tied", "sound.full_greater", "sound.full_tied"), users
    )
    assert arrays["curve_epoch"].tolist() == [1, 2]
    hits = np.clip((10 - arrays["sound.full_greater"]) / (arrays["sound.full_tied"] + 1), 0, 1)
    assert evaluation["full"]["Hit@10"] == pytest.approx(hits.mean())
    assert "seconds" not in json.dumps(content)


def test_read_result_names_the_file(place: Path) -> None:
    first = run(make_study())
    first.bring()
    first.path.write_text(first.path.read_text().replace("finished", "failed"))
    with pytest.raises(DataError, match=r"seed=1\.json: the checksum does not match"):
        results.read_result(first.path)


def test_a_run_file_of_another_evaluation_is_no_result(place: Path) -> None:
    """The same training under other candidates: the same run id, but not what this study's path says."""
    changed = make_study(evaluation={"negatives": 20})
    candidates.draw_candidates(changed, "toy")
    mine, other = run(make_study()), run(changed)
    other.bring()
    for kind in (".json", ".npz"):
        mine.path.parent.mkdir(parents=True, exist_ok=True)
        mine.path.with_suffix(kind).write_bytes(other.path.with_suffix(kind).read_bytes())
    assert mine.status() is None
    assert mine.bring()
    assert results.read_content(mine.path)["evaluation_id"] == ids.evaluation_id(make_study())


@pytest.mark.parametrize("seeds", [["99"], ["1", "99"]])
def test_a_seed_that_the_study_lacks_is_an_error(
    place: Path, seeds: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It said "0 runs" and ended well."""
    write_json("params.yaml", RAW)
    assert cli.main(["train", *(word for seed in seeds for word in ("--seed", seed))]) == 2
    assert "--seed 99: the selected cells have the seeds 1, 2, 3" in capsys.readouterr().err
    assert not list(Path("results/studies").rglob("seed=*.json"))
