"""The same run gives the same bytes: twice in a row, alone or in company, one job or eight side by side."""

import multiprocessing
from pathlib import Path

import pytest

from posrec.model.runs import jobs
from posrec.study.study import Study
from tests.model.toy import make_study

SEEDS = [1, 2, 3, 4]


def run_files() -> dict[Path, bytes]:
    """Every json and npz of the study's runs."""
    return {path: path.read_bytes() for path in Path("results/studies").rglob("seed=*.*")}


def start_over(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    """No run file, and a store that is empty."""
    for path in run_files():
        path.unlink()
    monkeypatch.setenv("POSREC_STORE", store)


def train_one(loaded: Study, number: int) -> None:
    """One run of the study alone."""
    cell = loaded.cells[number // len(SEEDS)]
    jobs.train_cells(loaded, [cell], [SEEDS[number % len(SEEDS)]])


def test_the_same_bytes_in_any_company(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = make_study(seeds=SEEDS)
    count = len(loaded.cells) * len(SEEDS)
    jobs.train_cells(loaded, loaded.cells)
    first = run_files()
    assert len(first) == 2 * count == 16

    start_over(monkeypatch, "again")
    jobs.train_cells(loaded, loaded.cells)
    assert run_files() == first

    start_over(monkeypatch, "alone")
    for number in reversed(range(count)):
        train_one(loaded, number)
    assert run_files() == first

    start_over(monkeypatch, "side-by-side")
    processes = [multiprocessing.get_context("fork").Process(target=train_one, args=(loaded, n)) for n in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count
    assert run_files() == first
