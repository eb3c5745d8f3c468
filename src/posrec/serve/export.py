"""A cell of a study to a folder of its own: the weights of its best seeds, ids, attributes, metrics."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from posrec import __version__
from posrec.data.prepare.context import year_span
from posrec.data.prepare.id_map import IdMap
from posrec.data.prepare.prepared import Candidates, Prepared, identity_of, read_manifest
from posrec.errors import PosrecError, StudyError
from posrec.files import read_checked_json
from posrec.model.inputs import Clock, ragged_arange
from posrec.plan import environment
from posrec.plan.run import PlannedRun
from posrec.serve import card, choose
from posrec.serve.choose import Finished
from posrec.serve.folder import ATTRIBUTE_ARRAYS, LAYOUT, Exported, Weights, write
from posrec.serve.recommend import Recommender
from posrec.study.encodings import find
from posrec.study.protocols import EvaluationSwitches
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.settings.evaluation import PRIMARY
from posrec.study.study import Cell, Study

PACKAGES = ("torch", "numpy", "safetensors")


def export(study: Study, cell: Cell, out: Path, seeds: int = 1, histories: bool = False) -> Exported:
    """Write the model of a cell into the folder `out`: the best of its finished runs by validation.

    seeds: how many; then the scores are the mean of theirs. histories: also the users' interactions. Weights that were
    not kept are trained again. Raises PosrecError where there are too few finished runs, or data or ids are missing.
    """
    environment.check([cell.training.numerics.engine])
    _check_servable(cell, study.settings.datasets[cell.dataset])
    found = choose.finished_runs(study, cell)
    if seeds > len(found):
        raise PosrecError(f"--seeds {seeds}: {cell.dataset} {cell.encoding} has {len(found)} finished runs")
    planned = found[0].run.planned
    id_map = IdMap.load(planned.data.id_map)
    data, candidates = found[0].run.load()
    weights, same = _weights(found[:seeds])
    exported = Exported(
        describe(planned, data, list(weights)),
        weights,
        list(id_map.items),
        np.bincount(data.items[_training(data)], minlength=data.n_items + 1)[1:],
        list(id_map.users),
        {name: np.ascontiguousarray(getattr(data, name)) for name in ATTRIBUTE_ARRAYS},
    )
    model = Recommender(exported)
    exported.config["needs_times"] = model.needs_times
    exported.config["metrics"] = _metrics(planned, found, seeds, same, model, data, candidates)
    write(out, exported, card.write(exported.config), prepared_histories(data, id_map) if histories else None)
    return exported


def _check_servable(cell: Cell, dataset: DatasetSettings) -> None:
    control = dataset.control
    if control.histories == "shuffle" or control.context == "shuffle":
        raise StudyError(
            f"datasets.{cell.dataset}.control: its models were trained on shuffled data, to see an effect disappear; "
            "export the data set without the control"
        )


def _weights(chosen: Sequence[Finished]) -> tuple[dict[int, Weights], bool]:
    """The weights of each seed, and whether they are those of the runs in place."""
    weights, same = {}, True
    for one in chosen:
        if not one.run.has_weights():
            print(
                f"posrec: {one.run.planned.label}: its weights were not kept, so it is trained again "
                "(training.keep_weights: true keeps them)",
                flush=True,
            )
        curve, state = one.run.selected_weights()
        weights[one.run.seed] = {name: tensor.contiguous() for name, tensor in state.items()}
        same = same and one.is_of(curve)
    return weights, same


def describe(planned: PlannedRun, data: Prepared, seeds: list[int]) -> dict[str, Any]:
    """What config.json says, without the metrics."""
    cell, dataset = planned.cell, planned.study.settings.datasets[planned.cell.dataset]
    first = data.times[_training(data)]
    days = [str(np.datetime64(int(edge), "s").astype("datetime64[D]")) for edge in (first.min(), first.max())]
    return {
        "layout": LAYOUT,
        **{"study": planned.study.name, "dataset": cell.dataset, "dataset_id": planned.dataset_id},
        **{"encoding": cell.encoding, "encoding_file": find(cell.encoding).identity.get("file")},
        **{"run_id": planned.run_id, "seeds": seeds},
        "model": cell.model.model_dump(mode="json"),
        "training": cell.training.model_dump(mode="json"),
        "switches": cell.switches.model_dump(mode="json"),
        "attributes": data.n_attributes,
        "context_width": data.context.shape[1],
        "context_dropped": dataset.control.context == "drop",
        "time_features": dataset.time_features,
        "years": list(year_span(first)),
        "clock_start": Clock(data).start,
        "columns": columns_of(dataset),
        "data": {
            "title": read_manifest(planned.data.manifest)["title"],
            **data.counted()["counts"],
            **{"first_day": days[0], "last_day": days[1], "split": dataset.split},
        },
        "versions": {"posrec": __version__, **{name: metadata.version(name) for name in PACKAGES}},
    }


def columns_of(dataset: DatasetSettings) -> dict[str, Any]:
    """How the training's own table calls its columns and writes its times, and the order of equal times."""
    found: dict[str, Any] = {"tied_times": dataset.tied_times}
    if dataset.table is not None:
        table = dataset.table.model_dump(mode="json")
        keys = ("user", "item", "time", "time_unit", "time_format", "time_zone")
        found |= {key: table[key] for key in keys if isinstance(table[key], str)}  # composed ids come as one column
    return found


def _metrics(
    planned: PlannedRun,
    found: Sequence[Finished],
    seeds: int,
    same: bool,
    model: Recommender,
    data: Prepared,
    candidates: Candidates,
) -> dict[str, Any]:
    protocol = planned.cell.protocol
    sound = protocol.evaluation == EvaluationSwitches()
    if seeds == 1 and same and sound:
        test = {kind: found[0].evaluations[protocol.name][kind] for kind in ("full", "sampled")}
        measured = {"test": test, "validation": found[0].best}
    else:
        measured = choose.measure(model.models, data, candidates, planned.cell)
    path = planned.data.baselines
    scored = read_checked_json(path, **identity_of(path))["baselines"] if path.exists() else {}
    return {
        **measured,
        "users": int((data.test >= 0).sum()),
        "negatives": candidates.test.shape[1],
        "baselines": scored,
        "seeds": {str(one.run.seed): one.evaluations[protocol.name]["full"][PRIMARY] for one in found},
    }


def prepared_histories(data: Prepared, id_map: IdMap) -> pl.DataFrame:
    """All interactions of prepared data with their ids, in the order that the model saw: user, item, time."""
    users = np.repeat(np.arange(data.n_users), np.diff(data.offsets))
    return pl.DataFrame(
        {
            "user": pl.Series(id_map.users).gather(users),
            "item": pl.Series(id_map.items).gather(data.items.astype(np.int64) - 1),
            "time": pl.from_epoch(pl.Series(data.times), "s"),
        }
    )


def _training(data: Prepared) -> np.ndarray:
    """Indices of all training interactions."""
    return ragged_arange(data.offsets[:-1], data.train_length.astype(np.int64))
