"""A real Slurm of one node: a cancelled job, a drained node, and the same bytes as on one machine."""

import pytest

from .project import Project
from .slurm import LONG, NODE, SNAKEMAKE, Start, Wrap, queue, slurm, slurm_command, start, wait_for

__all__ = ["slurm", "start"]  # fixtures
pytestmark = pytest.mark.workflow
# The first job that trains says that it runs, and waits to be cancelled.
STUCK_ONCE = "if [[ $1 == train ]] && mkdir stuck 2>/dev/null; then sleep 900; fi"


def test_a_cancelled_job_and_a_drained_node_leave_the_study_complete_and_the_same(
    fresh: Project, finished: Project, wrap_posrec: Wrap, start: Start
) -> None:
    """The node is drained before the job is cancelled: what is sent again must wait, until the node is back."""
    wrap_posrec(fresh, STUCK_ONCE)
    process = start(*SNAKEMAKE, "all")
    wait_for((fresh.folder / "stuck").exists, process)
    stuck = queue("RUNNING")
    assert stuck
    slurm_command("scontrol", "update", f"nodename={NODE}", "state=drain", "reason=test")
    slurm_command("scancel", *stuck)
    wait_for(lambda: queue("PENDING") and not queue("RUNNING", "COMPLETING"), process)
    assert fresh.runs() == []  # nothing trains on a drained node
    slurm_command("scontrol", "update", f"nodename={NODE}", "state=resume")
    output = fresh.finish(process, {}, LONG)
    assert process.returncode == 0, output
    assert "Trying to restart job" in output
    assert fresh.hashes() == finished.hashes()
