"""`posrec provenance`: the page of where a study's results come from, results/provenance/<study>/index.html.

It is separate from the report, whose bytes the study alone determines: this page names machines and times.
"""

import argparse
import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from posrec.analysis.places import analysis_id, provenance_files
from posrec.analysis.tables import looks, marker
from posrec.errors import DataError
from posrec.files import read_json, write_text
from posrec.plan import ids
from posrec.plan.run import PlannedRun, planned_runs
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.study import Study, load

NOT_RECORDED = "not recorded"
RUN_COLUMNS = (
    *("data set", "encoding", "seed", "run id", "evaluation id", "status", "record", "seconds", "peak MiB", "finished"),
    *("checksum",),
)


@dataclass(frozen=True)
class Table:
    """A table of the page; a `folded` one opens on a click."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    folded: bool = False


@dataclass(frozen=True)
class Recorded:
    """A planned run with its file (None: missing or unreadable) and its sidecar (None: missing, or of another file)."""

    planned: PlannedRun
    content: dict[str, Any] | None
    record: dict[str, Any] | None


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    write_page(load(arguments.study))


def write_page(study: Study) -> None:
    """Write the page from run files, manifests and sidecars. Missing ones are shown and are not an error."""
    page, last = provenance_files(study)
    with marker.marked(last, [page]):
        write_text(page, render(study))
    print(f"posrec provenance: {page}")


def render(study: Study) -> str:
    """The page's HTML, self-contained."""
    runs = [_recorded(planned) for planned in planned_runs(study)]
    environment = Environment(loader=PackageLoader("posrec.commands", "."), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("provenance.html").render(
        study=study.name,
        settings=yaml.safe_dump(study.settings.model_dump(mode="json", exclude_defaults=True), sort_keys=False),
        tables=[_summary(study, runs), _software(runs), _datasets(study), _commands(runs), _runs(runs)],
    )


def _recorded(planned: PlannedRun) -> Recorded:
    content, record = _read(planned.path), _read(planned.sidecar)
    if content is not None and record is not None:
        of_this_file = record.get("checksums", {}).get("run") == content.get("checksum")
        record = record if of_this_file else None
    return Recorded(planned, content, record)


def _read(path: Any) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except DataError:
        return None
    return content if isinstance(content, dict) else None


def _summary(study: Study, runs: list[Recorded]) -> Table:
    records = _records(runs)
    training = sum(record["seconds"].get("training", 0.0) for record in records)
    evaluation = sum(record["seconds"].get("evaluation", 0.0) for record in records)
    statuses = Counter(str(run.content.get("status")) if run.content else "missing" for run in runs)
    rows = [
        ("runs", ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))),
        ("with a record", f"{len(records)} of {len(runs)}"),
        ("analysis id", analysis_id(study)),
        ("results looked at", looks.note(study)),
        ("commit", _counted(_commit(record) for record in records)),
        ("code", _counted(str(record.get("code", NOT_RECORDED)) for record in records)),
        ("processor", _counted(f"{record['processor']} ({record['kernels']} kernels)" for record in records)),
        ("layout", _counted(record.get("layout", NOT_RECORDED) for record in records)),
        ("GPU", _counted(record["gpu"] or "none" for record in records)),
        ("threads", _counted(str(record["threads"]) for record in records)),
        ("system", _counted(record["system"] for record in records)),
        ("training", f"{training:.1f} s"),
        ("evaluation", f"{evaluation:.1f} s"),
        ("peak memory of a job", f"{max((record['peak_memory_mib'] for record in records), default=0):.0f} MiB"),
    ]
    return Table("Summary", ("what", "value"), rows)


def _records(runs: list[Recorded]) -> list[dict[str, Any]]:
    return [run.record for run in runs if run.record is not None]


def _commit(record: dict[str, Any]) -> str:
    if record["commit"] is None:
        return "outside of a git repository"
    return f"{record['commit']}{' with uncommitted changes' if record['dirty'] else ''}"


def _counted(values: Iterable[str]) -> str:
    """Distinct values, each with the number of runs where they differ."""
    counts = Counter(values)
    if len(counts) <= 1:
        return next(iter(counts), NOT_RECORDED)
    return "; ".join(f"{value} ({number} runs)" for value, number in sorted(counts.items()))


def _software(runs: list[Recorded]) -> Table:
    records = _records(runs)
    names = sorted({name for record in records for name in record["versions"]})
    rows = [(name, _counted(record["versions"].get(name, "absent") for record in records)) for name in names]
    return Table("Package versions", ("package", "version"), rows)


def _datasets(study: Study) -> Table:
    rows = []
    for name, dataset in study.settings.datasets.items():
        files = ids.dataset_files(study, name)
        manifest = _read(files.manifest) or {}
        raw = ids.source_of(name, dataset)["files"] if dataset.simulate is None else {}
        rows.append(
            (
                name,
                files.folder.name,
                ids.candidates_id(study),
                str(next(iter(manifest.get("files", {}).values()), "missing")),
                _origin(dataset),
                "; ".join(f"{file} {checksum}" for file, checksum in raw.items()),
            )
        )
    header = ("data set", "data set id", "candidates id", "sha256 of the prepared data", "from", "sha256 of the files")
    return Table("Data", header, rows)


def _origin(dataset: DatasetSettings) -> str:
    if dataset.table is not None:
        return f"table {dataset.table.path}"
    return f"source {dataset.source}" if dataset.source else "simulated"


def _commands(runs: list[Recorded]) -> Table:
    counts = Counter(record["command"] for record in _records(runs))
    return Table("Commands", ("command", "runs"), [(text, str(number)) for text, number in sorted(counts.items())])


def _runs(runs: list[Recorded]) -> Table:
    return Table("Runs", RUN_COLUMNS, [_run_row(run) for run in runs], folded=True)


def _run_row(run: Recorded) -> tuple[str, ...]:
    planned, content, record = run.planned, run.content or {}, run.record
    made = (NOT_RECORDED, "", "", "")
    if record is not None:
        made = ("recorded", _seconds(record), f"{record['peak_memory_mib']:.0f}", _time(record["finished"]))
    names = (planned.cell.dataset, planned.cell.encoding, str(planned.seed), planned.run_id, planned.evaluation_id)
    status = str(content.get("status", "missing"))
    return (*names, status, *made, str(content.get("checksum", "")))


def _seconds(record: dict[str, Any]) -> str:
    return f"{sum(record['seconds'].values()):.1f}"


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
