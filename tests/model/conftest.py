"""A small random data set with histories of many lengths, and cells on it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.model.carca import Carca
from posrec.model.evaluate.score import Ranks
from posrec.model.runs.scoring import read_test
from posrec.study import study
from posrec.study.protocols import EvaluationSwitches
from posrec.study.settings.model import ModelSettings
from posrec.study.study import Cell
from tests.model import toy


def make_data(users: int = 40, items: int = 60, attributes: int = 9, longest: int = 14, seed: int = 0) -> Prepared:
    """Random interactions, 1 to `longest` a user; users with at least 3 have a validation and a test interaction."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, longest + 1, users)
    offsets = np.concatenate([[0], np.cumsum(length)])
    held_out = length >= 3
    count = rng.integers(0, 4, items + 1) * (np.arange(items + 1) > 0) * (attributes > 0)
    bags = [np.sort(rng.choice(attributes, n, replace=False)) for n in count] if attributes else []
    return Prepared(
        offsets=offsets.astype(np.int64),
        items=rng.integers(1, items + 1, offsets[-1]).astype(np.int32),
        times=np.sort(rng.integers(0, 1000, offsets[-1])) * 86_400,
        context=rng.random((offsets[-1], 6)).astype(np.float32),
        train_length=np.where(held_out, length - 2, length).astype(np.int32),
        validation=np.where(held_out, offsets[1:] - 2, -1).astype(np.int64),
        test=np.where(held_out, offsets[1:] - 1, -1).astype(np.int64),
        attribute_offsets=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        attribute_ids=np.concatenate([*bags, np.zeros(0)]).astype(np.int32),
    )


def make_candidates(data: Prepared, negatives: int = 20) -> Candidates:
    """Random negatives for every test user (some may be in the history: ranks must not care)."""
    rng = np.random.default_rng(1)
    shape = (int((data.test >= 0).sum()), negatives)
    test, validation = (rng.integers(1, data.n_items + 1, shape).astype(np.int32) for _ in range(2))
    return Candidates(test, validation)


def make_cell(
    encoding: str = "none", protocol: str | dict[str, str] = "sound", precision: str = "fp64", **settings: Any
) -> Cell:
    """A small cell; `settings` go to the model or the training, whichever knows the key."""
    model = {"dimension": 12, "blocks": 2, "heads": 2, "max_length": 8, "dropout": 0.0, **toy.MODEL}
    training = {
        "learning_rate": 0.01,
        "batch_size": 16,
        "epochs": 3,
        "patience": 5,
        "warmup_steps": None,
        "numerics": {"precision": precision},
        **toy.TRAINING,
    }
    for key, value in settings.items():
        (model if key in ModelSettings.model_fields else training)[key] = value
    raw = {
        "study": "test",
        "protocols": [protocol],
        "datasets": {"random": {"simulate": {"users": 40, "items": 60, "mean_length": 5}}},
        "encodings": [encoding],
        "model": model,
        "training": training,
        "seeds": [1, 2, 3],
    }
    return study.from_dict(raw).cells[0]


@pytest.fixture(scope="module")
def data() -> Prepared:
    return make_data()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with the prepared data of the toy study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    toy.make_data()
    return tmp_path


def rank_test_users(model: Carca, data: Prepared, candidates: Candidates) -> Ranks:
    """Ranks of every test user under the sound evaluation."""
    return read_test(model, data, candidates, EvaluationSwitches(), seed=1, epoch=1).ranks
