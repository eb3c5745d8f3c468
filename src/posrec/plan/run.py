"""One planned run: its ids, where all of its files are, and what they must say to be the right ones.

Everything here follows from the study alone; nothing is read. Importing this module imports neither torch nor pandas.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posrec import versions
from posrec.plan import ids
from posrec.study.study import Cell, Study


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One cell of a study with one seed.

    run_id: id of the training without its seed; evaluation_id: id of the evaluations in the run file; block_ids:
    protocol name -> id of its evaluation; data: paths of the prepared data set; folder: folder of the run file; stored:
    folder of this training in the store; progress: file that shows the training while it runs.
    """

    study: Study
    cell: Cell
    seed: int
    run_id: str
    evaluation_id: str
    block_ids: Mapping[str, str]
    data: ids.DatasetFiles
    folder: Path
    stored: Path
    progress: Path

    @property
    def label(self) -> str:
        """Data set, encoding and seed, for people."""
        return f"{self.cell.dataset} {self.cell.encoding} seed {self.seed}"

    @property
    def dataset_id(self) -> str:
        """Id of the prepared data set."""
        return self.data.folder.name

    @property
    def path(self) -> Path:
        """The run file (json) in the study's folder."""
        return self.folder / f"seed={self.seed}.json"

    @property
    def npz(self) -> Path:
        """The arrays beside the run file."""
        return self.path.with_suffix(".npz")

    @property
    def blocks(self) -> dict[str, Path]:
        """Protocol name -> json of its block in the store."""
        return {name: self.stored / f"{block_id}.json" for name, block_id in self.block_ids.items()}

    @property
    def checkpoint(self) -> Path:
        """The training's checkpoint, until its blocks are written."""
        return self.stored / "checkpoint"

    @property
    def sidecar(self) -> Path:
        """The record of how the run was computed: machine, versions, seconds."""
        return ids.PROVENANCE / self.study.name / self.run_id / f"seed={self.seed}.json"

    @property
    def training_must_say(self) -> dict[str, Any]:
        """What a training's files in the store must say: checkpoint, curve. Studies share them: no name is in it."""
        return {"run_id": self.run_id, "seed": self.seed, "training_version": versions.TRAINING_VERSION}

    def block_must_say(self, protocol: str) -> dict[str, Any]:
        """What the block of an evaluation protocol must say."""
        return {**self.training_must_say, "block_id": self.block_ids[protocol]}

    @property
    def described(self) -> dict[str, Any]:
        """What run file and blocks say besides: the schema, and the names that this study uses."""
        return {
            "study_schema": versions.STUDY_SCHEMA,
            "dataset": self.cell.dataset,
            "dataset_id": self.dataset_id,
            "encoding": self.cell.encoding,
        }

    @property
    def must_say(self) -> dict[str, Any]:
        """What the run file must say."""
        return {**self.training_must_say, **self.described, "evaluation_id": self.evaluation_id}

    def beside(self, folder: Path) -> "PlannedRun":
        """The same run with its file, its progress and its store in another folder."""
        return replace(self, folder=folder, stored=folder / "store", progress=folder / self.progress.name)


def planned_runs(study: Study, cells: Iterable[Cell] | None = None) -> Iterator[PlannedRun]:
    """All runs of the cells (default: all of the study), cell by cell. Ids are hashed once per cell.

    Raises StudyError as `ids.planned_source`.
    """
    data: dict[str, ids.DatasetFiles] = {}
    block_ids = {protocol.name: ids.block_id(study, protocol.name) for protocol in study.protocols}
    for cell in study.cells if cells is None else cells:
        if cell.dataset not in data:
            data[cell.dataset] = ids.dataset_files(study, cell.dataset)
        run_id, evaluation_id = ids.run_id(study, cell), ids.evaluation_id(study, cell)
        for seed in cell.seeds:
            yield PlannedRun(
                *(study, cell, seed, run_id, evaluation_id),
                block_ids={protocol.name: block_ids[protocol.name] for protocol in cell.protocols},
                data=data[cell.dataset],
                folder=ids.STUDIES / study.name / "runs" / cell.dataset / cell.encoding / run_id / evaluation_id,
                stored=ids.store() / "runs" / run_id / f"seed={seed}",
                progress=progress_folder(study) / f"{cell.dataset}-{cell.encoding}-{run_id}-seed={seed}.jsonl",
            )


def planned_run(study: Study, cell: Cell, seed: int) -> PlannedRun:
    """The run of one cell and seed."""
    (run,) = planned_runs(study, [replace(cell, seeds=(seed,))])
    return replace(run, cell=cell)


def run_files(study: Study, cells: Iterable[Cell] | None = None) -> Iterator[Path]:
    """The json and npz of every run of the cells (default: all of the study)."""
    return (path for run in planned_runs(study, cells) for path in (run.path, run.npz))


def progress_folder(study: Study) -> Path:
    """Folder of the files that show trainings while they run: JSON lines, one per epoch."""
    return ids.LOGS / study.name / "progress"


def job_records(study: Study) -> Path:
    """Folder of the sidecars of training jobs."""
    return ids.PROVENANCE / study.name / "jobs"


def curve_file(stored: Path) -> Path:
    """The curve and the checksums that make the weights in a training's folder of the store usable."""
    return stored / "curve.json"


def weights_file(stored: Path, epoch: int) -> Path:
    """The weights of an epoch in a training's folder of the store."""
    return stored / f"weights-epoch={epoch}.pt"
