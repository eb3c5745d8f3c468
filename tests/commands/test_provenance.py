"""Provenance: how a run was computed is recorded beside it, not in it, and shown on a separate page."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from posrec import cli
from posrec.analysis.places import provenance_files
from posrec.commands import provenance
from posrec.files import read_json, sha256, write_json
from posrec.model import machine
from posrec.model.runs import jobs
from posrec.plan import checkout, ids
from posrec.store import results
from posrec.study.study import Study
from tests.model.toy import RAW, make_data, make_study, run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with the prepared data of the toy study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    make_data()
    return tmp_path


@pytest.fixture
def toy(place: Path) -> Study:
    write_json("params.yaml", RAW)
    loaded = make_study()
    jobs.train_cells(loaded, loaded.cells[:1], [1, 2])
    return loaded


def test_a_sidecar_says_what_made_the_run(toy: Study) -> None:
    job = run(toy)
    record = read_json(job.planned.sidecar)
    files = ids.dataset_files(toy, "toy")
    assert record["checksums"] == {
        "dataset.npz": sha256(files.arrays),
        files.candidates.name: sha256(files.candidates),
        "run": read_json(job.path)["checksum"],
    }
    assert record["ids"] == {
        "dataset": files.folder.name,
        "candidates": ids.candidates_id(toy),
        "run": job.run_id,
        "evaluation": ids.evaluation_id(toy),
    }
    assert (record["study"], record["dataset"], record["encoding"], record["seed"]) == ("jobs", "toy", "none", 1)
    assert record["threads"] == 1
    assert record["layout"] == "packed"
    assert record["seconds"]["training"] > 0
    assert record["cpu_seconds"].keys() == record["seconds"].keys()
    assert record["cpu_seconds"]["training"] > 0
    assert record["peak_memory_mib"] > 10
    assert record["versions"]["torch"]
    assert set(record) >= {
        "commit",
        "dirty",
        "gpu",
        "processor",
        "kernels",
        "large_products",
        "system",
        "command",
        "finished",
        "study_id",
    }


def test_nothing_of_it_is_in_the_run_file(toy: Study) -> None:
    content = json.dumps(results.read_content(run(toy).path))
    assert not [word for word in ("seconds", "commit", "processor", "command", "memory", "versions") if word in content]


def test_the_command_has_no_folder_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/me/.venv/bin/posrec", "train", "--study", "my study.yaml"])
    assert machine.command() == "posrec train --study 'my study.yaml'"


def test_commit_and_uncommitted_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the package that runs: here a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkout, "PACKAGE", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    state = machine.git_state.__wrapped__
    (tmp_path / "versions.py").write_text("first")
    assert state() == {"commit": None, "dirty": None, "code": checkout.code_digest()}
    identity = ("-c", "user.name=posrec", "-c", "user.email=posrec@example.org")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", *command], check=True)
    assert re.fullmatch("[0-9a-f]{40}", state()["commit"])
    assert state()["dirty"] is False
    (tmp_path / "versions.py").write_text("second")
    assert state()["dirty"] is True


def test_the_page_shows_records_and_what_has_none(toy: Study, capsys: pytest.CaptureFixture[str]) -> None:
    jobs.train_cells(toy, toy.cells[:1], [3])
    run(toy, seed=3).planned.sidecar.unlink()  # as after `dvc pull`
    assert cli.main(["provenance"]) == 0
    page, last = provenance_files(toy)
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    assert "<td>2 of 6</td>" in text
    assert "<td>3 finished, 3 missing</td>" in text
    assert "<td>not recorded</td>" in text
    assert read_json(run(toy).path)["checksum"] in text
    assert sha256(ids.dataset_files(toy, "toy").arrays) in text
    assert last.exists()
    assert not re.search(r"https?://|src=|<script", text)


def test_a_record_of_another_file_is_not_shown_as_this_ones(toy: Study) -> None:
    path = run(toy).planned.sidecar
    write_json(path, {**read_json(path), "checksums": {"run": "0" * 64}})
    assert "<td>1 of 6</td>" in provenance.render(toy)


def test_the_page_of_a_study_that_never_ran(place: Path) -> None:
    assert "<td>6 missing</td>" in provenance.render(make_study())


def test_the_page_is_beside_the_study_and_changes_none_of_its_files(toy: Study) -> None:
    before = {path: path.read_bytes() for path in (ids.STUDIES / "jobs").rglob("*") if path.is_file()}
    provenance.write_page(toy)
    assert {path: path.read_bytes() for path in (ids.STUDIES / "jobs").rglob("*") if path.is_file()} == before
    assert not provenance_files(toy)[0].is_relative_to(ids.STUDIES)


def test_names_cannot_break_the_page(toy: Study) -> None:
    path = run(toy).planned.sidecar
    write_json(path, {**read_json(path), "command": "<script>alert(1)</script>"})
    assert "<script>" not in provenance.render(toy)
