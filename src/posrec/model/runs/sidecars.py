"""Machine facts of a run or job, in sidecars: never in a run file, whose bytes its id and seed determine."""

import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from posrec import __version__
from posrec.files import digest, read_json, sha256, write_json
from posrec.model.ops.products import onednn_is_float32
from posrec.plan import ids
from posrec.plan.run import PlannedRun, job_records
from posrec.study.study import Cell, Study

PACKAGES = ("torch", "numba", "numpy", "scipy", "pandas", "snakemake", "dvc")


@cache
def machine_facts() -> dict[str, Any]:
    """Processor, the kernels and products that torch uses on it, GPU, system, versions and git commit."""
    versions = {"posrec": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "large_products": "oneDNN" if onednn_is_float32() else "torch",
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "versions": versions,
        **git_state(),
    }


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


def command() -> str:
    """The command line of this process, the program without its folder."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


@cache
def git_state() -> dict[str, Any]:
    """Commit of the working folder, and whether tracked files differ from it; None outside of a git repository."""
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


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
    """Read the big files once a job, not once a run."""
    return sha256(path)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            return next(line.split(":", 1)[1].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
