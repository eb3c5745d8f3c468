"""The pipeline finds what was planted: order through encodings alone, time through the context alone.

Under `sound_last`, where `none` is blind to order. Levels are NDCG@10 on the full catalogue, of one seed that is fixed.
"""

from pathlib import Path
from typing import Any

import pytest

from posrec import plan, study
from posrec.data import candidates, prepare, simulate
from posrec.files import read_json
from posrec.model import jobs

PLANTED = {
    "users": 600,
    "items": 80,
    "mean_length": 8,
    "categories": 1,
    "lag_weights": [1.0],
    "popularity": 0.0,
    "tied_days": 0.0,
    "seed": 3,
}
ORDER = {"simulate": {**PLANTED, "order": 0.6}, "k_core": 1}
TIME = {
    "simulate": {**PLANTED, "order": 0.0, "season": 1.0, "seasons": 2},
    "k_core": 1,
    "time_features": "cyclic",
}
RAW: dict[str, Any] = {
    "study": "planted",
    "protocols": ["sound_last"],
    "datasets": {
        "order": {**ORDER, "control": {"context": "drop"}},
        "order_shuffled": {**ORDER, "control": {"context": "drop", "histories": "shuffle"}},
        "time": TIME,
        "time_dropped": {**TIME, "control": {"context": "drop"}},
    },
    "encodings": ["none", "learnt"],
    "model": {"dimension": 24, "blocks": 1, "heads": 2, "max_length": 8, "dropout": 0.1, "residual": "sum"},
    "training": {
        "learning_rate": 0.01,
        "epochs": 24,
        "batch_size": 64,
        "warmup_steps": 10,
        "patience": 50,
        "validate_every": 5,
        "validation_users": 200,
        "negatives": 4,
    },
    "seeds": [1],
    "report": {"stability": False},
}


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], float]:
    """NDCG@10 by data set and encoding."""
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("planted")
        patch.chdir(folder)
        patch.setenv("POSREC_STORE", str(folder / "store"))
        loaded = study.from_dict(RAW)
        for name, dataset in loaded.settings.datasets.items():
            assert dataset.simulate is not None
            simulate.simulate(dataset.simulate, plan.raw_folder(name, dataset))
            prepare.prepare_dataset(loaded, name)
            candidates.draw_candidates(loaded, name)
        jobs.train_cells(loaded, list(loaded.cells))
        return {(cell.dataset, cell.encoding): level(loaded, cell) for cell in loaded.cells}


def level(loaded: study.Study, cell: study.Cell) -> float:
    (run,) = (read_json(path) for path in plan.run_files(loaded, cell) if path.suffix == ".json")
    return float(run["evaluations"]["sound_last"]["full"]["NDCG@10"])


def test_with_order_an_encoding_beats_none(levels: dict[tuple[str, str], float]) -> None:
    assert levels["order", "learnt"] > 1.3 * levels["order", "none"]


def test_shuffled_histories_remove_what_the_encoding_added(levels: dict[tuple[str, str], float]) -> None:
    assert levels["order_shuffled", "learnt"] < 1.15 * levels["order_shuffled", "none"]


def test_with_time_context_beats_no_context(levels: dict[tuple[str, str], float]) -> None:
    for encoding in ("none", "learnt"):
        assert levels["time", encoding] > 1.15 * levels["time_dropped", encoding]


def test_with_time_alone_an_encoding_adds_nothing(levels: dict[tuple[str, str], float]) -> None:
    assert levels["time", "learnt"] < 1.15 * levels["time", "none"]
