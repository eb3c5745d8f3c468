"""Ids in paths, existence decides: what is trained again, and what is not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .project import TINY, Project

pytestmark = pytest.mark.workflow
Wrap = Callable[[Project, str], None]


def markers(project: Project) -> set[str]:
    return {path.name for path in (project.folder / "results/studies/default").rglob("analysis=*.json")}


def test_a_finished_study_has_nothing_to_do_and_says_where_its_report_is(finished: Project) -> None:
    assert (finished.folder / "results/studies/default/report.html").stat().st_size > 1000
    assert len(finished.runs()) == 2 * 3 + 3
    assert {json.loads(path.read_text())["status"] for path in finished.runs()} == {"finished"}
    before = finished.hashes()
    assert "Nothing to be done" in finished.snakemake("all")
    assert finished.hashes() == before


def test_raw_reviews_are_not_needed_again(built: Project) -> None:
    built.remove("results/raw")
    assert "Nothing to be done" in built.snakemake("all")


def test_a_new_seed_trains_itself_alone_and_renders_anew(built: Project) -> None:
    runs, trained, old = built.hashes("results/studies/default/runs"), built.trainings(), markers(built)
    built.study(seeds=[1, 2, 3, 4])
    built.snakemake("all")
    after = built.hashes("results/studies/default/runs")
    assert {path: after[path] for path in runs} == runs
    assert {Path(path).stem for path in set(after) - set(runs)} == {"seed=4"}
    now = built.trainings()
    assert {path: now[path] for path in trained} == trained
    assert all("seed=4" in path for path in set(now) - set(trained))
    assert len(markers(built)) == 1
    assert not markers(built) & old


def test_a_learning_rate_there_and_back_trains_once_each(built: Project) -> None:
    first, trained = built.hashes("results/studies/default/runs"), built.trainings()
    built.study(training={**TINY["training"], "learning_rate": 0.01})
    built.snakemake("trained")
    between = built.trainings()
    assert len(between) == 2 * len(trained)
    built.study()
    built.run("posrec", "prune")
    built.snakemake("trained")
    assert built.trainings() == between
    assert built.hashes("results/studies/default/runs") == first


def test_a_run_deleted_by_hand_comes_back_from_the_store_with_the_same_bytes(built: Project) -> None:
    before, trained = built.hashes(), built.trainings()
    lost = built.runs()[4]
    built.remove(lost)
    built.snakemake("trained")
    assert built.hashes() == before
    assert built.trainings() == trained


def test_without_the_store_it_is_trained_again_to_the_same_bytes(built: Project) -> None:
    before = built.hashes("results/studies/default/runs")
    lost = built.runs()[4]
    built.remove(lost)
    built.remove(".cache")
    built.snakemake("trained")
    assert built.hashes("results/studies/default/runs") == before
    assert len({Path(path).parts[:2] for path in built.trainings()}) == 1


def test_a_new_encoding_trains_its_cell_alone(built: Project) -> None:
    runs, trained = built.hashes("results/studies/default/runs"), built.trainings()
    built.study(encodings=["none", "rope", "abs"])
    built.snakemake("trained")
    after = built.hashes("results/studies/default/runs")
    assert {path: after[path] for path in runs} == runs
    assert {Path(path).parts[5] for path in set(after) - set(runs)} == {"abs"}
    now = built.trainings()
    assert {path: now[path] for path in trained} == trained
    assert len({Path(path).parts[:2] for path in set(now) - set(trained)}) == 3


def test_touched_files_and_comments_in_code_train_nothing(built: Project) -> None:
    """Prepared data older than the runs, then newer; comments where training and its rules are written."""
    before, trained = built.hashes(), built.trainings()
    for days in (-30, 30):
        built.touch("results/studies/default/data", days)
        built.touch("results/raw", days)
    built.touch("params.yaml", 30)
    for path in (
        "src/posrec/model/train.py",
        "src/posrec/model/evaluate/score.py",
        "src/posrec/data/prepare/prepare.py",
    ):
        built.edit(path)
    built.edit("workflow/rules/train.smk")
    assert "Training" not in built.snakemake("all")
    built.touch("results/studies/default/runs", 30)
    assert "Training" not in built.snakemake("all")
    assert built.trainings() == trained
    assert built.hashes() == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("src/posrec/data/prepare/prepare.py", "ends - 2, -1)", "ends - 1, -1)"),
        ("src/posrec/model/optimiser.py", "(step + first) / warm_up", "(step + 2) / warm_up"),
        ("src/posrec/data/prepare/candidates.py", "in streams)", "in streams[::-1])"),
    ],
)
def test_a_change_of_results_fails_its_guard(fresh: Project, path: str, old: str, new: str) -> None:
    """Without raising its version in versions.py."""
    guards = ("tests/data/test_golden.py", "tests/model/test_golden.py")
    fresh.edit(path, old, new)
    done = fresh.run("python", "-m", "pytest", *guards, "-x", check=False)
    assert done.returncode == 1, done.stdout
    assert "failed" in done.stdout


def test_another_study_takes_its_runs_from_the_store_and_disturbs_nothing(built: Project) -> None:
    trained, before = built.trainings(), built.hashes()
    built.study("studies/other.yaml", study="other", encodings=["none"])
    built.snakemake("trained", "--configfile", "studies/other.yaml")
    assert built.trainings() == trained
    assert len(list((built.folder / "results/studies/other/runs").rglob("seed=*.json"))) == 6
    others = built.hashes("results/studies/other")
    built.run("posrec", "prune")
    built.run("posrec", "prune", "studies/other.yaml")
    assert built.hashes() == before
    assert built.hashes("results/studies/other") == others


def test_changed_evaluation_settings_train_nothing_when_weights_were_kept(fresh: Project) -> None:
    kept = {**TINY["training"], "keep_weights": True}
    fresh.study(training=kept, deviation_seeds=[])
    fresh.snakemake("trained")
    weights = {path: time for path, time in fresh.trainings().items() if path.endswith(".pt")}
    assert weights
    fresh.study(training=kept, deviation_seeds=[], evaluation={"negatives": 5, "candidates_seed": 0})
    assert "6" in next(
        line for line in fresh.run("posrec", "plan", "--no-calibration").stdout.splitlines() if line.startswith("toy")
    )
    fresh.snakemake("trained")
    assert {path: time for path, time in fresh.trainings().items() if path.endswith(".pt")} == weights


def test_a_changed_plot_function_draws_that_figure_anew_and_trains_nothing(built: Project) -> None:
    before, trained = built.hashes(), built.trainings()
    built.edit(
        "src/posrec/analysis/topics/learning_curves.py", 'set_xlabel("epoch")', 'set_xlabel("epochs since the begin")'
    )
    assert "Training" not in built.snakemake("all")
    assert built.trainings() == trained
    after = built.hashes()
    changed = {Path(path).name for path in before if after.get(path) != before[path] and "analysis=" not in path}
    assert changed == {"learning_curves.svg", "learning_curves.png", "report.html"}


@pytest.mark.parametrize("change", ["code", "setting"])
def test_a_changed_analysis_renders_anew_and_trains_nothing(built: Project, change: str) -> None:
    runs, trained, old = built.hashes("results/studies/default/runs"), built.trainings(), markers(built)
    if change == "code":
        built.edit("src/posrec/analysis/stats/stability.py")
    else:
        built.study(report={"title": "A new title", "stability": True})
    output = built.snakemake("all")
    assert "Drawing the figures" in output
    assert "Training" not in output
    assert built.trainings() == trained
    assert built.hashes("results/studies/default/runs") == runs
    assert len(markers(built)) == 1
    assert not markers(built) & old
    if change == "setting":
        assert "A new title" in (built.folder / "results/studies/default/report.html").read_text()
