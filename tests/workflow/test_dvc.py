"""DVC: what is reproduced, what is pulled, and that no result keeps a stale setting."""

import json

import pytest
import yaml

from tests import ledger

from .project import TINY, Project

pytestmark = pytest.mark.workflow
FASTER = {**TINY["training"], "learning_rate": 0.01}


def learning_rates(project: Project) -> set[float]:
    return {json.loads(path.read_text())["settings"]["training"]["learning_rate"] for path in project.runs()}


def test_repro_again_has_nothing_to_do(reproduced: Project) -> None:
    lock = (reproduced.folder / "dvc.lock").read_bytes()
    done = reproduced.run("dvc", "repro")
    assert "Data and pipelines are up to date" in done.stdout
    assert (reproduced.folder / "dvc.lock").read_bytes() == lock
    assert "Nothing to be done" in reproduced.snakemake("all")
    assert reproduced.run("git", "status", "--porcelain").stdout == ""


def test_a_clone_that_pulls_has_nothing_to_do(clone: Project, reproduced: Project) -> None:
    clone.run("dvc", "pull")
    assert clone.hashes() == reproduced.hashes()
    assert "Data and pipelines are up to date" in clone.run("dvc", "repro").stdout
    assert "Training" not in clone.snakemake("all")
    assert clone.hashes() == reproduced.hashes()


def test_a_changed_learning_rate_after_a_pull_is_trained(clone: Project, reproduced: Project) -> None:
    """The trap: nothing to do for Snakemake, and the new rate recorded beside the old results."""
    clone.run("dvc", "pull")
    lock = (clone.folder / "dvc.lock").read_bytes()
    clone.study(training=FASTER)
    clone.run("dvc", "repro", "train")
    assert learning_rates(clone) == {0.01}
    assert len(clone.runs()) == len(reproduced.runs())
    assert (clone.folder / "dvc.lock").read_bytes() != lock
    clone.study()
    clone.run("dvc", "repro")
    assert (clone.folder / "dvc.lock").read_bytes() == lock
    assert clone.hashes() == reproduced.hashes()


def test_a_changed_analysis_after_a_pull_renders_anew(clone: Project) -> None:
    clone.run("dvc", "pull")
    clone.edit("src/posrec/analysis/stats/stability.py")
    output = clone.run("dvc", "repro").stdout
    assert "Drawing the figures" in output
    assert "Training" not in output


def test_a_new_seed_after_a_pull_trains_itself_alone(clone: Project, reproduced: Project) -> None:
    """No store: what is in place is not trained again."""
    clone.run("dvc", "pull")
    clone.study(seeds=[1, 2, 3, 4])
    clone.run("dvc", "repro", "train")
    assert ledger.trained_so_far() == 2
    assert {path.stem for path in clone.runs()} == {path.stem for path in reproduced.runs()} | {"seed=4"}
    runs = reproduced.hashes("results/studies/default/runs")
    assert runs.items() <= clone.hashes("results/studies/default/runs").items()


def test_a_renamed_study_never_gets_the_old_folders_results(clone: Project) -> None:
    """The old folder persists: DVC must not take it for the results of the new name and rate."""
    clone.run("dvc", "pull")
    clone.study(study="renamed", training=FASTER)
    clone.run("dvc", "repro", "train")
    runs = (clone.folder / "results/studies/renamed/runs").rglob("seed=*.json")
    assert {json.loads(path.read_text())["settings"]["training"]["learning_rate"] for path in runs} == {0.01}
    lock = yaml.safe_load((clone.folder / "dvc.lock").read_text())["stages"]["train"]
    assert [out["path"] for out in lock["outs"]] == ["results/studies/renamed/runs"]


def test_metrics_and_plots_are_shown_in_a_clone_without_a_remote(clone: Project) -> None:
    shown = clone.run("dvc", "metrics", "show", "--md").stdout
    assert "toy.rope sound.mean" in shown
    plots = clone.run("dvc", "plots", "show", "--out", "plots").stdout
    page = (clone.folder / "plots" / "index.html").read_text()
    assert "index.html" in plots
    assert "Ahead of none" in page
    kept = clone.folder / "metrics/default/metrics.json"
    content = json.loads(kept.read_text())
    content["toy"]["rope sound"]["mean"] += 0.25
    kept.write_text(json.dumps(content))
    assert "0.25" in clone.run("dvc", "metrics", "diff", "--md").stdout
