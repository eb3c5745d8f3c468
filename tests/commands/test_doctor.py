"""doctor: what is right is ok; each fault is found, with what to do."""

import re
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posrec import cli
from posrec.commands import doctor
from posrec.files import write_text
from posrec.store import lock

ROOT = Path(__file__).parents[2]
Usage = namedtuple("Usage", "total used free")
VARIABLES = {*doctor.FOLDERS, *doctor.NUMBERS, "POSREC_STORE"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    write_text("profiles/default/config.yaml", "cores: all\n")
    write_text("envs/requirements.lock", (ROOT / "envs/requirements.lock").read_text())
    write_text(".dvc/config", "[core]\n    remote = mine\n['remote \"mine\"']\n    url = /data/%remote\n")
    return tmp_path


def line(check: Callable[[], Iterator[doctor.Line]]) -> doctor.Line:
    """The gravest line of a check."""
    return max(check(), key=lambda line: ("ok", "warning", "problem").index(line.level))


def test_a_good_checkout_has_no_problems(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1].startswith("posrec doctor: 0 problems")
    assert all(text.startswith(("ok ", "warning ")) for text in shown[:-1])
    assert "ok       DVC: remotes: mine" in shown
    assert any("torch" in text and "works" in text for text in shown)


def test_every_line_that_is_not_ok_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSREC_MIRROR", str(tmp_path / "absent"))
    monkeypatch.setenv("POSREC_STORE", str(tmp_path / "absent"))
    lines = [found for check in doctor.CHECKS for found in check()]
    assert {"packages", "profile", "DVC", "POSREC_MIRROR", "POSREC_STORE"} <= {
        found.what for found in lines if found.level != "ok"
    }
    assert all(found.remedy for found in lines if found.level != "ok")
    assert doctor.examine() == 1


@pytest.mark.parametrize(("version", "level"), [((3, 10, 1), "problem"), ((3, 12, 0), "ok"), ((3, 14, 0), "problem")])
def test_python(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], level: str) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert line(doctor.check_python).level == level


def test_packages_that_differ_from_the_lock(checkout: Path) -> None:
    hashed = " \\\n    --hash=sha256:00\n"
    write_text("envs/requirements.lock", f"numpy==0.1{hashed}no-such-package==1.0{hashed}")
    found = line(doctor.check_packages)
    assert found.level == "warning"
    assert "(lock: 0.1)" in found.text
    assert "no-such-package absent (lock: 1.0)" in found.text


def test_the_lock_is_read_for_this_interpreter() -> None:
    text = (
        "numpy==1.0 ; python_full_version < '3.0' \\\n    --hash=sha256:00==\n"
        "numpy==2.0 ; python_full_version >= '3.0' \\\n# via pandas==3\n"
    )
    assert doctor.locked_versions(text) == {"numpy": "2.0"}
    assert doctor.locked_versions((ROOT / doctor.LOCK).read_text())["snakemake"] == "9.27.1"


def test_a_broken_torch_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert line(doctor.check_torch).level == "problem"


@pytest.mark.parametrize(("free", "level"), [(0.1, "problem"), (2, "warning"), (50, "ok")])
def test_disk(checkout: Path, monkeypatch: pytest.MonkeyPatch, free: float, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free * doctor.GIB))
    assert line(doctor.check_disk).level == level


@pytest.mark.parametrize(("free", "level"), [(0.1, "problem"), (2, "warning"), (50, "ok")])
def test_memory(monkeypatch: pytest.MonkeyPatch, free: float, level: str) -> None:
    memory = namedtuple("Memory", "available")(free * doctor.GIB)
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: memory)
    assert line(doctor.check_memory).level == level


def test_a_place_that_cannot_be_written(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    assert line(doctor.check_writing).level == "ok"
    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refuse)
    assert line(doctor.check_writing).level == "problem"


def test_a_lock_is_reported(checkout: Path) -> None:
    assert line(doctor.check_snakemake).level == "ok"
    write_text(lock.LOCKS / "0.output.lock", "")
    assert "posrec unlock" in str(line(doctor.check_snakemake))


def test_no_remote_is_a_warning(checkout: Path) -> None:
    write_text(".dvc/config", "[core]\n    analytics = false\n")
    assert line(doctor.check_dvc).level == "warning"
    write_text(".dvc/config.local", '[remote "local"]\n    url = /data\n')
    assert doctor.dvc_remotes() == ["local"]


def test_the_variables(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line(doctor.check_environment).level == "ok"
    monkeypatch.setenv("POSREC_STORE", str(checkout / "new"))
    assert line(doctor.check_environment).level == "warning"
    monkeypatch.setenv("POSREC_MIRROR", str(checkout / "absent"))
    assert line(doctor.check_environment).level == "problem"
    monkeypatch.setenv("POSREC_MIRROR", str(checkout))
    monkeypatch.setenv("POSREC_STORE", str(checkout))
    assert line(doctor.check_environment).level == "ok"


@pytest.mark.parametrize("name", sorted(VARIABLES - {"POSREC_STORE"}))
def test_a_wrong_variable_is_a_problem(checkout: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "many")
    assert [found.what for found in doctor.check_environment() if found.level == "problem"] == [name]
    monkeypatch.setenv(name, str(checkout) if name in doctor.FOLDERS else "3")
    assert line(doctor.check_environment).level == "ok"


def test_every_variable_that_the_code_reads_is_checked() -> None:
    code = [path.read_text() for path in (ROOT / "src").rglob("*.py") if path.name != "doctor.py"]
    assert set(re.findall(r"POSREC_[A-Z_]+", "".join(code))) == VARIABLES


def test_tools_of_a_cluster(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(checkout / "bin/sbatch", "#!/bin/sh\n")
    (checkout / "bin/sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(checkout / "bin"))
    assert line(doctor.check_cluster).text == "sbatch"


def test_looking_changes_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(checkout.rglob("*"))
    doctor.examine()
    assert sorted(checkout.rglob("*")) == before


def test_a_gpu_is_told_and_one_that_torch_cannot_use_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.version.cuda", None)
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    found = line(doctor.check_gpu)
    assert (found.level, found.text.split(";")[0]) == ("ok", "this torch is a build for the CPU alone")
    assert "training.numerics.device: cuda need one" in found.text
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    assert line(doctor.check_gpu).level == "warning"
    monkeypatch.setattr("torch.version.cuda", "12.8")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda number: "a GPU")
    assert (line(doctor.check_gpu).level, line(doctor.check_gpu).text) == ("ok", "a GPU")
