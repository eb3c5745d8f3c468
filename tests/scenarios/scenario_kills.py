"""Fifty kills at random moments: the end is that of an undisturbed run, and nothing finished is lost."""

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from posrec.files import sha256
from tests import ledger
from tests.workflow.project import PATIENCE, Project

pytestmark = pytest.mark.workflow
KILLS = 51
LATEST = 12.0  # seconds after the start: a whole study takes about twice as long
PROGRAMS = ("posrec", "snakemake", "dvc")


def finished_files(project: Project) -> dict[Path, str]:
    """sha256 of every file of the store; what is being written has another name."""
    files = [path for path in project.store.glob("runs/*/seed=*/*") if not path.name.startswith(".")]
    return {path: sha256(path) for path in files}


def program(process: psutil.Process) -> str | None:
    """Which of the programs a process is."""
    try:
        words = [Path(word).name for word in process.cmdline()[:3]]
    except psutil.Error:
        return None
    return next((name for name in PROGRAMS if name in words), None)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A process that was started and all below it, as they are now."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def wait_for_program(process: subprocess.Popen[str], wanted: str, delay: float, extra: float) -> None:
    """Wait for a moment, then for a program to run, then once more."""
    end = time.monotonic() + delay
    while process.poll() is None and (time.monotonic() < end or wanted not in map(program, family(process))):
        time.sleep(0.02)
    time.sleep(extra)


def kill_one(process: subprocess.Popen[str], wanted: str) -> tuple[str | None, list[psutil.Process]]:
    """kill -9 of the wanted program if it runs, else of dvc. Returns what was killed, and who was there."""
    there = family(process)
    named = {name: victim for victim in there if (name := program(victim))}
    name = wanted if wanted in named else "dvc"
    if process.poll() is not None or name not in named:
        return None, there
    named[name].send_signal(signal.SIGKILL)
    return name, there


def settle(process: subprocess.Popen[str], there: list[psutil.Process], choice: random.Random) -> str:
    """After a kill: what hangs on is left to end, or is killed as well."""
    if choice.random() < 0.5:
        for other in there[1:]:
            try:
                other.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
    output = process.communicate(timeout=PATIENCE)[0]  # the pipe closes when the last of them ends
    psutil.wait_procs(there, timeout=PATIENCE)
    return output


def follow(project: Project, output: str) -> bool:
    """Type what a refused run says: a kill between Snakemake's lock and the holder's file leaves the lock alone."""
    if "type: posrec unlock --force" not in output:
        return False
    project.run("posrec", "unlock", "--force")
    return True


def start_over(project: Project) -> None:
    """From nothing again: no results, no store, and no cache from which DVC could take them."""
    for name in ("results", ".cache", ".dvc/cache", ".dvc/tmp", "logs"):
        shutil.rmtree(project.folder / name, ignore_errors=True)


def test_kills_at_random_moments_change_nothing(clone: Project, reproduced: Project) -> None:
    choice = random.Random(20240601)
    killed: Counter[str] = Counter()
    studies = typed = 0
    before: dict[Path, str] = {}
    while killed.total() < KILLS:
        process = clone.start("dvc", "repro", note=False)
        delay, extra, wanted = choice.uniform(0, LATEST), choice.uniform(0, 1), choice.choice(PROGRAMS)
        wait_for_program(process, wanted, delay, extra)
        name, there = kill_one(process, wanted)
        output = settle(process, there if name else [], choice)
        after = finished_files(clone)
        assert before.items() <= after.items(), "a finished training was lost or changed"
        before = after
        if name:
            killed[name] += 1
        elif process.returncode == 0:
            assert clone.hashes() == reproduced.hashes()
            studies += 1
            start_over(clone)
            before = {}
        else:
            assert follow(clone, output), output
            typed += 1
    done = clone.run("dvc", "repro", check=False)
    if done.returncode:
        assert follow(clone, done.stdout), done.stdout
        clone.run("dvc", "repro")
    ledger.note(f"in all kill -9 of {', '.join(f'{number} {name}' for name, number in sorted(killed.items()))}")
    ledger.note(f"over {studies + 1} studies from nothing, {typed} times `posrec unlock --force` as told")
    assert clone.hashes() == reproduced.hashes()
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert set(killed) == set(PROGRAMS)
