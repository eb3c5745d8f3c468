"""Machine facts of a run or job, in sidecars: never in a run file, whose bytes its id and seed determine."""

import resource
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import psutil
import torch

from posrec.files import digest, read_json, sha256, write_json
from posrec.model.machine import command, machine_facts
from posrec.plan import ids
from posrec.plan.run import PlannedRun, job_records
from posrec.study.study import Cell, Study


def write_run(run: PlannedRun, seconds: dict[str, float], cpu_seconds: dict[str, float]) -> None:
    """The sidecar of one run.

    It holds the study and ids, checksums of the data and of the run file, wall and CPU seconds of training, evaluation
    and diagnostics, peak memory of the process so far (MiB), the command and the machine.
    """
    facts = {
        "study": run.study.name,
        "study_id": digest(run.study.settings.model_dump(mode="json")),
        "ids": _ids(run),
        "dataset": run.cell.dataset,
        "encoding": run.cell.encoding,
        "layout": run.cell.layout,
        "seed": run.seed,
        "checksums": _checksums(run),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "finished": time.time(),
        "command": command(),
        "threads": torch.get_num_threads(),
        **machine_facts(),
    }
    write_json(run.sidecar, facts)


def write_job(study: Study, cells: Sequence[Cell], runs: int, trained: int) -> None:
    """The sidecar of one job: its wall and CPU time since the process started, with the start of torch in it."""
    if not trained:
        return
    wall = time.time() - psutil.Process().create_time()
    name = digest([[ids.run_id(study, cell), *cell.seeds] for cell in cells])
    content = {
        "wall_seconds": wall,
        "cpu_seconds": time.process_time(),
        "runs": runs,
        "trained": trained,
        "datasets": sorted({c.dataset for c in cells}),
    }
    write_json(job_records(study) / f"{name}.json", content)


def _ids(run: PlannedRun) -> dict[str, str]:
    return {
        "dataset": run.dataset_id,
        "candidates": ids.candidates_id(run.study),
        "run": run.run_id,
        "evaluation": run.evaluation_id,
    }


def _checksums(run: PlannedRun) -> dict[str, str]:
    """sha256 of the data that the run read; of the run file its own checksum, which covers json and npz."""
    data = {
        path.name: _sha256_of(path.absolute(), path.stat().st_mtime_ns)
        for path in (run.data.arrays, run.data.candidates)
    }
    return {**data, "run": read_json(run.path)["checksum"]}


@lru_cache(maxsize=16)
def _sha256_of(path: Path, changed: int) -> str:
    """Read the large files once per job, not once per run."""
    return sha256(path)
