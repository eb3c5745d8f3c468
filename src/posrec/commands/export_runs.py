"""`posrec export-runs`: a study's runs for other tools: one CSV, TensorBoard's event files, or MLflow's store.

Every run becomes one run there: its settings as parameters, its scores under every protocol as metrics, its validation
curve by epoch, and posrec's own run id as a tag. The study's files stay the source: nothing is read back.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posrec.errors import DataError, StudyError
from posrec.files import read_npz, write_text
from posrec.plan.run import planned_runs
from posrec.store import results
from posrec.study.study import Cell, Study, load

EXTRA = "pip install 'posrec[{name}]'"
KINDS = ("sampled", "full")


@dataclass(frozen=True)
class Exported:
    """A run: its name, parameters, scores by name (fractions), and validation NDCG@10 and loss by epoch."""

    name: str
    parameters: dict[str, Any]
    scores: dict[str, float]
    curve: pd.DataFrame  # epoch, validation, loss


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    wanted = {name: getattr(arguments, name) for name in ("csv", "tensorboard", "mlflow")}
    if not any(wanted.values()):
        raise StudyError("export-runs: give a format: --csv FILE, --tensorboard DIR or --mlflow DIR")
    study = load(arguments.study)
    found = list(exported(study))
    if not found:
        raise DataError(f"{study.name}: no run is there yet; train with `posrec run` or `posrec train`")
    for name, target in wanted.items():
        if target is not None:
            WRITERS[name](study, found, target)
            print(f"{target}: {len(found)} runs")


def exported(study: Study) -> Iterator[Exported]:
    """The planned runs that are there, in the order of the plan. Raises DataError for a damaged one."""
    for planned in planned_runs(study):
        if planned.path.exists():
            record = results.read_content(planned.path)
            yield Exported(
                f"{planned.cell.dataset} {planned.cell.encoding} {planned.run_id} seed {planned.seed}",
                _parameters(planned.cell, record),
                _scores(record),
                _curve(planned.npz),
            )


def _parameters(cell: Cell, record: dict[str, Any]) -> dict[str, Any]:
    plain = {name: record.get(name) for name in ("dataset", "encoding", "seed", "status", "run_id", "epochs_trained")}
    return plain | dict(_flat({"model": cell.model.model_dump(), "training": cell.training.model_dump()}))


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings by dotted name.

    >>> dict(_flat({"model": {"heads": 2}}))
    {'model.heads': 2}
    """
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _scores(record: dict[str, Any]) -> dict[str, float]:
    """Such as "sound/full/NDCG@10"."""
    return {
        f"{protocol}/{kind}/{metric}": float(value)
        for protocol, block in record["evaluations"].items()
        for kind in KINDS
        for metric, value in block[kind].items()
    }


def _curve(npz: Path) -> pd.DataFrame:
    arrays = read_npz(npz)
    empty = np.empty(0)
    columns = {name: arrays.get(f"curve_{name}", empty) for name in ("epoch", "validation", "loss")}
    return pd.DataFrame(columns)


def write_csv(study: Study, found: list[Exported], target: Path) -> None:
    """One row per run: parameters and scores."""
    rows = [{"run": one.name, **one.parameters, **one.scores} for one in found]
    write_text(target, pd.DataFrame(rows).to_csv(index=False, float_format="%.10g", lineterminator="\n"))


def write_tensorboard(study: Study, found: list[Exported], target: Path) -> None:
    """One folder of event files per run: curves by epoch, scores and hyperparameters."""
    _new_folder(target)
    writer_of = _extra("tensorboard", "torch.utils.tensorboard").SummaryWriter
    for one in found:
        with writer_of(str(target / one.name.replace(" ", "_"))) as writer:
            for name in ("validation", "loss"):
                for epoch, value in one.curve[["epoch", name]].dropna().itertuples(index=False):
                    writer.add_scalar(f"curve/{name}", value, int(epoch))
            for name, value in one.scores.items():
                writer.add_scalar(name, value, 0)
            writer.add_text("parameters", "\n".join(f"{k}: {v}  " for k, v in one.parameters.items()))


def write_mlflow(study: Study, found: list[Exported], target: Path) -> None:
    """One experiment with the study's name, and in it one run per run; a SQLite store, which `mlflow ui` reads."""
    _new_folder(target)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = _extra("mlflow", "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{target.resolve()}/mlflow.db")
    experiment = client.create_experiment(study.name, artifact_location=(target.resolve() / "artifacts").as_uri())
    for one in found:
        made = client.create_run(experiment, run_name=one.name, tags={"posrec.run_id": str(one.parameters["run_id"])})
        entities = import_module("mlflow.entities")
        metrics = [entities.Metric(_named(name), value, 0, 0) for name, value in one.scores.items()]
        for name in ("validation", "loss"):
            values = one.curve[["epoch", name]].dropna().itertuples(index=False)
            metrics += [entities.Metric(f"curve/{name}", float(value), 0, int(epoch)) for epoch, value in values]
        parameters = [entities.Param(name, str(value)) for name, value in one.parameters.items()]
        client.log_batch(made.info.run_id, metrics, parameters)
        client.set_terminated(made.info.run_id, "FINISHED" if one.scores else "FAILED")


def _named(metric: str) -> str:
    """MLflow allows no @ in names.

    >>> _named("sound/full/NDCG@10")
    'sound/full/NDCG_10'
    """
    return metric.replace("@", "_")


def _new_folder(target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise DataError(f"{target}: is not empty; give a new folder, or remove that one")
    target.mkdir(parents=True, exist_ok=True)


def _extra(name: str, module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise DataError(f"--{name}: needs the extra package {name}: {EXTRA.format(name=name)}") from None


WRITERS = {"csv": write_csv, "tensorboard": write_tensorboard, "mlflow": write_mlflow}
