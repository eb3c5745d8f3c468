"""The toy study with a model of each kind, trained, and the folder of each model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from posrec.data.prepare import candidates, prepare
from posrec.data.prepare.id_map import IdMap
from posrec.data.prepare.prepared import Prepared
from posrec.model.evaluate import baselines
from posrec.model.runs import jobs
from posrec.plan import ids
from posrec.serve.export import export
from posrec.study.study import Study
from tests.model import toy

DOT = {"head": "dot", "residual": "sum", "upper_bound": 1.0, "context": False, "position_scale": "items"}
STUDIES: dict[str, dict[str, Any]] = {
    "dot": {"encodings": ["rope"], "model": {**DOT, "candidate_context": "none"}},
    "added": {"encodings": ["learnt"], "model": {**DOT, "candidate_context": "none"}},
    "carca": {"encodings": ["rmha4"]},  # reads the time of the request
    "timed": {"encodings": ["time2vec"], "model": {**DOT, "candidate_context": "last_interaction"}},
}


def make_study(kind: str, **changes: Any) -> Study:
    """The study of one kind of model; of three seeds where seeds are compared."""
    seeds = {} if kind == "dot" else {"seeds": [1], "report": {"stability": False}}
    return toy.make_study(study=kind, **STUDIES[kind], **seeds, **changes)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which every study is trained and exported, its folder named as the study."""
    folder = tmp_path_factory.mktemp("serve")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("POSREC_STORE", raising=False)
        toy.make_data()
        for kind in STUDIES:
            loaded = make_study(kind)
            _prepare(loaded)
            jobs.train_cells(loaded, loaded.cells)
            export(loaded, loaded.cells[0], Path(kind))
    return folder


@pytest.fixture
def place(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the working folder; tests may add to it."""
    monkeypatch.chdir(trained)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    return trained


def _prepare(loaded: Study) -> None:
    prepare.prepare_dataset(loaded, "toy")
    candidates.draw_candidates(loaded, "toy")
    baselines.score_baselines(loaded, "toy")


def data_of(loaded: Study) -> tuple[Prepared, IdMap]:
    files = ids.dataset_files(loaded, "toy")
    return Prepared.load(files.arrays, files.manifest), IdMap.load(files.id_map)


def histories_at_test(loaded: Study) -> tuple[pd.DataFrame, dict[str, int]]:
    """What evaluation sees of the test users: the interactions before the target, and the target's time."""
    data, named = data_of(loaded)
    users = np.repeat(np.arange(data.n_users), np.diff(data.offsets))
    before = (data.test[users] >= 0) & (np.arange(len(users)) < data.test[users])
    table = pd.DataFrame(
        {
            "user": np.array(named.users, dtype=object)[users[before]],
            "item": np.array(named.items, dtype=object)[data.items[before] - 1],
            "time": data.times[before],
        }
    )
    asking = np.flatnonzero(data.test >= 0)
    return table, {named.users[user]: int(data.times[data.test[user]]) for user in asking}
