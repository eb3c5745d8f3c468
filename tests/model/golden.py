"""What must give the same numbers as long as no version is raised: a case for every encoding, setting and switch.

The cases come from the schema, the protocols and the catalogue, so that a new setting needs numbers of its own. After a
version was raised, and for new cases, write the numbers anew:

    python -m tests.model.golden
    ATEN_CPU_CAPABILITY=avx2 python -m tests.model.golden

Random numbers, and so initial weights, differ in the last digits between torch's kernels: each has its own numbers.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from posrec import versions
from posrec.data.prepare.prepared import Prepared
from posrec.files import read_json, write_json
from posrec.model.evaluate.baselines import SCORERS, summary
from posrec.model.evaluate.score import requests_of
from posrec.model.evaluate.sparse_ranks import rank_sparse
from posrec.model.runs.scoring import Scores
from posrec.model.train import batch_size, build_model, train_run
from posrec.study import encodings
from posrec.study.protocols import EvaluationSwitches, TrainingSwitches
from posrec.study.settings.model import ModelSettings
from posrec.study.settings.training import TrainingSettings
from tests.model import toy
from tests.model.conftest import make_candidates, make_cell, make_data

FILE = Path(__file__).with_name("golden.json")
VERSIONS = {"training": versions.TRAINING_VERSION, "evaluation": versions.EVALUATION_VERSION}
KERNELS = torch.backends.cpu.get_cpu_capability()
NOT_HERE = {"keep_weights", "numerics"}  # the first changes no number; of the second, the compiled engine is below
# A value that isn't the default, where the schema lists none, and what it takes to be seen.
VALUES: dict[str, dict[str, Any]] = {
    "dimension": {"dimension": 16},
    "blocks": {"blocks": 1},
    "heads": {"heads": 3},
    "max_length": {"max_length": 5},
    "upper_bound": {"upper_bound": 1.0},
    "upper_bound_norm": {"upper_bound": 1.0, "upper_bound_norm": 1.0},
    "dropout": {"dropout": 0.2},
    "learning_rate": {"learning_rate": 0.02},
    "batch_size": {"batch_size": 8},
    "epochs": {"epochs": 2},
    "patience": {"learning_rate": 0.02, "patience": 1, "epochs": 6},
    "validate_every": {"validate_every": 2},
    "validation_users": {"validation_users": 10},
    "warmup_steps": {"warmup_steps": 1, "epochs": 5},
    "position_scale": {"position_scale": 0.5},
    "weight_decay": {"weight_decay": 0.5},
    "held_streams": {"held_streams": {"trunk": 5, "order": 6}},
    "negatives": {"negatives": 3},
    "gbce_calibration": {"loss": "gbce", "negatives": 3, "gbce_calibration": 0.5},
}
WITH: dict[str, dict[str, Any]] = {
    "loss": {"negatives": 3, "candidate_context": "none"},
    "block": {"residual": "sum"},
    "shared_negatives": {"loss": "shared_softmax", "head": "dot"},
    "dot_head": {"head": "dot"},
    "dot_head_test": {"head": "dot"},
    "early_stopping": VALUES["patience"],
    "schedule": VALUES["patience"],
    "seeding": {"dropout": 0.2},
    "position_norm": {"position_scale": "items"},
    "max_norm": {"upper_bound": 1.0},
    "reported_mean": {"batch_size": 12},  # the 32 test users are not whole batches
}
# switches and settings that act on some encodings alone
ENCODING_OF = {
    "rope_axis": "rope",
    "sinusoid_direction": "abs",
    "rmha_softmax": "rmha4",
    "rmha_projection": "rmha4",
    "batch_none": "none",
    "decoder_positions": "rmha4",
}


@dataclass(frozen=True)
class Case:
    """A training on the small random data set, and how it is scored."""

    encoding: str = "learnt"
    protocol: str | dict[str, str] = "sound"
    settings: dict[str, Any] = field(default_factory=dict)


def cases() -> dict[str, Case]:
    """All cases by name."""
    found = dict(_encodings())
    for settings in (ModelSettings, TrainingSettings):
        found |= dict(_settings(settings))
    found |= {name: Case(protocol=name, settings={"dropout": 0.2}) for name in ("sound_last", "released")}
    scaled = ("abs", "learnt", "rotatory", "abs_con", "learnt_con", "rotatory_con", "time2vec", "added_control")
    found |= {f"position_scale: items: {name}": Case(name, settings={"position_scale": "items"}) for name in scaled}
    compiled = {"numerics": {"precision": "fp64", "engine": "numba"}, "dropout": 0.2}
    found |= {f"engine: numba: {name}": Case(name, settings=compiled) for name in ("rope", "rmha4")}
    for switches in (TrainingSwitches, EvaluationSwitches):
        names = (name for name in switches.model_fields if name != "targets")
        found |= {f"{name}: released": _switched(name) for name in names}
    return found


def _encodings() -> Iterator[tuple[str, Case]]:
    """Every kind, and every parameter of it at another value than its default."""
    for kind in encodings.kinds().values():
        name = encodings.EXAMPLES.get(kind.name, kind.name)
        yield name, Case(name)
        for key, default in kind.parameters.items():
            if key != kind.pattern:
                text = f"{name}-{key}={kind.choices[key][-1] if key in kind.choices else _other(default)}"
                yield text, Case(text)


def _other(default: bool | int | float) -> str:
    """Another value of a parameter, as it stands in an encoding's name."""
    if isinstance(default, bool):
        return str(not default).lower()
    return str(default // 2 if isinstance(default, int) else default / 2 or 1000.0)


def _settings(settings: type[ModelSettings] | type[TrainingSettings]) -> Iterator[tuple[str, Case]]:
    for key, info in settings.model_fields.items():
        if key in VALUES:
            yield key, Case(settings=VALUES[key])
        elif key not in NOT_HERE:
            values = (True, False) if info.annotation is bool else get_args(info.annotation)
            for value in values:
                if value != {**toy.MODEL, **toy.TRAINING}.get(key, info.default):
                    with_it = {key: value, **WITH.get(key, {})}
                    yield f"{key}: {value}", Case(ENCODING_OF.get(key, "learnt"), settings=with_it)


def _switched(name: str) -> Case:
    protocol = {"name": "one", "base": "sound", name: "released"}
    return Case(ENCODING_OF.get(name, "learnt"), protocol, WITH.get(name, {}))


def numbers(case: Case, data: Prepared) -> dict[str, list[float]]:
    """Training: losses, validations and the sum of the weights; evaluation: metrics, ties and ranks. Float64."""
    cell = make_cell(case.encoding, case.protocol, **case.settings)
    trained = train_run(cell, data, 1)
    epoch, _ = trained.curve.best()
    weights = trained.weights[epoch]
    model = build_model(cell, data, 1)
    model.load_state_dict(weights)
    scores = Scores(cell.protocol.evaluation, data, make_candidates(data), 1, batch_size(cell))
    scores.read(model, epoch)
    about, arrays = scores.result()
    read = [value for value in trained.curve.validation if not np.isnan(value)]
    size = sum(float(value.abs().sum()) for value in weights.values())
    return {
        "training": [*trained.curve.loss, *read, float(epoch), size],
        "evaluation": [*_flat(about), *(float(arrays[name].mean()) for name in sorted(arrays))],
    }


def baselines(data: Prepared) -> dict[str, list[float]]:
    """Metrics of all baselines."""
    candidates, requests = make_candidates(data), requests_of(data.test)
    scores = [scorer(data, requests) for scorer in SCORERS.values()]
    ranks = [rank_sparse(of_baseline, data, requests, candidates.test) for of_baseline in scores]
    return {"evaluation": [value for found in ranks for value in _flat(summary(found))]}


def _flat(content: dict[str, Any]) -> Iterator[float]:
    """All numbers of nested mappings, in the order of their keys.

    Metrics on new targets are left out: means of the same ranks, whose values tests/model/runs/test_scoring.py has.
    """
    for key in sorted(key for key in content if not key.startswith("new_")):
        value = content[key]
        yield from _flat(value) if isinstance(value, dict) else [float(value)]


def all_numbers() -> dict[str, dict[str, list[float]]]:
    """The numbers of every case as the code is now."""
    data = make_data()
    found = {"baselines": baselines(data), **{name: numbers(case, data) for name, case in cases().items()}}
    return {
        name: {part: [float(f"{value:.12g}") for value in values] for part, values in parts.items()}
        for name, parts in found.items()
    }


def close(first: list[float], second: list[float]) -> bool:
    """Whether numbers are equal to 1e-9."""
    return len(first) == len(second) and bool(np.allclose(first, second, rtol=1e-9, atol=1e-12))


def known() -> dict[str, dict[str, list[float]]]:
    """The numbers in the file of this machine's kernels, by case; none where the versions are others."""
    content = read_json(FILE) if FILE.exists() else {}
    cases_: dict[str, dict[str, list[float]]] = {}
    return content["cases"].get(KERNELS, cases_) if content.get("versions") == VERSIONS else cases_


def write() -> None:
    """Write the numbers of this machine's kernels; numbers that changed under the same version are refused."""
    torch.set_num_threads(1)
    found, before = all_numbers(), known()
    for name in sorted(before.keys() & found.keys()):
        for part, old in before[name].items():
            if not close(old, found[name][part]):
                sys.exit(f"{name}: {part} changed: raise {part.upper()}_VERSION in src/posrec/versions.py first")
    content = read_json(FILE) if FILE.exists() else {}
    others = content["cases"] if content.get("versions") == VERSIONS else {}
    write_json(FILE, {"versions": VERSIONS, "cases": {**others, KERNELS: found}})
    print(f"{FILE}: {len(found)} cases of {KERNELS} kernels")


if __name__ == "__main__":
    write()
