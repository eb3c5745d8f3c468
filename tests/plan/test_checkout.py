"""The code that runs is that of the checkout: in another one's folder, every verb that computes refuses."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from posrec import cli
from posrec.commands import doctor
from posrec.model import machine
from posrec.plan import checkout


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another clone as the working folder: its package, which is not the one that runs."""
    shutil.copytree(checkout.PACKAGE, tmp_path / "src/posrec", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "src/posrec"


def raise_version(package: Path) -> None:
    path = package / "versions.py"
    path.write_text(path.read_text().replace("TRAINING_VERSION = ", "TRAINING_VERSION = 1"))


def add_a_module(package: Path) -> None:
    (package / "study/more.py").write_text("")


def record_a_source(package: Path) -> None:
    path = package / "study/sources.lock"
    path.write_text(path.read_text() + "# more\n")


@pytest.mark.parametrize("change", [raise_version, add_a_module, record_a_source])
def test_other_code_is_refused(other: Path, change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
    """With TRAINING_VERSION raised nothing was trained again, and the record named this clone's commit."""
    assert checkout.differing() == []
    change(other)
    (name,) = checkout.differing()
    for verb in (["plan"], ["train"], ["analyse"], ["verify"], ["prepare", "--dataset", "toy"], ["prune"]):
        assert cli.main(verb) == 2
        said = capsys.readouterr().err
        assert f"the package that runs is {checkout.PACKAGE}, and not that of this checkout, {other}" in said
        assert name in said
        assert "make setup" in said
    (found,) = doctor.check_code()
    assert (found.level, found.remedy.split()[0]) == ("problem", "run")


def test_the_same_code_elsewhere_and_a_folder_without_code_are_fine(other: Path, tmp_path: Path) -> None:
    checkout.check()
    shutil.rmtree(tmp_path / "src")
    checkout.check()
    assert [found.level for found in doctor.check_code()] == ["ok"]


def test_the_record_names_the_commit_of_the_code_that_runs(
    other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (["init", "--quiet"], ["add", "src"], ["commit", "--quiet", "--message", "other"]):
        identity = ["-c", "user.name=posrec", "-c", "user.email=posrec@example.org"]
        subprocess.run(["git", *identity, *command], check=True, cwd=tmp_path)
    theirs = machine._git("rev-parse", "HEAD")
    found = machine.git_state.__wrapped__()
    assert found["commit"] == theirs  # of the package's own checkout, in spite of the working folder
    monkeypatch.setattr(checkout, "PACKAGE", other)
    here = machine.git_state.__wrapped__()
    assert here["commit"] not in (None, theirs)
    assert (here["dirty"], here["code"]) == (False, found["code"])
    raise_version(other)
    changed = machine.git_state.__wrapped__()
    assert changed["dirty"] is True
    assert changed["code"] != found["code"]
    monkeypatch.setattr(checkout, "PACKAGE", Path(machine.torch.__file__).parent)  # installed, not tracked
    assert machine.git_state.__wrapped__()["commit"] is None
