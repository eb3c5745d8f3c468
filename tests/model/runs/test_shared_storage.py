"""Many processes on one folder, as nodes of a cluster on shared storage: no locks, and no file is ever half there."""

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from posrec.data.prepare import candidates, prepare
from posrec.data.simulate import simulate
from posrec.model.runs import jobs
from posrec.plan import ids
from posrec.store import results
from posrec.study import study

WRITERS = 4
ROUNDS = 25
BLOCK = {"run_id": "shared", "seed": 1, "status": "finished"}
STUDY = {
    "study": "shared",
    "datasets": {"toy": {"simulate": {"users": 40, "items": 25, "mean_length": 6}, "k_core": 2}},
    "encodings": ["none"],
    "model": {"dimension": 8, "heads": 2, "blocks": 1, "max_length": 8},
    "training": {"epochs": 1, "batch_size": 32},
    "seeds": [1, 2, 3],
}


def write_often(path: Path, barrier: "multiprocessing.synchronize.Barrier") -> None:
    """A job that writes the same result again and again, as every job that trains the run does."""
    barrier.wait()
    for _ in range(ROUNDS):
        results.write_result(path, dict(BLOCK), {"ranks": np.arange(50_000)})


def train_all(barrier: "multiprocessing.synchronize.Barrier") -> None:
    """A job that trains every run of the study."""
    loaded = study.from_dict(STUDY)
    barrier.wait()
    jobs.train_cells(loaded, loaded.cells)


def in_parallel(target: object, *arguments: object) -> list[multiprocessing.process.BaseProcess]:
    """Start so many processes that they begin together."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(WRITERS)
    processes = [context.Process(target=target, args=(*arguments, barrier)) for _ in range(WRITERS)]  # type: ignore[arg-type]
    for process in processes:
        process.start()
    return list(processes)


def test_a_reader_never_sees_half_a_file_while_many_write_it(tmp_path: Path) -> None:
    path = tmp_path / "seed=1.json"
    results.write_result(path, dict(BLOCK), {"ranks": np.arange(50_000)})
    writers = in_parallel(write_often, path)
    reads = 0
    while any(process.is_alive() for process in writers):
        assert results.status_of(path, {"run_id": "shared", "seed": 1}) == "finished"
        reads += 1
    assert reads > 0
    assert [process.exitcode for process in writers] == [0] * WRITERS
    assert sorted(file.name for file in tmp_path.iterdir()) == ["seed=1.json", "seed=1.npz"]


def test_jobs_that_train_the_same_runs_at_once_leave_what_one_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    for name in ("alone", "together"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        loaded = study.from_dict(STUDY)
        dataset = loaded.settings.datasets["toy"]
        simulate.simulate(dataset.simulate, ids.raw_folder("toy", dataset))
        prepare.prepare_dataset(loaded, "toy")
        candidates.draw_candidates(loaded, "toy")
        if name == "alone":
            jobs.train_cells(loaded, loaded.cells)
        else:
            processes = in_parallel(train_all)
            for process in processes:
                process.join()
            assert [process.exitcode for process in processes] == [0] * WRITERS
        places = [*Path("results/studies").rglob("*"), *Path(".cache/runs").rglob("*")]
        contents.append({str(path): path.read_bytes() for path in places if path.is_file()})
    assert contents[0] == contents[1]
    assert len(contents[0]) > 12
    assert json.loads(next(text for path, text in contents[1].items() if path.endswith("seed=1.json")))["seed"] == 1
