"""DVC as people use it: kills, older revisions, experiments, metrics, plots, gc."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests import ledger
from tests.workflow.fixtures import commit
from tests.workflow.project import TINY, Project

pytestmark = pytest.mark.workflow
FASTER = {**TINY["training"], "learning_rate": 0.01}


def learning_rates(project: Project) -> set[float]:
    return {json.loads(path.read_text())["settings"]["training"]["learning_rate"] for path in project.runs()}


def test_a_clone_without_a_remote_reproduces_the_same_files(clone: Project, reproduced: Project) -> None:
    clone.run("dvc", "remote", "remove", "storage")
    assert clone.run("dvc", "pull", check=False).returncode != 0
    clone.run("dvc", "repro")
    assert clone.hashes() == reproduced.hashes()
    clone.run("git", "checkout", "--quiet", ".dvc/config")
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_repro_after_a_kill_takes_the_dead_lock_and_goes_on(clone: Project, reproduced: Project) -> None:
    """kill -9 of dvc, snakemake and its jobs, once the first run is trained."""
    process = clone.start("dvc", "repro")
    while not clone.runs():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    clone.signal(process, signal.SIGKILL, whole_group=True)
    process.wait()
    assert "removed the lock of" in clone.run("dvc", "repro").stdout
    assert clone.hashes() == reproduced.hashes()
    assert clone.run("git", "status", "--porcelain").stdout == ""


@pytest.fixture(scope="module")
def two_revisions(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The learning rate was changed, reproduced and committed: copy it, don't change it."""
    project = reproduced.copy(tmp_path_factory.mktemp("two_revisions") / "project")
    project.study(training=FASTER)
    project.run("dvc", "repro")
    commit(project, "faster")
    return project


@pytest.fixture
def history(two_revisions: Project, tmp_path: Path) -> Project:
    """A copy of the two revisions."""
    return two_revisions.copy(tmp_path / "project")


def test_an_older_revision_is_checked_out_and_trains_nothing(history: Project, reproduced: Project) -> None:
    history.run("git", "checkout", "--quiet", "HEAD~1")
    history.run("dvc", "checkout")
    assert history.hashes() == reproduced.hashes()
    assert "Data and pipelines are up to date" in history.run("dvc", "repro").stdout
    assert "Training" not in history.snakemake("all")
    assert history.hashes() == reproduced.hashes()


def test_an_older_revision_without_dvc_checkout_trains_nothing_either(history: Project, reproduced: Project) -> None:
    """`git checkout` alone leaves the newer results in place; their ids do not fit; the store has the older ones."""
    history.run("git", "checkout", "--quiet", "HEAD~1")
    history.run("dvc", "repro")
    assert ledger.trained_so_far() == 0
    assert history.hashes() == reproduced.hashes()
    assert history.run("git", "status", "--porcelain").stdout == ""


def test_metrics_and_plots_are_compared_between_revisions(history: Project) -> None:
    changed = json.loads(history.run("dvc", "metrics", "diff", "--json", "HEAD~1").stdout)
    assert "metrics/default/metrics.json" in changed
    history.run("dvc", "plots", "show", "--out", "shown")
    assert "learning_curves_csv" in (history.folder / "shown/index.html").read_text()
    history.run("dvc", "plots", "diff", "--out", "compared", "HEAD~1")
    assert "HEAD~1" in (history.folder / "compared/index.html").read_text()


def test_an_experiment_is_trained_and_taken_back(clone: Project, reproduced: Project) -> None:
    clone.run("dvc", "pull")
    clone.run("dvc", "exp", "run", "--name", "faster", "--set-param", "training.learning_rate=0.01")
    assert learning_rates(clone) == {0.01}
    assert len(clone.runs()) == len(reproduced.runs())
    shown = clone.run("dvc", "exp", "show", "--csv").stdout
    assert "faster" in shown
    clone.run("git", "checkout", "--quiet", "--", ".")
    clone.run("dvc", "checkout")
    assert clone.hashes() == reproduced.hashes()
    trained = ledger.trained_so_far()
    clone.run("dvc", "exp", "apply", "faster")
    assert learning_rates(clone) == {0.01}
    assert "Training" not in clone.snakemake("all")
    assert ledger.trained_so_far() == trained


def test_gc_frees_the_cache_and_loses_nothing(history: Project, reproduced: Project) -> None:
    """The cache loses the older revision; its runs are in posrec's store, and give the same bytes again."""
    before = history.hashes()
    cache = history.folder / ".dvc/cache"
    files = sum(path.is_file() for path in cache.rglob("*"))
    history.run("dvc", "gc", "--workspace", "--force")
    assert sum(path.is_file() for path in cache.rglob("*")) < files
    assert "Data and pipelines are up to date" in history.run("dvc", "repro").stdout
    assert history.hashes() == before
    history.study()
    history.run("dvc", "repro")
    assert ledger.trained_so_far() == 0
    assert history.hashes() == reproduced.hashes()
    assert (history.folder / "dvc.lock").read_bytes() == (reproduced.folder / "dvc.lock").read_bytes()


def test_another_study_has_its_own_stages_and_disturbs_nothing(clone: Project, reproduced: Project) -> None:
    """Its stages, its lock, its folder; the runs that both plan are trained once."""
    clone.run("dvc", "repro")
    lock = (clone.folder / "dvc.lock").read_bytes()
    trained = ledger.trained_so_far()
    path = clone.study("studies/other.yaml", study="other", encodings=["none"])
    clone.run("posrec", "dvc", "studies/other.yaml")
    clone.run("dvc", "repro", "studies/other/dvc.yaml")
    assert ledger.trained_so_far() == trained
    assert (path.parent / "other/dvc.lock").exists()
    assert (clone.folder / "dvc.lock").read_bytes() == lock
    assert clone.hashes() == reproduced.hashes()
    assert "Data and pipelines are up to date" in clone.run("dvc", "repro").stdout
    assert "Data and pipelines are up to date" in clone.run("dvc", "repro", "studies/other/dvc.yaml").stdout
    assert "results/studies/other" in clone.run("dvc", "metrics", "show").stdout
