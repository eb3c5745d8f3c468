"""Results that look right and are not: of another state, another clone, another study, or changed from outside."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests import ledger
from tests.workflow.project import TINY, Project

pytestmark = pytest.mark.workflow
KILLED_AT_THE_MARKER = """
import os, signal
from posrec import cli
from posrec.analysis.tables import build
write = build.write_json
def stop(path, content):
    write(path, content)
    os.kill(os.getpid(), signal.SIGKILL)
build.write_json = stop
cli.main(["analyse"])
"""
SECOND = {"simulate": {"users": 50, "items": 30, "mean_length": 6}, "k_core": 3}
RESULTS = "results/studies/default"


def one(project: Project, pattern: str, part: str = RESULTS) -> Path:
    return min((project.folder / part).rglob(pattern))


def swap(first: Path, second: Path) -> None:
    ledger.note(f"exchange `{first.name}` of two folders")
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def test_a_killed_analysis_leaves_nothing_under_another_states_marker(built: Project, finished: Project) -> None:
    built.study(report={"title": "another", "stability": False})
    done = built.run("python", "-c", KILLED_AT_THE_MARKER, check=False)
    assert done.returncode == -signal.SIGKILL
    built.study()
    assert "write_tables" in built.snakemake("all")
    assert built.hashes() == finished.hashes()


def test_a_study_that_shrinks_keeps_no_table_or_figure_of_the_larger_one(built: Project, finished: Project) -> None:
    built.study(datasets={**TINY["datasets"], "second": SECOND})
    built.snakemake("all")
    assert len(built.hashes()) > len(finished.hashes())
    built.study()
    built.snakemake("all")
    built.run("posrec", "prune")
    assert built.hashes() == finished.hashes()
    assert "no findings" in built.run("posrec", "verify").stdout


def test_another_default_of_an_encoding_is_trained_by_dvc(reproduced: Project, tmp_path: Path) -> None:
    changed = reproduced.copy(tmp_path / "changed")
    changed.edit(
        "src/posrec/model/encodings/rotary.py",
        '"rotary", base=1_000.0, first_block_only=False',
        '"rotary", base=100.0, first_block_only=False',
    )
    done = changed.run("dvc", "repro", "train").stdout
    assert "Data and pipelines are up to date" not in done
    assert ledger.trained_so_far() == len(TINY["seeds"])


def test_the_code_of_another_clone_is_refused(built: Project, pristine: Project, tmp_path: Path) -> None:
    other = pristine.copy(tmp_path / "other")
    other.edit("src/posrec/versions.py", "TRAINING_VERSION = ", "TRAINING_VERSION = 1")
    built.environment["PYTHONPATH"] = str(other.folder / "src")
    ledger.note("run with the package of another clone, in which TRAINING_VERSION is raised")
    for command in (("posrec", "plan"), ("posrec", "train"), ("snakemake", "-n"), ("posrec", "doctor")):
        done = built.run(*command, check=False)
        assert done.returncode
        assert "and not that of this checkout" in done.stdout
        assert "Traceback" not in done.stdout


def test_variables_that_change_bytes_are_refused_and_leave_no_compiled_code(fresh: Project) -> None:
    numerics = {"training": {**TINY["training"], "numerics": {"engine": "numba"}}, "deviation_seeds": []}
    fresh.study(**numerics)
    fresh.snakemake("data")
    for name, value in (("NUMBA_OPT", "0"), ("ATEN_CPU_CAPABILITY", "default"), ("MKL_CBWR", "COMPATIBLE")):
        ledger.note(f"set {name}={value}")
        fresh.environment[name] = value
        done = fresh.run("posrec", "train", check=False)
        assert done.returncode == 2
        assert f"{name}={value}: changes the results" in done.stdout
        del fresh.environment[name]
    assert not fresh.runs()
    fresh.snakemake("trained")
    assert "no findings" not in fresh.run("posrec", "verify", check=False).stdout  # tables are not made yet
    assert len(fresh.runs()) == len(TINY["seeds"]) * len(TINY["encodings"])


def test_blocks_and_weights_of_another_seed_or_evaluation_are_not_used(built: Project) -> None:
    kept = {"training": {**TINY["training"], "keep_weights": True, "learning_rate": 0.002}, "deviation_seeds": []}
    built.study(**kept)
    built.snakemake("trained")
    built.run("posrec", "prune")
    before = built.hashes(f"{RESULTS}/runs")
    curves = sorted(built.store.glob("runs/*/seed=*/curve.json"))
    first, second = (path.parent for path in curves[:2])
    for path in sorted(first.glob("curve.*")) + sorted(first.glob("weights-epoch=*.pt")):
        swap(path, second / path.name)
    assert built.run("posrec", "verify", check=False).stdout.count("curve.json: ") == 2
    for path in first, second:
        for block in path.glob("*.json"):
            if block.name != "curve.json":
                block.unlink()
    built.remove(f"{RESULTS}/runs")
    built.snakemake("trained")
    assert built.hashes(f"{RESULTS}/runs") == before
    assert ledger.trained_so_far() >= 2


def test_files_of_another_data_set_are_refused_and_made_again(built: Project) -> None:
    built.study(datasets={**TINY["datasets"], "second": SECOND})
    built.snakemake("data")
    built.snakemake("all")
    before = built.hashes()
    toy, second = (built.folder / RESULTS / "data" / name for name in ("toy", "second"))
    for pattern in ("card.json", "baselines=*.json", "candidates=*.npz"):
        source, target = min(second.rglob(pattern)), min(toy.rglob(pattern))
        stat = target.stat()
        ledger.note(f"copy `{pattern}` of another data set over it")
        shutil.copyfile(source, target)
        os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = built.run("posrec", "analyse", check=False)
    assert done.returncode == 2
    assert "its place says" in done.stdout
    found = built.run("posrec", "verify", "--repair").stdout
    assert found.count("foreign ") >= 3
    built.snakemake("all")
    assert built.hashes() == before
    assert "no findings" in built.run("posrec", "verify").stdout


def test_an_edited_resolved_study_is_refused_and_written_again(built: Project) -> None:
    path = one(built, "*.json", ".cache/studies")
    content = json.loads(path.read_text())
    content["settings"]["training"]["learning_rate"] = 0.5
    ledger.note("change the learning rate in the resolved study")
    path.write_text(json.dumps(content))
    done = built.run("posrec", "train", "--study", str(path.relative_to(built.folder)), check=False)
    assert done.returncode == 2
    assert "edited or renamed" in done.stdout
    assert "Nothing to be done" in built.snakemake("all")
    assert json.loads(path.read_text())["settings"]["training"]["learning_rate"] == 0.001


def test_a_data_set_on_another_disk_stays_in_the_study(built: Project, tmp_path: Path) -> None:
    """Its folder is a link: prune and verify --repair leave it in place."""
    folder = built.folder / RESULTS / "data/toy"
    ledger.note("move the folder of a data set, and link to it")
    shutil.move(folder, tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert "0 files of default moved" in built.run("posrec", "prune").stdout
    assert "no findings" in built.run("posrec", "verify", "--repair").stdout
    assert folder.is_symlink()
    assert "Nothing to be done" in built.snakemake("all")


def test_the_lock_of_a_workflow_in_another_container_is_kept(fresh: Project) -> None:
    """Its process number says nothing here."""
    holder = fresh.folder / ".snakemake/posrec-holders/default.json"
    holder.parent.mkdir(parents=True)
    about = {"study": "default", "host": os.uname().nodename, "pid": 1, "started": "x", "since": "now"}
    ledger.note("a workflow runs the study in another PID namespace")
    holder.write_text(json.dumps({**about, "namespace": "pid:[1]"}))
    done = fresh.run("posrec", "unlock", check=False)
    assert done.returncode == 2
    assert "posrec unlock --force" in done.stdout
    assert holder.exists()
    fresh.run("posrec", "unlock", "--force")
    assert not holder.exists()
