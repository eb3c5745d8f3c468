"""Ids of a study's data sets, trainings and evaluations, and the paths of its data sets.

An id is a hash of exactly what can change the bytes that it names. Ids are part of paths, so a file that exists is up
to date. Importing this module imports neither torch nor pandas.
"""

import os
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
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.settings.simulation import SimulationSettings
from posrec.study.settings.table import ItemTableSettings, TableSettings, form_of, identity_of_table
from posrec.study.study import Cell, Study

STUDIES = Path("results/studies")
RAW = Path("results/raw")
PROVENANCE = Path("results/provenance")
LOGS = Path("logs")
UNRECORDED = "unrecorded"  # in place of the sha256 of a raw file that is not recorded yet
STORE = ".cache"  # POSREC_STORE overrides


def store() -> Path:
    """Root folder of the store."""
    return Path(os.environ.get("POSREC_STORE") or STORE)


def source_of(name: str, dataset: DatasetSettings) -> dict[str, Any]:
    """A data set's raw files and how `posrec.data.raw.formats` reads them: format, title, files with their sha256
    (None: any), bad_lines, options, and the remedy where a file is missing or changed.

    Raises StudyError for an unknown source, one without a recorded sha256, and a missing table.
    """
    source = planned_source(name, dataset)
    if missing := [file for file, checksum in source["files"].items() if checksum == UNRECORDED]:
        raise StudyError(
            f"datasets.{name}.source: '{dataset.source}' has no recorded sha256 of {', '.join(missing)}; run "
            f"`posrec fetch {dataset.source} --record` once and commit {sources.LOCK.name}"
        )
    return source


def planned_source(name: str, dataset: DatasetSettings) -> dict[str, Any]:
    """As `source_of`, but for planning only: UNRECORDED replaces a missing sha256.

    The resulting ids are provisional: `source_of` refuses, so nothing is prepared under them. Raises StudyError for an
    unknown source and a missing table.
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
            f"datasets.{name}.source: '{source}' is not known{hint}; `posrec fetch --list` shows all known ones"
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
            f"datasets.{name}.table: {error}; put the file there, or correct the path (it is relative to the folder in "
            "which you run posrec)"
        ) from None
    options = {"table": table.model_dump(exclude={"items"}), "items": table.items and table.items.model_dump()}
    remedy = f"put back the table that datasets.{name}.table names"
    return {"format": "own", "title": Path(table.path).name, "files": files, "options": options, "remedy": remedy}


def raw_folder(name: str, dataset: DatasetSettings) -> Path:
    """Folder of the raw reviews: named after the source, or with the id of the simulation.

    Paths of a user's own table are relative to the working folder.
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
    items = dataset.table.items and identity_of_table(dataset.table.items)
    forms = [form_of(table) for table in (dataset.table, dataset.table.items) if table]
    return digest([settings, items, forms, list(source["files"].values()), versions.DATA_VERSION])


def run_id(study: Study, cell: Cell) -> str:
    """Id of a training without its seed."""
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
    """Id of the evaluation under one protocol; the store has one block of results per id."""
    switches = next(one.evaluation for one in study.protocols if one.name == protocol)
    return digest([switches.model_dump(), study.settings.evaluation.model_dump(), versions.EVALUATION_VERSION])


def evaluation_id(study: Study, cell: Cell | None = None) -> str:
    """Id of the evaluations in a cell's run files (one per protocol of the cell), or of all protocols."""
    protocols = cell.protocols if cell else study.protocols
    return digest({protocol.name: block_id(study, protocol.name) for protocol in protocols})


def candidates_id(study: Study) -> str:
    """Id of the sampled candidates; it does not include the data set's."""
    return digest([study.settings.evaluation.model_dump(), versions.EVALUATION_VERSION])


@dataclass(frozen=True)
class DatasetFiles:
    """Paths of one prepared data set."""

    folder: Path
    arrays: Path
    manifest: Path
    id_map: Path
    candidates: Path
    card: Path
    baselines: Path


def dataset_files(study: Study, name: str) -> DatasetFiles:
    """Paths of the prepared data set `name` of a study."""
    folder = STUDIES / study.name / "data" / name / dataset_id(name, study.settings.datasets[name])
    return DatasetFiles(
        folder,
        arrays=folder / "dataset.npz",
        manifest=folder / "dataset.json",
        id_map=folder / "ids.npz",
        candidates=folder / f"candidates={candidates_id(study)}.npz",
        card=folder / "card.json",
        baselines=folder / f"baselines={evaluation_id(study)}.json",
    )
