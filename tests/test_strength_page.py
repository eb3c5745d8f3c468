"""The page of the models' strength: what another library is given, and how rows are written."""

import numpy as np
import pandas as pd
from benchmarks import peer, strength

from posrec.data.prepare.prepared import Prepared


def test_another_library_gets_the_parts_that_posrec_uses() -> None:
    """Two users: one with a validation and a test item, one for training alone, whose last item nobody uses."""
    data = Prepared(
        offsets=np.array([0, 4, 7]),
        items=np.array([1, 2, 3, 4, 2, 1, 3], np.int32),
        times=np.arange(7),
        context=np.zeros((7, 0), np.float32),
        train_length=np.array([2, 2], np.int32),
        validation=np.array([2, -1]),
        test=np.array([3, -1]),
        attribute_offsets=np.zeros(6, np.int64),
        attribute_ids=np.zeros(0, np.int32),
    )
    found = peer.interactions(data).to_numpy().tolist()
    assert found == [
        [0, 1, 0, "train"],
        [0, 2, 1, "train"],
        [0, 3, 2, "validation"],
        [0, 4, 3, "test"],
        [1, 2, 0, "train"],
        [1, 1, 1, "train"],
    ]


def test_a_page_shows_two_digits_and_leaves_unknown_values_empty() -> None:
    row = {"data set": "toy", "model": "markov", "encoding": "", "NDCG@10": 4.391, "Hit@10": 6.7, "CPU s": 140.2}
    text = strength.page(pd.DataFrame([row], columns=strength.COLUMNS))
    assert "| toy | markov |  |  | 4.39 | 6.70 |  | 140 |  |" in text


def test_without_the_library_its_rows_are_those_of_the_last_page(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(peer, "PYTHON", tmp_path / "absent")
    assert peer.measure(tmp_path / "dataset.npz", tmp_path / "dataset.json", tmp_path / "result.json") is None
    assert "benchmarks/peer.py" in capsys.readouterr().out
