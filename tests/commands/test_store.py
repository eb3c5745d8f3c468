"""The store: sizes by study and age; --free asks, and deletes nothing that a study names or that is elsewhere."""

import os
import shutil
import time
from pathlib import Path

import pytest
import yaml

from posrec import cli
from posrec.commands import store
from posrec.errors import PosrecError
from posrec.files import write_text
from posrec.plan import ids
from posrec.store import lock
from posrec.study import study

STUDY = {
    "study": "small",
    "datasets": {"toy": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}},
    "encodings": ["none", "rope"],
    "training": {"epochs": 1},
    "seeds": [1, 2, 3],
}
UNNAMED = ("runs/0123456789ab/seed=1", "runs/0123456789ab/seed=2", "data/ba9876543210")


@pytest.fixture(params=["default", "POSREC_STORE"])
def stocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The store of two studies that share the runs of one encoding, and of what neither names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    folder = Path(".cache")
    if request.param == "POSREC_STORE":
        folder = tmp_path / "elsewhere"
        monkeypatch.setenv("POSREC_STORE", str(folder))
    write_text("params.yaml", yaml.safe_dump(STUDY))
    write_text("studies/other.yaml", yaml.safe_dump({**STUDY, "study": "other", "encodings": ["none"]}))
    for key in (*store.named_by(study.load("params.yaml")), *UNNAMED):
        write_text(folder / key / "block.json", "x" * 2**20)
    return folder


def row(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name).split()


def test_size_by_study_and_age(stocked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = time.time() - 40 * 86_400
    os.utime(stocked / UNNAMED[0] / "block.json", (old, old))
    assert cli.main(["store"]) == 0
    shown = capsys.readouterr().out
    assert row(shown, "params.yaml") == ["6", "1", "7.0", "MiB"]
    assert row(shown, "studies/other.yaml") == ["3", "1", "4.0", "MiB"]
    assert row(shown, store.UNNAMED) == ["2", "1", "3.0", "MiB"]
    assert row(shown, "whole store, each entry once") == ["8", "2", "10.0", "MiB"]
    assert row(shown, "younger than a day") == ["7", "2", "9.0", "MiB"]
    assert row(shown, "older") == ["1", "0", "1.0", "MiB"]


def test_studies_that_are_named_are_shown_alone(stocked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["store", "studies/other.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "params.yaml" not in shown
    assert store.UNNAMED not in shown


def test_freeing_asks_and_frees_what_no_study_names(stocked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {path for path in stocked.rglob("block.json") if not any(key in str(path) for key in UNNAMED)}
    store.free(yes=False, ask=lambda question: "n")
    assert len(list(stocked.rglob("block.json"))) == len(kept) + 3
    store.free(yes=False, ask=lambda question: "y")
    assert set(stocked.rglob("block.json")) == kept
    assert not (stocked / "runs/0123456789ab").exists()
    shown = capsys.readouterr().out
    assert all(key in shown for key in UNNAMED)
    assert cli.main(["store", "--free", "--yes"]) == 0
    assert "nothing to delete" in capsys.readouterr().out


def test_a_script_has_to_say_yes(stocked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["store", "--free"]) == 2  # pytest's stdin is not a terminal
    assert "--yes" in capsys.readouterr().err
    assert (stocked / UNNAMED[0]).exists()
    assert cli.main(["store", "--free", "--yes"]) == 0
    assert not (stocked / UNNAMED[0]).exists()


def test_what_is_not_of_the_stores_form_or_a_link_stays(stocked: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_text(outside / "seed=1" / "precious.json", "mine")
    write_text(stocked / "runs/notes/seed=1/mine.txt", "mine")
    write_text(stocked / "runs/0123456789ab/notes.txt", "mine")
    (stocked / "runs/aaaaaaaaaaaa").symlink_to(outside)
    (stocked / "data/bbbbbbbbbbbb").symlink_to(outside)
    store.free(yes=True)
    assert (outside / "seed=1/precious.json").exists()
    assert (stocked / "runs/notes/seed=1/mine.txt").exists()
    assert (stocked / "runs/0123456789ab/notes.txt").exists()
    assert not (stocked / "runs/0123456789ab/seed=1").exists()


def test_nothing_is_deleted_when_a_study_cannot_be_read(stocked: Path) -> None:
    write_text("studies/broken.yaml", "study: [")
    with pytest.raises(PosrecError, match=r"broken\.yaml"):
        store.free(yes=True)
    assert (stocked / UNNAMED[0]).exists()


def test_nothing_is_deleted_outside_of_a_checkout(stocked: Path) -> None:
    Path("params.yaml").unlink()
    shutil.rmtree("studies")
    with pytest.raises(PosrecError, match="everything would be deleted"):
        store.free(yes=True)


def test_nothing_is_deleted_while_a_workflow_runs(stocked: Path) -> None:
    write_text(lock.LOCKS / "0.output.lock", "")
    with pytest.raises(PosrecError, match="a workflow may run here"):
        store.free(yes=True)


def test_the_studies_of_the_project_name_what_their_plan_names(stocked: Path) -> None:
    loaded = study.load("params.yaml")
    runs = {f"runs/{ids.run_id(loaded, cell)}/seed={seed}" for cell in loaded.cells for seed in (1, 2, 3)}
    assert store.named_by(loaded) - runs == {f"data/{ids.dataset_id('toy', loaded.settings.datasets['toy'])}"}
