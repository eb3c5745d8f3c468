"""The profile for GPUs on a real Slurm, whose node claims one that is not there: which jobs ask, and what they say."""

import re
import subprocess

import pytest

from tests.workflow.project import TINY, Project
from tests.workflow.slurm import LONG, QUICK, Start, queue, slurm, start

__all__ = ["slurm", "start"]  # fixtures
pytestmark = pytest.mark.workflow
PROFILE = ("--workflow-profile", "workflow/profiles/slurm-gpu", "--latency-wait", "30", "--retries", "0")


@pytest.mark.usefixtures("slurm")
def test_trainings_alone_are_sent_to_a_gpu_and_say_that_there_is_none(fresh: Project, start: Start) -> None:
    fresh.study(training={**TINY["training"], "numerics": {"device": "cuda"}})
    output = fresh.finish(start("snakemake", *PROFILE, *QUICK, "all"), {}, LONG)
    lines = [line.split("|") for line in queue("all", shown="%Z|%k|%P|%T|%A")]
    jobs = [(*line[1:4], "gpu:1" in asked(line[4])) for line in lines if line[0] == str(fresh.folder)]
    trained = [job for job in jobs if "train" in job[0]]
    assert [job[1:] for job in trained] == [("gpu", "FAILED", True)] * 2, output
    assert {job[1:] for job in jobs if job not in trained} == {("cpu", "COMPLETED", False)}
    logs = [path.read_text() for path in (fresh.folder / "logs/default/train").iterdir()]
    assert len(logs) == 2
    assert all(
        "posrec: training.numerics.device: cuda, but this torch is a build for the CPU alone" in log for log in logs
    )
    assert fresh.runs() == []


def asked(job: str) -> str:
    """What a job of Slurm asked for besides cores, memory and time."""
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True, timeout=60)
    return " ".join(re.findall(r"\bTresPer\w+=(\S+)", shown.stdout))
