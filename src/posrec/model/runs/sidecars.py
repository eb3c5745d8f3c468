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
from posrec.study.study import Cell, Study


def run_record(study: Study, run_id: str, seed: int) -> Path:
    """Path of the sidecar of a run."""
    return ids.PROVENANCE / study.name / run_id / f"seed={seed}.json"


def write_run(study: Study, cell: Cell, seed: int, seconds: dict[str, float], cpu_seconds: dict[str, float]) -> None:
    """The sidecar of one run.

    It holds the study and ids, checksums of the data and of the run file, wall and CPU seconds of training, evaluation
    and diagnostics, peak memory of the process so far (MiB), the command and the machine.
    """
    facts = {
        "study": study.name,
        "study_id": digest(study.settings.model_dump(mode="json")),
        "ids": _ids(study, cell),
        "dataset": cell.dataset,
        "encoding": cell.encoding,
        "layout": cell.layout,
        "seed": seed,
        "checksums": _checksums(study, cell, seed),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "finished": time.time(),
        "command": command(),
        "threads": torch.get_num_threads(),
        **machine_facts(),
    }
    write_json(run_record(study, ids.run_id(study, cell), seed), facts)


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
    write_json(ids.PROVENANCE / study.name / "jobs" / f"{name}.json", content)


def _ids(study: Study, cell: Cell) -> dict[str, str]:
    return {
        "dataset": ids.dataset_id(cell.dataset, study.settings.datasets[cell.dataset]),
        "candidates": ids.candidates_id(study),
        "run": ids.run_id(study, cell),
        "evaluation": ids.evaluation_id(study, cell),
    }


def _checksums(study: Study, cell: Cell, seed: int) -> dict[str, str]:
    """sha256 of the data that the run read; of the run file its own checksum, which covers json and npz."""
    files = ids.dataset_files(study, cell.dataset)
    run_file = ids.run_folder(study, cell) / f"seed={seed}.json"
    data = {
        path.name: _sha256_of(path.absolute(), path.stat().st_mtime_ns) for path in (files.arrays, files.candidates)
    }
    return {**data, "run": read_json(run_file)["checksum"]}


@lru_cache(maxsize=16)
def _sha256_of(path: Path, changed: int) -> str:
    """Read the large files once per job, not once per run."""
    return sha256(path)
