"""A real Slurm of one node: a cancelled job, a drained node, and the same bytes as on one machine."""

import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests import ledger
from tests.workflow.project import ROOT, Project

pytestmark = pytest.mark.workflow
SCRIPTS = ROOT / "tests/slurm"
NODE = platform.node().split(".")[0]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
PATIENCE = 240  # seconds for any one step: a busy machine is no failure
# The first job that trains says that it runs, and waits to be cancelled.
STUCK_ONCE = "if [[ $1 == train ]] && mkdir stuck 2>/dev/null; then sleep 900; fi"
QUICK = ("--seconds-between-status-checks", "2", "--latency-wait", "30")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Slurm on this machine until the module's tests end."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"Slurm can't be started here: {', '.join(missing) or 'root'} is missing (see tests/slurm/start)")
    folder = str(tmp_path_factory.mktemp("slurm"))
    started = subprocess.run([SCRIPTS / "start", folder], capture_output=True, text=True, timeout=PATIENCE)
    if "another Slurm's" in started.stderr:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    try:
        yield
    finally:
        subprocess.run([SCRIPTS / "stop", folder], check=True, timeout=PATIENCE)


@pytest.fixture
def start(fresh: Project, slurm: None) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command, and end it and its jobs when the test fails half way."""
    started: list[subprocess.Popen[str]] = []

    def run(*command: str) -> subprocess.Popen[str]:
        started.append(fresh.start(*command))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    subprocess.run(["scancel", "--user=root"], check=False, timeout=60)


def queue(*states: str) -> list[str]:
    """Numbers of Slurm's jobs in these states."""
    command = ["squeue", "--noheader", "--format=%A", f"--states={','.join(states)}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def slurm_command(*command: str) -> None:
    """A command to Slurm, as a step of the scenario."""
    ledger.note(f"`{' '.join(command).replace(NODE, 'NODE')}`")
    subprocess.run(command, check=True, timeout=60)


def wait_for(reached: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is reached while snakemake runs."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "not reached"
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("profile", "options"), [("slurm", ("--slurm-init-seconds-before-status-checks", "2")), ("generic", ())]
)
def test_a_cancelled_job_and_a_drained_node_leave_the_study_complete_and_the_same(
    fresh: Project,
    finished: Project,
    wrap_posrec: Callable[[Project, str], None],
    start: Callable[..., subprocess.Popen[str]],
    profile: str,
    options: tuple[str, ...],
) -> None:
    """The node is drained before the job is cancelled: what is sent again must wait, until the node is back."""
    wrap_posrec(fresh, STUCK_ONCE)
    process = start("snakemake", "--workflow-profile", f"workflow/profiles/{profile}", *QUICK, *options, "all")
    wait_for((fresh.folder / "stuck").exists, process)
    stuck = queue("RUNNING")
    assert stuck
    slurm_command("scontrol", "update", f"nodename={NODE}", "state=drain", "reason=test")
    slurm_command("scancel", *stuck)
    wait_for(lambda: queue("PENDING") and not queue("RUNNING", "COMPLETING"), process)
    assert fresh.runs() == []  # nothing trains on a drained node
    slurm_command("scontrol", "update", f"nodename={NODE}", "state=resume")
    output = fresh.finish(process, {})
    assert process.returncode == 0, output
    assert "Trying to restart job" in output
    assert fresh.hashes() == finished.hashes()
