"""Which cell of a study is exported, with which of its seeds, and how good they are together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.errors import PosrecError, StudyError
from posrec.model.carca import Carca
from posrec.model.evaluate.baselines import summary
from posrec.model.evaluate.metrics import mean_metrics
from posrec.model.evaluate.score import Ranks, Requests, model_scores, rank_requests, requests_of
from posrec.model.runs.run import Run
from posrec.model.train import Curve, validation_sample
from posrec.plan.run import planned_runs
from posrec.store import results
from posrec.study.settings.evaluation import PRIMARY
from posrec.study.study import Cell, Study
from posrec.study.variation import settings_label, varied_settings


@dataclass(frozen=True)
class Finished:
    """A finished run: its curve of validation (epochs,), NaN where it wasn't read, and its evaluations by protocol."""

    run: Run
    validation: np.ndarray
    evaluations: dict[str, Any]

    @property
    def best(self) -> float:
        """The best validation, by which its epoch was selected."""
        return float(np.nanmax(self.validation))

    def is_of(self, curve: Curve) -> bool:
        """Whether a training has this run's curve, and so its weights and its results."""
        return np.array_equal(self.validation, np.array(curve.validation), equal_nan=True)


def cell_of(study: Study, encoding: str, dataset: str | None, settings: str | None, protocol: str | None) -> Cell:
    """The one cell that the options name. Raises StudyError that lists what there is where it isn't one."""
    names = list(study.settings.datasets)
    if dataset is None and len(names) > 1:
        raise StudyError(f"--dataset: the study has {', '.join(names)}; name one")
    varied = varied_settings(study.cells)
    wanted = {"dataset": dataset, "encoding": encoding, "settings": settings, "protocol": protocol}
    cells = [
        cell
        for cell in study.cells
        if encoding == cell.encoding
        and dataset in (None, cell.dataset)
        and settings in (None, settings_label(cell, varied))
        and (protocol is None or protocol in [each.name for each in cell.protocols])
    ]
    if not cells:
        asked = ", ".join(f"--{key} {value}" for key, value in wanted.items() if value is not None)
        raise StudyError(
            f"no cell of the study matches {asked}; its data sets are {', '.join(names)}, its encodings "
            f"{', '.join(study.settings.encodings)}"
        )
    if len(cells) > 1:
        shown = "\n  ".join(f"--protocol {c.protocol.name} --settings '{settings_label(c, varied)}'" for c in cells)
        raise StudyError(f"{len(cells)} cells match; choose one of them:\n  {shown}")
    return cells[0]


def finished_runs(study: Study, cell: Cell) -> list[Finished]:
    """The finished scoring runs of a cell, the best validation first. Raises PosrecError where there is none."""
    scoring = set(study.settings.scoring_seeds)
    runs = [Run(planned) for planned in planned_runs(study, [cell]) if planned.seed in scoring]
    found = []
    for run in runs:
        if run.status() == "finished":
            content, arrays = results.read_result(run.path, **run.planned.must_say)
            found.append(Finished(run, arrays["curve_validation"], content["evaluations"]))
    if not found:
        raise PosrecError(
            f"{cell.dataset} {cell.encoding}: none of its {len(runs)} runs is finished, so there is no best one; train "
            f"them: `posrec train STUDY --dataset {cell.dataset} --encoding {cell.encoding}`, or run the workflow"
        )
    return sorted(found, key=lambda one: (-one.best, one.run.seed))


def measure(models: Sequence[Carca], data: Prepared, candidates: Candidates, cell: Cell) -> dict[str, Any]:
    """The test's metrics and the validation's of the mean of the models' scores, as a run's are measured."""
    sample = validation_sample(data, cell.training.validation_users)
    nothing = np.zeros((len(sample.users), 0), np.int32)
    validation = _ranks(models, data, sample, nothing)
    test = _ranks(models, data, requests_of(data.test), candidates.test)
    of_validation = mean_metrics(validation.full_greater, validation.full_tied)[PRIMARY]
    return {"test": summary(test), "validation": of_validation}


def _ranks(models: Sequence[Carca], data: Prepared, requests: Requests, candidates: np.ndarray) -> Ranks:
    streams = zip(*(model_scores(model, data, requests) for model in models), strict=True)
    scores = ((blocks[0][0], sum(block for _, block in blocks) / len(blocks)) for blocks in streams)
    return rank_requests(scores, data, requests, candidates)
