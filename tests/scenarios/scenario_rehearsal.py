"""Ten thousand runs on a real Slurm of one node: trainings replaced by sleeping, and a controller that is killed."""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from posrec.files import write_text
from posrec.plan import work
from posrec.plan.run import run_files
from posrec.store import places
from posrec.study import study
from tests import ledger
from tests.workflow.project import BIN, ROOT, Project
from tests.workflow.slurm import QUICK, Wrap, kill_controller, queue, restart_controller, slurm_of, wait_until_saved

pytestmark = pytest.mark.workflow
CPUS = 16  # of the node, as Slurm sees it: jobs that sleep need none
SCALE = 1 / 60  # seconds of sleep a nominal second of training
DOWN = 30  # seconds without a controller
PATIENCE = 3600
PAGE = "rehearsal.md"
STUDY: dict[str, Any] = {
    "study": "default",
    "datasets": {
        f"toy_{n}": {"simulate": {"users": 60, "items": 30, "mean_length": 6, "seed": n}, "k_core": 3} for n in (1, 2)
    },
    "encodings": ["none", "abs", "learnt", "rotatory", "rope", "rmha4", "abs_con", "learnt_con", "rotatory_con"],
    "model": {
        "dimension": 8,
        "heads": 2,
        "blocks": 1,
        "max_length": 8,
        "upper_bound": [1.0, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 0.0001],
        "activation": ["leaky", "silu", "relu", "identity"],
    },
    "training": {"epochs": 940, "batch_size": 32},
    "seeds": list(range(18)),
    "report": {"stability": False},
}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Slurm on this machine, whose node seems to have more cores."""
    yield from slurm_of(tmp_path_factory.mktemp("slurm"), CPUS)


@dataclass(frozen=True)
class Used:
    """What snakemake took itself, with the commands that it sent to Slurm."""

    status: int
    wall: float  # seconds
    processor: float  # seconds
    memory: float  # peak, MB


def placed(project: Project) -> int:
    """Files of runs that are in the study's folder."""
    return sum(path.name.startswith("seed=") for path in (project.folder / "results/studies/default/runs").rglob("*"))


def rehearse(project: Project, files: int, slurm: Path) -> Used:
    """Run the study, and kill the controller when half of the files of its runs are there."""
    ledger.note("start `snakemake trained`")
    began, output = time.monotonic(), (project.folder / "output").open("w")
    command = ["snakemake", "--workflow-profile", "workflow/profiles/slurm", *QUICK, "trained"]
    process = subprocess.Popen(command, cwd=project.folder, env=project.environ(), stdout=output, stderr=output)
    killed, end = False, began + PATIENCE
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        assert time.monotonic() < end, "not finished in an hour"
        if not killed and placed(project) >= files / 2:
            wait_until_saved(process)
            kill_controller(slurm)
            time.sleep(DOWN)
            restart_controller(slurm)
            killed = True
        time.sleep(2)
    assert killed
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    ledger.note(f"it ends with {process.returncode}")
    seconds = usage.ru_utime + usage.ru_stime
    return Used(process.returncode, time.monotonic() - began, seconds, usage.ru_maxrss / 1000)


def page(runs: int, jobs: list[work.Batch], states: Counter[str], used: Used) -> str:
    """docs/measured/rehearsal.md."""
    minutes = [(batch.seconds or 0.0) / 60 for batch in jobs]
    sizes = [sum(len(cell.seeds) for cell in batch.cells) for batch in jobs]
    return f"""# A rehearsal of ten thousand runs

Written by `make scenarios` (tests/scenarios/scenario_rehearsal.py); don't edit. A real Slurm on one machine with
{os.cpu_count()} cores, which other work may have shared; its node claimed to have {CPUS}. Trainings were
replaced by sleeping one second per nominal minute, and prepared data sets by placeholders. When half of the
run files existed, slurmctld was killed with SIGKILL and started again after {DOWN} seconds.

| What | Figure |
|---|---:|
| runs | {runs:,} |
| jobs that train | {len(jobs)} |
| runs per job | {min(sizes)} to {max(sizes)} |
| nominal minutes per job | {min(minutes):.1f} to {max(minutes):.1f} |
| Slurm jobs in total | {sum(states.values())} |
| of these, failed because they started without a controller, and submitted again | {states["FAILED"]} |
| minutes from start to end | {used.wall / 60:.1f} |
| CPU seconds of snakemake, including its Slurm commands | {used.processor:.0f} |
| peak memory of snakemake, MB | {used.memory:.0f} |
"""


def test_ten_thousand_runs_are_a_hundred_jobs_and_a_killed_controller_costs_none(
    fresh: Project, wrap_posrec: Wrap, slurm: Path, request: pytest.FixtureRequest
) -> None:
    """A job that asks the controller for its step while there is none fails, and is sent again."""
    (fresh.folder / "params.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    stand_in = ROOT / "tests/scenarios/sleep_instead.py"
    wrap_posrec(fresh, f'if [[ $1 == train ]]; then exec {BIN}/python {stand_in} {SCALE} "$@"; fi')
    loaded = study.from_dict(STUDY)
    jobs = work.batches(loaded)
    files = list(run_files(loaded))
    assert len(files) == 2 * 10_368
    for path in places.planned_files(loaded, "data"):
        write_text(fresh.folder / path, "")
    used = rehearse(fresh, len(files), slurm)
    output = (fresh.folder / "output").read_text()
    assert used.status == 0, output[-5000:]
    assert all((fresh.folder / path).exists() for path in files)
    lines = [line.split("|") for line in queue("all", shown="%Z|%k|%T")]
    mine = [(comment, state) for folder, comment, state in lines if folder == str(fresh.folder)]
    completed = Counter(comment for comment, state in mine if state == "COMPLETED")
    assert completed == Counter(f"rule_train_{batch.name}" for batch in jobs)  # each once
    states = Counter(state for _, state in mine)
    assert set(states) <= {"COMPLETED", "FAILED"}
    table = request.config.getoption("--scenarios")
    if table:
        write_text(table.parent / PAGE, page(len(files) // 2, jobs, states, used))
