"""Which of Slurm's programs reports the state of jobs; small programs replace them, as no accounting runs here."""

import subprocess
from pathlib import Path

import pytest

from .project import ROOT

FOLDER = ROOT / "workflow/profiles/slurm/bin"
ASKED = ("sacct", "-X", "--format=JobIdRaw,State", "--name", "some-run")


@pytest.mark.parametrize(
    ("sacct", "squeue", "status", "said"),
    [
        ("echo '7|RUNNING'", "exit 1", 0, "7|RUNNING\n"),  # accounting outlives the controller
        ("exit 1", 'echo "7|$*"', 0, "7|--noheader --states=all --format=%i|%T --name=some-run\n"),
        ("exit 1", "exit 1", 1, ""),  # no accounting and no controller: the executor asks again
    ],
)
def test_squeue_is_asked_where_there_is_no_accounting(
    sacct: str, squeue: str, status: int, said: str, tmp_path: Path
) -> None:
    for name, script in (("sacct", sacct), ("squeue", squeue)):
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{FOLDER}:{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(ASKED, env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (status, said)
