"""Faults: a kill, an interrupt, a second workflow, a damaged file, a job that fails."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .project import PATIENCE, TINY, Project

pytestmark = pytest.mark.workflow
Wrap = Callable[[Project, str], None]
Start = Callable[..., subprocess.Popen[str]]
RUNS = "results/studies/default/runs"
MAKE_ALL = ("make", "-o", ".venv/.installed", "all")  # `make all` in this environment: it installs none of its own
PAUSE_IN_TRAINING = "if [[ $1 == train ]]; then touch reached; while [[ ! -e go_on ]]; do sleep 0.1; done; fi"


@pytest.fixture
def start(fresh: Project) -> Iterator[Start]:
    """Start a command in a session of its own, and kill what is left of it at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(*command: str) -> subprocess.Popen[str]:
        started.append(fresh.start(*command))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(reached: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is reached while a process runs."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "not reached"
        time.sleep(0.05)


def half_files(project: Project) -> list[Path]:
    return [path for part in ("results", ".cache") for path in (project.folder / part).rglob(".*.tmp")]


def kill(fresh: Project, process: subprocess.Popen[str]) -> None:
    """kill -9 of snakemake and all its jobs."""
    fresh.signal(process, signal.SIGKILL, whole_group=True)
    process.wait()
    fresh.environment.clear()


def test_after_a_kill_in_prepare_everything_is_built(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start
) -> None:
    """Killed between the two files of a prepared data set."""
    data = fresh.folder / "results/studies/default/data"
    wrap_posrec(
        fresh,
        '[[ $1 != prepare ]] || { "$POSREC" "$@"; rm results/studies/*/data/*/*/*.json; touch reached; sleep 60; }',
    )
    process = start("snakemake", "--cores", "1", "all")
    wait_for((fresh.folder / "reached").exists, process)
    kill(fresh, process)
    assert next(data.rglob("dataset.npz"), None)
    done = fresh.run(*MAKE_ALL)
    assert "removed the lock of" in done.stdout
    assert "posrec: the report is results/studies/default/report.html" in done.stdout
    assert fresh.hashes() == finished.hashes()


def test_after_a_kill_in_training_only_the_rest_is_trained(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start
) -> None:
    wrap_posrec(fresh, 'if [[ $1 == train ]]; then "$POSREC" "$@" --seed 1; touch reached; sleep 60; fi')
    process = start("snakemake", "--cores", "1", "trained")
    wait_for((fresh.folder / "reached").exists, process)
    kill(fresh, process)
    trained = fresh.trainings()
    assert {path.stem for path in fresh.runs()} == {"seed=1"}
    fresh.run("posrec", "unlock")
    fresh.snakemake("trained")
    assert fresh.hashes(RUNS) == finished.hashes(RUNS)
    now = fresh.trainings()
    assert {path: now[path] for path in trained} == trained


def test_a_second_workflow_is_refused_and_the_first_goes_on(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start
) -> None:
    wrap_posrec(fresh, PAUSE_IN_TRAINING)
    first = start("snakemake", "--cores", "1", "trained")
    wait_for((fresh.folder / "reached").exists, first)
    assert "cannot be locked" in fresh.snakemake("trained", check=False)
    for command in (("posrec", "unlock"), ("posrec", "prune"), MAKE_ALL):
        done = fresh.run(*command, check=False)
        assert done.returncode == 2
        assert f"in use by process {first.pid} on " in done.stdout
        assert "wait for it, or stop it" in done.stdout
    (fresh.folder / "go_on").touch()
    fresh.finish(first, {})
    assert first.returncode == 0
    assert fresh.hashes(RUNS) == finished.hashes(RUNS)
    assert not list((fresh.folder / ".snakemake/posrec-holders").iterdir())


def test_without_snakemakes_lock_the_holder_still_refuses_a_second_workflow(
    fresh: Project, wrap_posrec: Wrap, start: Start
) -> None:
    """Snakemake checks and takes its lock in two steps, and removes everyone's when one workflow ends."""
    wrap_posrec(fresh, PAUSE_IN_TRAINING)
    first = start("snakemake", "--cores", "1", "trained")
    wait_for((fresh.folder / "reached").exists, first)
    fresh.remove(".snakemake/locks")
    output = fresh.snakemake("trained", check=False)
    assert f"in use by process {first.pid} on " in output
    assert "Traceback" not in output
    assert first.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupt_leaves_no_half_file_and_says_how_to_go_on(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start, number: signal.Signals
) -> None:
    """Ctrl-C reaches every process of the terminal; a cluster's cancel is SIGTERM."""
    wrap_posrec(fresh, 'if [[ $1 == train ]]; then "$POSREC" "$@" --seed 1; touch reached; fi')
    process = start("snakemake", "--cores", "1", "trained")
    wait_for((fresh.folder / "reached").exists, process)
    fresh.signal(process, number, whole_group=number == signal.SIGINT)
    output = fresh.finish(process, {})
    assert process.returncode != 0
    assert "inished work is kept" in output
    assert "run the same command again" in output
    assert half_files(fresh) == []
    fresh.environment.clear()
    fresh.snakemake("trained")
    assert fresh.hashes(RUNS) == finished.hashes(RUNS)


def test_a_damaged_prepared_data_set_is_named_not_used(built: Project) -> None:
    (arrays,) = (built.folder / "results/studies/default/data").rglob("dataset.npz")
    built.damage(arrays)
    built.study(seeds=[1, 2, 3, 4])
    done = built.run("snakemake", "--cores", "1", "all", check=False)
    assert done.returncode != 0
    assert "dataset.npz: the checksum does not match" in done.stdout
    assert "run the same command again" in done.stdout


def test_a_failing_batch_keeps_what_it_trained_and_the_others_go_on(built: Project, wrap_posrec: Wrap) -> None:
    """Seed 4 of the first batch fails after the others of it; the second data set is trained all the same."""
    toy = TINY["datasets"]["toy"]
    more = {"toy": toy, "second": {**toy, "k_core": 2}}
    runs = built.hashes("results/studies/default/runs")
    built.study(seeds=[1, 2, 3, 4], datasets=more)
    wrap_posrec(
        built,
        'if [[ "$*" == *toy-1* ]]; then "$POSREC" "$@" --encoding none; echo "no room on the device"; exit 1; fi',
    )
    done = built.run("snakemake", "--cores", "1", "trained", check=False)
    assert done.returncode != 0
    assert "no room on the device" in done.stdout
    after = built.hashes("results/studies/default/runs")
    assert {path: after[path] for path in runs} == runs
    names = {Path(path).parts[4:6] for path in set(after) - set(runs)}
    assert names == {("toy", "none"), ("second", "none"), ("second", "rope")}
    trained = built.trainings()
    built.environment.clear()
    built.snakemake("trained")
    now = built.trainings()
    assert {path: now[path] for path in trained} == trained
    assert {Path(path).stem for path in built.hashes("results/studies/default/runs")} >= {"seed=4"}
