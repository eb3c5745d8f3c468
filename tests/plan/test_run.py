"""One planned run: ids, paths, and what its files must say."""

from pathlib import Path

import pytest

from posrec import versions
from posrec.plan import ids
from posrec.plan.run import PlannedRun, curve_file, planned_run, planned_runs, run_files, weights_file
from posrec.study.study import Study, from_dict

TIES = {"name": "ties", "base": "sound", "ties": "released"}


def small(**changes: object) -> Study:
    raw = {
        "study": "small",
        "datasets": {"toy": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}},
        "encodings": ["none", "rope"],
        "model": {"dimension": 16},
        "seeds": [1, 2, 3],
        "deviation_seeds": [11, 12, 13],
    }
    return from_dict({**raw, **changes})


def first(study: Study) -> PlannedRun:
    return planned_run(study, study.cells[0], 1)


def test_every_cell_and_seed_is_planned_once() -> None:
    loaded = small()
    found = [(run.cell, run.seed) for run in planned_runs(loaded)]
    assert found == [(cell, seed) for cell in loaded.cells for seed in cell.seeds]
    files = list(run_files(loaded))
    assert len(files) == len(set(files)) == 2 * len(found)


def test_one_run_is_the_same_as_among_all() -> None:
    loaded = small()
    for run in planned_runs(loaded):
        alone = planned_run(loaded, run.cell, run.seed)
        assert vars(alone) == vars(run)


def test_the_paths_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSREC_STORE", raising=False)
    loaded = small(protocols=["sound", TIES])
    run, cell = first(loaded), loaded.cells[0]
    run_id, evaluation_id = ids.run_id(loaded, cell), ids.evaluation_id(loaded, cell)
    assert run.path == Path(f"results/studies/small/runs/toy/none/{run_id}/{evaluation_id}/seed=1.json")
    assert run.npz == run.path.with_suffix(".npz")
    stored = Path(f".cache/runs/{run_id}/seed=1")
    assert run.blocks == {name: stored / f"{ids.block_id(loaded, name)}.json" for name in ("sound", "ties")}
    assert run.checkpoint == stored / "checkpoint"
    assert curve_file(run.stored) == stored / "curve.json"
    assert weights_file(run.stored, 4) == stored / "weights-epoch=4.pt"
    assert run.progress == Path(f"logs/small/progress/toy-none-{run_id}-seed=1.jsonl")
    assert run.sidecar == Path(f"results/provenance/small/{run_id}/seed=1.json")
    assert run.data == ids.dataset_files(loaded, "toy")


def test_the_store_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSREC_STORE", "/elsewhere")
    assert first(small()).stored.is_relative_to("/elsewhere/runs")


def test_what_a_run_file_must_say() -> None:
    run = first(small())
    assert run.must_say == {
        "study_schema": versions.STUDY_SCHEMA,
        "training_version": versions.TRAINING_VERSION,
        "run_id": run.run_id,
        "evaluation_id": run.evaluation_id,
        "seed": 1,
        "dataset": "toy",
        "dataset_id": run.dataset_id,
        "encoding": "none",
    }


def test_studies_with_other_names_share_blocks() -> None:
    other = {"study": "other", "datasets": {"other": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}}}
    mine, theirs = first(small()), first(small(**other))
    assert mine.blocks == theirs.blocks
    assert mine.training_must_say == theirs.training_must_say
    assert mine.path != theirs.path
    assert mine.must_say != theirs.must_say


def test_a_run_beside_another_writes_into_its_own_folder() -> None:
    run = first(small())
    other = run.beside(Path("/beside"))
    written = [other.path, other.npz, other.progress, other.checkpoint, *other.blocks.values()]
    assert all(path.is_relative_to("/beside") for path in written)
    assert other.must_say == run.must_say
    assert other.data == run.data
    assert [path.name for path in other.blocks.values()] == [path.name for path in run.blocks.values()]
