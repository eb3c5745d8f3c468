"""Faults of a cluster on a real Slurm of one node: memory, time, limits, the controller; and the generic profile."""

import subprocess
import time
from pathlib import Path

import pytest

from tests import ledger
from tests.workflow.project import BIN, ROOT, Project
from tests.workflow.slurm import (
    LONG,
    SNAKEMAKE,
    Start,
    Wrap,
    kill_controller,
    queue,
    restart_controller,
    slurm,
    slurm_command,
    start,
    wait_for,
    wait_until_saved,
)

__all__ = ["slurm", "start"]  # fixtures
pytestmark = pytest.mark.workflow
# The first job that trains says that it runs, and then ...
ONCE = "if [[ $1 == train ]] && mkdir stuck 2>/dev/null; then {}; fi"
WAITS = ONCE.format("sleep 900")
WAITS_FOR_US = ONCE.format("while [[ ! -e go_on ]]; do sleep 0.2; done")
EATS = ONCE.format("""exec python3 -c 'import time; held = b"x" * (4500 << 20); time.sleep(900)'""")
DOWN = 20  # seconds without a controller: Snakemake asks for its jobs several times
LIMIT = 2  # minutes; of a single one six seconds would be left for the end of a job, which on a busy machine takes them
ONE_RUN = {
    "encodings": ["rope"],
    "seeds": [1],
    "deviation_seeds": [],
    "training": {"learning_rate": 0.001, "epochs": 110, "batch_size": 32, "patience": 110},
    "report": {"stability": False},
}
SLOW = f'if [[ $1 == train ]]; then exec {BIN}/python {ROOT}/tests/scenarios/slow_training.py 1 "$@"; fi'
GENERIC = ("snakemake", "--workflow-profile", "workflow/profiles/generic", "--seconds-between-status-checks", "2")


def ended(process: subprocess.Popen[str], project: Project, like: Project, patience: float = LONG) -> str:
    """Wait for the end: the study is complete, and the bytes are those of one machine."""
    output = project.finish(process, {}, patience)
    assert process.returncode == 0, output
    assert project.hashes() == like.hashes()
    return output


def trainings(project: Project, shown: str) -> list[str]:
    """What Slurm says of each job of the project that trains or trained, the first attempt first."""
    lines = [line.split("|") for line in queue("all", shown=f"%Z|%k|{shown}")]
    return [line[2] for line in lines if line[0] == str(project.folder) and "train" in line[1]]


def test_a_cancelled_job_is_sent_again_by_the_generic_profile(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start
) -> None:
    wrap_posrec(fresh, WAITS)
    process = start(*GENERIC, "all")
    wait_for((fresh.folder / "stuck").exists, process)
    slurm_command("scancel", *queue("RUNNING"))
    assert "Trying to restart job" in ended(process, fresh, finished)


def test_a_job_over_its_memory_is_sent_again_with_more(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start
) -> None:
    wrap_posrec(fresh, EATS)
    output = ended(start(*SNAKEMAKE, "all"), fresh, finished)
    assert "Trying to restart job" in output
    states, memory = trainings(fresh, "%T"), trainings(fresh, "%m")
    assert states[0] in ("OUT_OF_MEMORY", "CANCELLED", "FAILED"), states
    assert states[1] == "COMPLETED", states
    assert float(memory[1].rstrip("M")) > float(memory[0].rstrip("M")), memory


def test_a_job_over_its_time_is_sent_again_with_more(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start
) -> None:
    """A training asks for half an hour at least, so its limit is cut here; the second attempt asks for twice that."""
    wrap_posrec(fresh, WAITS)
    process = start(*SNAKEMAKE, "all")
    wait_for((fresh.folder / "stuck").exists, process)
    (stuck,), asked = trainings(fresh, "%A"), trainings(fresh, "%l")
    slurm_command("scontrol", "update", f"jobid={stuck}", "timelimit=1")
    assert "Trying to restart job" in ended(process, fresh, finished)
    assert trainings(fresh, "%T") == ["TIMEOUT", "COMPLETED"]
    assert asked == ["30:00"]
    assert trainings(fresh, "%l")[1] == "1:00:00"


def test_a_run_longer_than_the_limit_is_one_job_that_goes_on_at_each_retry(
    fresh: Project, wrap_posrec: Wrap, start: Start, tmp_path: Path
) -> None:
    """The run waits a second after each of its 220 steps: more than two limits. The rule's own retries are enough."""
    fresh.study(**ONE_RUN)
    fresh.snakemake("data")
    local = fresh.copy(tmp_path / "local")
    local.snakemake("all")
    wrap_posrec(fresh, SLOW)
    fresh.environment["POSREC_TIME_LIMIT"] = str(LIMIT)
    ledger.note(f"`export POSREC_TIME_LIMIT={LIMIT}`")
    output = ended(start(*SNAKEMAKE, "--retries", "0", "all"), fresh, local, 2 * LONG)
    states = trainings(fresh, "%T")
    assert states[-1] == "COMPLETED", states
    assert set(states[:-1]) == {"FAILED"}, states  # by itself: Slurm ended none, which were TIMEOUT
    assert len(states) > 2, states
    assert output.count("the job's time is nearly over; saved in") == len(states) - 1
    assert set(trainings(fresh, "%l")) == {f"{LIMIT}:00"}
    assert len(set(trainings(fresh, "%m"))) == 1  # what goes on needs no more memory


def test_a_killed_controller_that_comes_back_costs_nothing(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start, slurm: Path
) -> None:
    wrap_posrec(fresh, WAITS_FOR_US)
    process = start(*SNAKEMAKE, "all")
    wait_for((fresh.folder / "stuck").exists, process)
    wait_until_saved(process)
    kill_controller(slurm)
    (fresh.folder / "go_on").touch()  # the job ends while nobody counts
    time.sleep(DOWN)
    wait_for(lambda: len(fresh.runs()) == len(finished.runs()), process)
    restart_controller(slurm)
    ended(process, fresh, finished)
    assert trainings(fresh, "%T") == ["COMPLETED"]
