"""A real Slurm of one node, for the tests that ask for it: import `slurm` and `start`."""

import fcntl
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests import ledger

from .project import ROOT, Project

SCRIPTS = ROOT / "tests/slurm"
CONFIG = Path("/etc/slurm/slurm.conf")
LOCK = Path("/run/lock/posrec-slurm-tests")  # one Slurm a machine: its configuration has one place
NODE = platform.node().split(".")[0]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
PATIENCE = 600  # seconds per step: a busy machine is not a failure
LONG = 900  # and for a whole study
SAVED = 7  # seconds without a change of a job after which the controller has saved its state
# Looks at the queue more often than on a real cluster.
QUICK = ("--seconds-between-status-checks", "2", "--slurm-init-seconds-before-status-checks", "2")
SNAKEMAKE = ("snakemake", "--workflow-profile", "workflow/profiles/slurm", *QUICK, "--latency-wait", "30")
Start = Callable[..., subprocess.Popen[str]]
Wrap = Callable[[Project, str], None]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Slurm on this machine until the module's tests end; the folder of its state and logs."""
    yield from slurm_of(tmp_path_factory.mktemp("slurm"))


def slurm_of(folder: Path, cpus: int | None = None) -> Iterator[Path]:
    """Slurm with its state and logs in a folder, and a node of so many cores; those of this machine for None."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"Slurm can't be started here: {', '.join(missing) or 'root'} is missing (see tests/slurm/start)")
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        _take(lock)
        command = [SCRIPTS / "start", folder, str(os.getpid()), *([str(cpus)] if cpus else [])]
        started = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        if "another Slurm's" in started.stderr:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        try:
            yield folder
        finally:
            subprocess.run([SCRIPTS / "stop", folder], check=True, timeout=PATIENCE)


def _take(lock: IO[str]) -> None:
    """Wait for the tests of another checkout that use Slurm now; the lock goes with the process that has it."""
    end = time.monotonic() + 2 * PATIENCE
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                pytest.skip("Slurm can't be started here: other tests have used it for minutes")
            time.sleep(1)


@pytest.fixture
def start(fresh: Project, slurm: Path) -> Iterator[Start]:
    """Start a command, and end it and Slurm's jobs when the test fails half way."""
    started: list[subprocess.Popen[str]] = []

    def run(*command: str) -> subprocess.Popen[str]:
        started.append(fresh.start(*command))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if any("drain" in line for line in _states()):
        subprocess.run(["scontrol", "update", f"nodename={NODE}", "state=resume"], check=False, timeout=60)
    subprocess.run(["scancel", "--user=root"], check=False, timeout=60)


def _states() -> list[str]:
    command = ["sinfo", "--noheader", "--format=%T"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.splitlines()


def queue(*states: str, shown: str = "%A") -> list[str]:
    """A line for each of Slurm's jobs in these states ("all": ended ones too): their numbers, or another format."""
    command = ["squeue", "--noheader", "--sort=i", f"--format={shown}", f"--states={','.join(states)}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def slurm_command(*command: str) -> None:
    """A command to Slurm, as a step of the scenario."""
    said = [word.rpartition("/")[2].replace(NODE, "NODE") for word in command]  # no folder of this machine
    ledger.note(f"`{' '.join(said)}`")
    subprocess.run(command, check=True, timeout=60)


def wait_for(reached: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is reached while snakemake runs."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "not reached"
        time.sleep(0.2)


def wait_until_saved(process: subprocess.Popen[str]) -> None:
    """Wait until no job has changed for a while: the controller saves its state up to five seconds after a change."""
    last: list[str] = []
    changed = time.monotonic()

    def calm() -> bool:
        nonlocal last, changed
        now = queue("all", shown="%A %T")
        if now != last:
            last, changed = now, time.monotonic()
        return time.monotonic() - changed > SAVED

    wait_for(calm, process)


def kill_controller(slurm: Path) -> None:
    """SIGKILL to slurmctld, as a step of the scenario. What it has not saved is lost: see wait_until_saved."""
    ledger.note("`kill -9` of slurmctld")
    os.kill(int((slurm / "run/slurmctld.pid").read_text()), signal.SIGKILL)


def restart_controller(slurm: Path) -> None:
    """And its return, with the state that it saved."""
    slurm_command("slurmctld", "-f", str(slurm / "slurm.conf"))
