"""Seconds and memory of planning studies of a thousand to fifty thousand runs.

    python -m benchmarks planning

writes docs/measured/planning.md and .csv. The studies are that of the paper and generated ones; empty files stand
in for their results, since a dry run looks at names and times alone. Each command is a process of its own; its seconds
are CPU seconds.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from tqdm import tqdm

from posrec.analysis.places import analysis_files, provenance_files
from posrec.files import write_text
from posrec.plan import ids, work
from posrec.store import places
from posrec.study import study

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs/measured"
SEEDS = (1, 9, 45)  # 1,152 cells each
DATASETS = 8
GRID = {"upper_bound": [1.0, 0.1, 0.01, 0.001], "activation": ["leaky", "silu", "relu", "identity"]}
ENCODINGS = ["none", "abs", "learnt", "rotatory", "rope", "rmha4", "abs_con", "learnt_con", "rotatory_con"]
DRY_RUN = ("snakemake", "-n", "--quiet", "all", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "study.yaml")
PROFILE = ("--workflow-profile", str(ROOT / "workflow/profiles/default"), "--", "all")


def content(seeds: int) -> dict[str, Any]:
    """A study of 1,152 cells with so many seeds, of the size of the paper's data sets."""
    simulation = {"users": 30_000, "items": 20_000, "mean_length": 9.0}
    return {
        "study": "planning",
        "datasets": {f"twin_{n}": {"simulate": {**simulation, "seed": n}} for n in range(DATASETS)},
        "encodings": ENCODINGS,
        "model": {"dimension": 90, "heads": 3, "blocks": 3, **GRID},
        "training": {"epochs": 20},
        "seeds": list(range(seeds)),
        "report": {"stability": False},
    }


def measure(command: tuple[str, ...]) -> tuple[float, float]:
    """CPU seconds and peak memory (GB) of a command and what it started. Raises CalledProcessError."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9


def planned(loaded: study.Study) -> Iterator[Path]:
    """Every file that the study makes, each after those that it is made of."""
    for name, dataset in loaded.settings.datasets.items():
        folder = ids.raw_folder(name, dataset)
        yield from (folder / file for file in ("reviews.json.gz", "meta.json.gz", "simulation.json", "source.json"))
    for part in places.PARTS:
        yield from places.planned_files(loaded, part)
    for paths in analysis_files(loaded).values():
        yield from paths
    yield from provenance_files(loaded)


def touch_all(loaded: study.Study) -> None:
    """Put an empty file in the place of each."""
    for path in planned(loaded):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def row(name: str, text: str) -> dict[str, Any]:
    """The figures of one study, in the working folder."""
    Path("study.yaml").write_text(text)
    loaded = study.load("study.yaml")
    plan_seconds, plan_memory = measure(("posrec", "plan", "study.yaml", "--no-calibration"))
    dry_seconds, dry_memory = measure((*DRY_RUN, *PROFILE))
    touch_all(loaded)
    there_seconds, there_memory = measure((*DRY_RUN, *PROFILE))
    return {
        "study": name,
        "jobs": len(work.batches(loaded)),
        "runs": sum(len(cell.seeds) for cell in loaded.cells),
        "posrec plan s": plan_seconds,
        "dry run s": dry_seconds,
        "dry run of a finished study s": there_seconds,
        "peak memory GB": max(plan_memory, dry_memory, there_memory),
    }


def page(table: pd.DataFrame) -> str:
    """docs/measured/planning.md."""
    lines = [list(table.columns), ["---"] * len(table.columns)]
    for name, jobs, runs, *rest in table.to_numpy():
        lines.append([name, f"{jobs:,}", f"{runs:,}", *(f"{value:.3g}" for value in rest)])
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    return f"""# Studies of ten thousand runs

Written by `python -m benchmarks planning`, on {machine}; don't edit.
The generated studies have 1,152 cells with 1, 9 and 45 seeds, in jobs of 20 minutes. Seconds are CPU seconds; other
work may have shared the machine. Targets for the paper's study: `posrec plan` in 30 s, a dry run in 60 s and 1 GB.
`posrec plan` ran with `--no-calibration`; the dry runs are `snakemake -n`.

{body}
"""


def main() -> None:
    """Measure everything and write the page."""
    rows, here = [], Path.cwd()
    studies = {"studies/paper.yaml": (ROOT / "studies/paper.yaml").read_text()}
    studies |= {f"generated, {seeds} seeds": yaml.safe_dump(content(seeds), sort_keys=False) for seeds in SEEDS}
    for name, text in tqdm(studies.items(), disable=not sys.stderr.isatty()):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                rows.append(row(name, text))
            finally:
                os.chdir(here)
    table = pd.DataFrame(rows)
    write_text(DOCS / "planning.csv", table.to_csv(index=False, float_format="%.4g"))
    write_text(DOCS / "planning.md", page(table))
