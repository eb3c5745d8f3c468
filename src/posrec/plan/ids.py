"""From a study to ids and paths: what the workflow needs to know before it runs.

Ids are hashes of exactly what can change the bytes they name; they stand in paths, and existence decides. Importing
this module imports neither torch nor pandas.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posrec import versions
from posrec.errors import DataError, StudyError
from posrec.files import digest
from posrec.plan.hashes import sha256_of
from posrec.study import sources
from posrec.study.encodings import find
from posrec.study.reading import nearest
from posrec.study.settings import DatasetSettings, ItemTableSettings, SimulationSettings, TableSettings, form_of
from posrec.study.study import Cell, Study

STUDIES = Path("results/studies")
RAW = Path("results/raw")
PROVENANCE = Path("results/provenance")
LOGS = Path("logs")
UNRECORDED = "unrecorded"  # in place of the sha256 of a raw file that nobody has recorded yet
STORE = ".cache"  # POSREC_STORE overrides


def source_of(name: str, dataset: DatasetSettings) -> dict[str, Any]:
    """A data set's raw files and how to read them, for `posrec.data.raw.formats`: format, title, files with their
    sha256 (None: any), bad_lines, options, and the remedy where a file is missing or changed.

    Raises StudyError for an unknown source, one without a recorded sha256, and a table that is not there.
    """
    source = planned_source(name, dataset)
    if missing := [file for file, checksum in source["files"].items() if checksum == UNRECORDED]:
        raise StudyError(
            f"datasets.{name}.source: '{dataset.source}' has no recorded sha256 of {', '.join(missing)}; run "
            f"`posrec fetch {dataset.source} --record` once and commit {sources.LOCK.name}"
        )
    return source


def planned_source(name: str, dataset: DatasetSettings) -> dict[str, Any]:
    """As `source_of`, but for planning alone: a file without a recorded sha256 has UNRECORDED in its place.

    The ids that follow from it are provisional: nothing is ever prepared under them, since `source_of` refuses.
    Raises StudyError for an unknown source and a table that is not there.
    """
    common = {"bad_lines": dataset.bad_lines, "options": {}, "title": "simulated"}
    if dataset.table is not None:
        return {**common, **_own_source(name, dataset.table)}
    if dataset.source is None:
        files: dict[str, str | None] = dict.fromkeys(simulated_files(dataset.simulate))
        remedy = f"run `posrec simulate --dataset {name}`"
        return {**common, "format": "amazon2018", "files": files, "remedy": remedy}
    return {**common, **_known_source(name, dataset.source), "remedy": f"run `posrec fetch {dataset.source}`"}


def simulated_files(settings: SimulationSettings | None) -> list[str]:
    """Names of the raw files that a simulation writes, its marker left out."""
    images = settings is not None and settings.features == "image"
    return ["reviews.json.gz", "meta.json.gz", *(["image_features.b"] if images else [])]


def _known_source(name: str, source: str) -> dict[str, Any]:
    known = sources.sources()
    if source not in known:
        hint = nearest(source, list(known))
        raise StudyError(
            f"datasets.{name}.source: '{source}' is not known{hint}; `posrec fetch --list` shows all that are"
        )
    recorded = {file: record.sha256 for file, record in sources.locked(source).items()}
    files = {file: recorded.get(file, UNRECORDED) for file in sources.file_names(known[source])}
    return {**known[source], "files": files}


def _own_source(name: str, table: TableSettings) -> dict[str, Any]:
    parts: list[TableSettings | ItemTableSettings] = [table, *([table.items] if table.items else [])]
    try:
        files = {part.path: part.sha256 or sha256_of(part.path) for part in parts}
    except DataError as error:
        raise StudyError(
            f"datasets.{name}.table: {error}; put the file there, or correct the path (it counts from the folder in "
            "which you run posrec)"
        ) from None
    options = {"table": table.model_dump(exclude={"items"}), "items": table.items and table.items.model_dump()}
    remedy = f"put back the table that datasets.{name}.table names"
    return {"format": "own", "title": Path(table.path).name, "files": files, "options": options, "remedy": remedy}


def raw_folder(name: str, dataset: DatasetSettings) -> Path:
    """Where the raw reviews lie: a source's under its name, simulated ones under the id of the simulation.

    The paths of a user's own table count from the working folder.
    """
    if dataset.table is not None:
        return Path()
    if dataset.simulate is not None:
        return RAW / f"simulated-{digest([dataset.simulate.model_dump(), versions.DATA_VERSION])}"
    return RAW / str(dataset.source)


def dataset_id(name: str, dataset: DatasetSettings) -> str:
    """Id of the prepared data: raw content and every preparation setting, but no model or training setting.

    Provisional where the source is not recorded (see `planned_source`).
    """
    settings = dataset.identity()
    source = planned_source(name, dataset)
    if dataset.table is None:
        return digest([settings, source["files"], source["format"], source["options"], versions.DATA_VERSION])
    items = dataset.table.items and dataset.table.items.model_dump(exclude={"path", "sha256"})
    forms = [form_of(table) for table in (dataset.table, dataset.table.items) if table]
    return digest([settings, items, forms, list(source["files"].values()), versions.DATA_VERSION])


def run_id(study: Study, cell: Cell) -> str:
    """Id of a training but its seed."""
    training = cell.training.model_dump(exclude={"keep_weights"})
    encoding = find(cell.encoding)
    parts = {
        "dataset_id": dataset_id(cell.dataset, study.settings.datasets[cell.dataset]),
        "encoding": encoding.identity,
        "protocol": cell.switches.model_dump(),
        "model": cell.model.identity(),
        "training": training,
        "layout": cell.layout,
        "version": versions.TRAINING_VERSION,
    }
    return digest(parts)


def block_id(study: Study, protocol: str) -> str:
    """Id of the evaluation under one protocol: what the store keeps a block of results for."""
    switches = next(one.evaluation for one in study.protocols if one.name == protocol)
    return digest([switches.model_dump(), study.settings.evaluation.model_dump(), versions.EVALUATION_VERSION])


def evaluation_id(study: Study, cell: Cell | None = None) -> str:
    """Id of the evaluations in a cell's run files (those of the protocols that share its training), or of all."""
    protocols = cell.protocols if cell else study.protocols
    return digest({protocol.name: block_id(study, protocol.name) for protocol in protocols})


def candidates_id(study: Study) -> str:
    """Id of the frozen candidates, beside the data set's own."""
    return digest([study.settings.evaluation.model_dump(), versions.EVALUATION_VERSION])


@dataclass(frozen=True)
class DatasetFiles:
    """Paths of one prepared data set."""

    folder: Path
    arrays: Path
    manifest: Path
    candidates: Path
    card: Path
    baselines: Path


def dataset_files(study: Study, name: str) -> DatasetFiles:
    """Where the prepared data set `name` of a study lies."""
    folder = STUDIES / study.name / "data" / name / dataset_id(name, study.settings.datasets[name])
    return DatasetFiles(
        folder,
        arrays=folder / "dataset.npz",
        manifest=folder / "dataset.json",
        candidates=folder / f"candidates={candidates_id(study)}.npz",
        card=folder / "card.json",
        baselines=folder / f"baselines={evaluation_id(study)}.json",
    )


def run_folder(study: Study, cell: Cell) -> Path:
    """Folder of a cell's run files."""
    ids = Path(run_id(study, cell)) / evaluation_id(study, cell)
    return STUDIES / study.name / "runs" / cell.dataset / cell.encoding / ids


def progress_folder(study: Study) -> Path:
    """Folder of the files that show trainings while they run."""
    return LOGS / study.name / "progress"


def progress_file(study: Study, cell: Cell, seed: int) -> Path:
    """Lines of JSON, one an epoch, of a training that runs or was stopped; it goes when the run's file is written."""
    return progress_folder(study) / f"{cell.dataset}-{cell.encoding}-{run_id(study, cell)}-seed={seed}.jsonl"


def run_files(study: Study, cell: Cell) -> list[Path]:
    """The json and npz of every seed of a cell."""
    folder = run_folder(study, cell)
    return [folder / f"seed={seed}.{kind}" for seed in cell.seeds for kind in ("json", "npz")]
