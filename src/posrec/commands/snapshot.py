"""`posrec snapshot`: a finished study as a page of the documentation: tables, figures, command, machine and time."""

import argparse
import shutil
from pathlib import Path
from typing import Any

from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from posrec.analysis.report.answer import answers
from posrec.analysis.report.summary import summary
from posrec.analysis.tables.build import Tables, build_tables
from posrec.analysis.tables.marker import check_marker
from posrec.analysis.topics.wording import caption
from posrec.errors import DataError
from posrec.files import read_json, write_text
from posrec.plan.run import job_records, planned_runs
from posrec.study.study import Study, load

TABLE_HEADER = ("data set", "settings", "encoding", "seeds", "NDCG@10 full", "sd", "Hit@10 full", "Hit@10 sampled")
COPIED = ("cells.csv", "datasets.csv", "correlation.csv", "diagnostics.csv", "runs.csv")


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    default = f"snakemake --cores all all --configfile {arguments.study}"
    write_snapshot(load(arguments.study), arguments.command or default, arguments.to)


def write_snapshot(study: Study, command: str, to: Path) -> None:
    """Copy tables and figures of a finished study to `to`/<study>/ and write README.md there.

    command: the command that ran the study. Raises DataError where results or sidecars of trainings are missing.
    """
    files = analysis_files(study)
    *figures, drawn = files["figures"]
    tables = build_tables(study)
    check_marker(drawn, figures, "posrec figures", tables.inputs.checksum)
    folder = to / study.name
    folder.mkdir(parents=True, exist_ok=True)
    copied = [path for path in figures if path.suffix != ".rst"]
    copied += [path for path in files["tables"] if path.name in COPIED]
    for old in folder.glob("*"):
        if old.suffix in (".svg", ".png", ".csv"):
            old.unlink()  # of a larger study
    for path in copied:
        shutil.copyfile(path, folder / path.name)
    notes = "[Notes on this run](notes.md)." if (folder / "notes.md").exists() else ""
    write_text(folder / "README.md", page(tables, command, costs(study), notes))


def costs(study: Study) -> dict[str, Any]:
    """Time and machine of the study's trainings, from the sidecars in results/provenance/."""
    paths = list(dict.fromkeys(planned.sidecar for planned in planned_runs(study)))
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise DataError(f"{missing[0]}: missing ({len(missing)} in all): only the machine that trained has these")
    runs = [read_json(path) for path in paths]
    jobs = [read_json(path) for path in sorted(job_records(study).glob("*.json"))]
    spent = {kind: sum(run["seconds"].get(kind, 0.0) for run in runs) for kind in ("training", "evaluation")}
    began = min(run["finished"] - sum(run["seconds"].values()) for run in runs)
    return {
        "runs": len(runs),
        "wall": max(run["finished"] for run in runs) - began,
        "overhead": (sum(job["wall_seconds"] for job in jobs) - sum(spent.values())) / len(runs),
        "memory": max(run["peak_memory_mib"] for run in runs),
        "machine": {run["processor"] for run in runs},
        "versions": runs[-1]["versions"],
        "commit": sorted({run["commit"] for run in runs}),
        **spent,
    }


def page(tables: Tables, command: str, spent: dict[str, Any], notes: str = "") -> str:
    """The snapshot's README as Markdown; `notes` is a line with a link to manual notes."""
    study = tables.inputs.study
    parts = [
        f"# {study.settings.report.title or study.name}",
        "Written by `posrec snapshot` after this command:",
        f"```\n{command}\n```",
        *([notes] if notes else []),
        "## The answer",
        _bullets(summary(tables)),
        *(f"**{title}**\n\n{_bullets(sentences)}" for title, sentences in answers(tables)),
        "## Means and spreads, in points",
        _cells(tables),
        *(_figure(entry, tables) for entry in registry.figures(study)),
        "## Cost",
        _cost(spent),
        "The tables in full: " + ", ".join(f"[{name}]({name})" for name in COPIED) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _figure(entry: registry.Figure, tables: Tables) -> str:
    """A figure's pages under its title, with its caption below."""
    pages = "\n\n".join(f"![{entry.title}]({name}.png)" for name, _ in entry.pages(tables.inputs.study))
    return f"## {entry.title}\n\n{pages}\n\n{caption(entry, tables)}"


def _bullets(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _cells(tables: Tables) -> str:
    lines = ["| " + " | ".join(TABLE_HEADER) + " |", "|" + "---|" * len(TABLE_HEADER)]
    columns = ["full_ndcg10_mean", "full_ndcg10_sd", "full_hit10_mean", "sampled_hit10_mean"]
    cells = tables["cells"].fillna({"settings": "", "finished": 0})
    for _, row in cells.iterrows():
        values = ["" if row[name] != row[name] else f"{100 * row[name]:.3f}" for name in columns]
        seeds = str(int(row["finished"])) if row["kind"] == "encoding" else ""
        lines.append("| " + " | ".join([row["dataset"], row["settings"], row["encoding"], seeds, *values]) + " |")
    return "\n".join(lines)


def _cost(spent: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(spent["versions"].items()))
    return (
        f"{spent['runs']} runs: {spent['training'] / 60:.0f} minutes of training and {spent['evaluation'] / 60:.0f} of "
        f"evaluation on one core each, {spent['wall'] / 60:.0f} minutes from the first to the last; "
        f"{spent['overhead']:.2f} s per run for everything else in a training job; peak memory of a job "
        f"{spent['memory']:.0f} MiB. {', '.join(sorted(spent['machine']))}. {versions}. "
        f"Commit {', '.join(spent['commit'])}."
    )
