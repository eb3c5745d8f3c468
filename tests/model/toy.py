"""A toy study of two encodings that trains in a second."""

import json
from typing import Any

from posrec.data.prepare import candidates, prepare
from posrec.data.simulate import simulate
from posrec.model.runs.run import Run
from posrec.plan import ids
from posrec.plan.run import planned_run
from posrec.study import study
from posrec.study.study import Study

# CARCA as published: most of its parts act, so tests of a part take it unless they say otherwise.
MODEL: dict[str, Any] = {
    **{"head": "carca", "residual": "mul", "upper_bound": None, "context": True},
    **{"candidate_context": "request_time", "position_scale": "unit"},
}
TRAINING: dict[str, Any] = {"loss": "bce", "schedule": "constant"}
RAW: dict[str, Any] = {
    "study": "jobs",
    "datasets": {"toy": {"simulate": {"users": 150, "items": 60, "mean_length": 7}, "k_core": 3}},
    "encodings": ["none", "learnt"],
    "model": {"dimension": 8, "blocks": 1, "heads": 2, "max_length": 10, "dropout": 0.5, **MODEL},
    "training": {"learning_rate": 0.01, "epochs": 2, "batch_size": 32, **TRAINING},
    "seeds": [1, 2, 3],
}


def make_study(**changes: Any) -> Study:
    raw = json.loads(json.dumps(RAW))
    for key, value in changes.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) and key in raw else value
    return study.from_dict(raw)


def run(loaded: Study, encoding: str = "none", seed: int = 1) -> Run:
    cell = next(cell for cell in loaded.cells if cell.encoding == encoding)
    return Run(planned_run(loaded, cell, seed))


def make_data() -> None:
    """Raw reviews, prepared data and candidates of the toy study in the working folder."""
    loaded = make_study()
    dataset = loaded.settings.datasets["toy"]
    assert dataset.simulate is not None
    simulate.simulate(dataset.simulate, ids.raw_folder("toy", dataset))
    prepare.prepare_dataset(loaded, "toy")
    candidates.draw_candidates(loaded, "toy")
