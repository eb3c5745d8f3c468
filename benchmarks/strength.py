"""How strong are the models? The default recipe beside Markov, item kNN and another library's SASRec.

    POSREC_MIRROR=<folder> python -m benchmarks strength

writes docs/measured/strength.md and .csv. Three studies run through Snakemake in .cache/strength, where finished runs
are kept: Amazon Beauty with all users, MovieLens-100k, and three encoder blocks with two heads on a sample of Beauty.
RecTools runs in an environment of its own (`benchmarks.peer` says how to make one); without it, the rows of the last
page are kept.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks import peer
from posrec.files import read_json, write_text
from posrec.plan import ids
from posrec.plan.run import PlannedRun, planned_runs
from posrec.study import study

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs/measured"
PLACE = ROOT / ".cache/strength"
BEAUTY = {"source": "amazon2014-beauty-5core"}
COMMON: dict[str, Any] = {"protocols": ["sound"], "evaluation": {"negatives": 100, "candidates_seed": 0}}
STUDIES: dict[str, dict[str, Any]] = {
    "full": {
        **COMMON,
        "datasets": {"beauty_file_order": {**BEAUTY, "tied_times": "file"}, "beauty": BEAUTY},
        "encodings": ["none", "learnt", "rope"],
        "seeds": [1],
        "report": {"stability": False},
    },
    "films": {
        **COMMON,
        "datasets": {"films_100k": {"source": "movielens-100k"}},
        "encodings": ["none", "learnt", "rope"],
        "seeds": [1, 2, 3],
    },
    "backbones": {
        **COMMON,
        "datasets": {"beauty_3000": {**BEAUTY, "subset": {"users": 3000, "by": "random"}}},
        "encodings": ["none"],
        "model": {"block": ["carca", "sasrec", "ligr"], "head": ["dot", "carca"]},
        "seeds": [1, 2, 3],
    },
}
BASELINES = ("popularity", "markov", "item_knn")
METRICS = ("NDCG@10", "Hit@10")
COLUMNS = ("data set", "model", "encoding", "seeds", *METRICS, "sd", "CPU s", "still rising")


def train(name: str) -> study.Study:
    """Train what is missing of a study, in PLACE. Raises CalledProcessError where Snakemake fails."""
    path = Path(f"{name}.yaml")
    path.write_text(yaml.safe_dump({"study": name, **STUDIES[name]}, sort_keys=False))
    profile = ("--workflow-profile", str(ROOT / "workflow/profiles/default"), "--cores", os.environ.get("CORES", "1"))
    command = ("snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", str(path), *profile)
    for target in ("data", "trained"):
        subprocess.run((*command, "--quiet", "rules", "--", target), check=True)
    return study.load(path)


def rows(loaded: study.Study) -> Iterator[dict[str, Any]]:
    """A row per baseline and per cell of a study, metrics in points on the full catalogue."""
    for name in loaded.settings.datasets:
        found = read_json(ids.dataset_files(loaded, name).baselines)["baselines"]
        for baseline in BASELINES:
            values = {metric: 100 * found[baseline]["full"][metric] for metric in METRICS}
            yield {"data set": name, "model": baseline, "encoding": "", "seeds": "", **values}
    runs = [(_model(run), run) for run in planned_runs(loaded)]
    table = pd.DataFrame([{"data set": run.cell.dataset, "model": model, **_run(run)} for model, run in runs])
    for (dataset, model, encoding), cell in table.groupby(["data set", "model", "encoding"], sort=False):
        means = {metric: cell[metric].mean() for metric in (*METRICS, "CPU s")}
        spread = cell["NDCG@10"].std() if len(cell) > 1 else ""
        rising = f"{cell['rising'].sum()} of {len(cell)}"
        named = {"data set": dataset, "model": model, "encoding": encoding, "seeds": len(cell)}
        yield {**named, **means, "sd": spread, "still rising": rising}


def _model(run: PlannedRun) -> str:
    return f"posrec, {run.cell.model.block} block, {run.cell.model.head} head"


def _run(run: PlannedRun) -> dict[str, Any]:
    record, seconds = read_json(run.path), read_json(run.sidecar)["cpu_seconds"]
    found = record["evaluations"]["sound"]["full"]
    return {
        "encoding": run.cell.encoding,
        **{metric: 100 * found[metric] for metric in METRICS},
        "CPU s": seconds["training"] + seconds["evaluation"],
        "rising": record["still_rising"],
    }


def peers(loaded: study.Study, last: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """RecTools' SASRec on the data sets of a study, or its rows of the last page."""
    for name in loaded.settings.datasets:
        files = ids.dataset_files(loaded, name)
        result = peer.measure(files.arrays, files.manifest, PLACE / f"peer-{name}.json")
        if result is not None:
            yield {"data set": name, **result}
        elif len(last):
            yield from last[(last["data set"] == name) & last["model"].str.startswith("RecTools")].to_dict("records")


def page(table: pd.DataFrame) -> str:
    """docs/measured/strength.md."""
    lines = [list(COLUMNS), ["---", "---", "---", *["---:"] * (len(COLUMNS) - 3)]]
    lines += [[_text(row[column], column) for column in COLUMNS] for row in table.to_dict("records")]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"""# How strong the models are

Written by `python -m benchmarks strength`, on one core of {platform.machine()}, {platform.system()}; don't edit.
NDCG@10 and Hit@10 are in points, on the full catalogue without the user's history, one held-out item per user
(leave-one-out). `sd` is the standard deviation of NDCG@10 over seeds. CPU seconds are those of one training with its
validation, and the final evaluation. The models use the default recipe of a study that sets nothing; `still rising`
counts runs whose best epoch was the last or next to last. `beauty_file_order` keeps reviews of the same day in the
order of the public file, which repeats catalogue numbers; `beauty` shuffles them.

{body}
"""


def _text(value: Any, column: str) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.0f}" if column in ("CPU s", "seeds") else f"{value:.2f}"
    return str(value)


def main() -> None:
    """Run the studies and write both files."""
    path = DOCS / "strength.csv"
    last = pd.read_csv(path, keep_default_na=False) if path.exists() else pd.DataFrame()
    PLACE.mkdir(parents=True, exist_ok=True)
    here, found = Path.cwd(), []
    os.chdir(PLACE)
    try:
        for name in STUDIES:
            loaded = train(name)
            found += [*rows(loaded), *peers(loaded, last)]
    finally:
        os.chdir(here)
    table = pd.DataFrame(found, columns=COLUMNS)
    write_text(path, table.to_csv(index=False, float_format="%.4g"))
    write_text(DOCS / "strength.md", page(table))


if __name__ == "__main__":
    sys.exit(main())
