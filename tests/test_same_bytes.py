"""The comparison of two checkouts names every file that differs."""

from pathlib import Path

import pytest

from posrec.commands.plan import print_plan
from posrec.study.study import load
from tests.same_bytes import STUDIES, Side, code_hash, differences


def side(folder: Path, files: dict[str, str]) -> Side:
    for name, text in files.items():
        path = folder / "results/studies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Side(folder.name, folder, folder)


def test_a_changed_a_missing_and_a_new_file_are_named(tmp_path: Path) -> None:
    same = {
        "small/data/toy/dataset.npz": "same",
        "small/tables/runs.csv": "not compared",
        "other/runs/a": "not asked for",
    }
    base = side(tmp_path / "base", {**same, "small/runs/a/seed=1.json": "1", "small/runs/a/seed=2.json": "2"})
    here = side(tmp_path / "here", {**same, "small/runs/a/seed=1.json": "!", "small/runs/a/seed=3.json": "3"})
    assert list(differences(base.hashes(["small"]), here.hashes(["small"]))) == [
        "differs:      small/runs/a/seed=1.json",
        "only in base: small/runs/a/seed=2.json",
        "only here:    small/runs/a/seed=3.json",
    ]
    assert list(differences(base.hashes(["small"]), base.hashes(["small"]))) == []


def test_the_hash_of_the_code_is_repeatable() -> None:
    assert code_hash() == code_hash()


@pytest.mark.parametrize("name", ["protocols", "engines"])
def test_no_training_of_the_small_studies_will_be_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    print_plan(load(STUDIES[name]))
    assert "warmup_steps" not in capsys.readouterr().out
