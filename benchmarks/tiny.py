"""The overhead of a run beside its training and evaluation: a thousand tiny runs on two cores.

    python -m benchmarks tiny

writes docs/measured/tiny.md and .csv. Ten encodings with a hundred seeds are trained by `snakemake trained`. Training,
evaluation and diagnostics are those in the records of the runs, the jobs' seconds those in theirs, from the start of
the process to its end: on the wall clock, and in CPU seconds, which another load on the machine disturbs less.
"""

import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from posrec.files import read_json, write_text
from posrec.plan import ids, work
from posrec.study import study
from posrec.study.encodings import ENCODINGS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs/measured"
CORES = 2
STUDY: dict[str, Any] = {
    "study": "tiny",
    "datasets": {"tiny": {"simulate": {"users": 100, "items": 50, "mean_length": 6}, "k_core": 3}},
    "encodings": list(ENCODINGS)[:10],
    "model": {"dimension": 8, "blocks": 1, "heads": 2, "max_length": 10},
    "training": {"learning_rate": 0.01, "epochs": 2, "batch_size": 32},
    "seeds": list(range(100)),
}
PARTS = ("training", "evaluation", "diagnostics")


def snakemake(target: str) -> None:
    """Make a target of the study in the working folder. Raises CalledProcessError."""
    profile = ("--workflow-profile", str(ROOT / "workflow/profiles/default"), "--cores", str(CORES))
    command = ("snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "study.yaml", *profile)
    subprocess.run((*command, "--quiet", "all", "--", target), check=True)


def measure(content: dict[str, Any]) -> pd.DataFrame:
    """Train the study in the working folder and add up its records, once for each clock."""
    Path("study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    loaded = study.load("study.yaml")
    snakemake("data")
    snakemake("trained")
    folder = ids.PROVENANCE / loaded.name
    records = [read_json(path) for path in folder.glob("*/seed=*.json")]
    jobs = [read_json(path) for path in (folder / "jobs").glob("*.json")]
    runs = sum(len(cell.seeds) for cell in loaded.cells)
    assert len(records) == runs == sum(job["trained"] for job in jobs), "records are missing"
    assert len(jobs) == len(work.batches(loaded)), "jobs are missing"
    return pd.DataFrame([row(records, jobs, *clock) for clock in (("cpu_seconds",) * 2, ("seconds", "wall_seconds"))])


def row(records: list[dict[str, Any]], jobs: list[dict[str, Any]], of_runs: str, of_jobs: str) -> dict[str, Any]:
    """Sums on one clock, and what the jobs took beyond the runs' own parts, a run."""
    seconds = {part: sum(record[of_runs][part] for record in records) for part in PARTS}
    total, runs = sum(job[of_jobs] for job in jobs), len(records)
    return {
        "clock": "CPU" if of_jobs == "cpu_seconds" else "wall",
        "runs": runs,
        "jobs": len(jobs),
        **{f"{part} s": value for part, value in seconds.items()},
        "jobs s": total,
        "overhead s per run": (total - sum(seconds.values())) / runs,
        "with diagnostics s per run": (total - seconds["training"] - seconds["evaluation"]) / runs,
    }


def text(value: Any) -> str:
    """A cell of the page."""
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def page(table: pd.DataFrame, load: float) -> str:
    """docs/measured/tiny.md."""
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[text(value) for value in row] for row in table.to_numpy()]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    machine = f"{CORES} cores of {platform.machine()}, {platform.system()}"
    return f"""# Many tiny runs

Written by `python -m benchmarks tiny`, on {machine}; don't edit.
{len(STUDY["encodings"])} encodings with {len(STUDY["seeds"])} seeds each, two epochs on a hundred users.
The load average before the start was {load:.1f} on {os.cpu_count()} cores; the higher it is, the less reliable is the
wall clock.

Overhead is the time of the jobs minus training, evaluation and diagnostics; it includes the start of Python and torch.
The last column counts diagnostics as overhead.

{body}
"""


def main() -> None:
    """Measure and write the page."""
    load, here = os.getloadavg()[0], Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            table = measure(STUDY)
        finally:
            os.chdir(here)
    write_text(DOCS / "tiny.csv", table.to_csv(index=False, float_format="%.4g"))
    write_text(DOCS / "tiny.md", page(table, load))
