"""The data set's card: every figure of a table small enough to count."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posrec.data.prepare import card as statistics
from posrec.data.prepare.prepare import prepare_dataset
from posrec.data.prepare.prepared import Prepared
from posrec.data.simulate.simulate import simulate
from posrec.files import read_json
from posrec.plan import ids
from posrec.study.study import Study

DAY = 86_400


def test_summary_by_hand(make_prepared: Callable[..., Prepared]) -> None:
    rows = [("a", "1", 0), ("a", "2", DAY), ("a", "1", DAY), ("b", "1", 2 * DAY), ("b", "3", 2 * DAY)]
    rows += [("c", "1", 3 * DAY), ("c", "1", 4 * DAY), ("c", "2", 4 * DAY), ("c", "1", 365 * DAY)]
    card = statistics.summary(make_prepared(rows, [["x"], ["x", "y"], []]))
    assert card == {
        "users": 3,
        "items": 3,
        "interactions": 9,
        "density": 1.0,
        "sparsity": 0.0,
        "mean_length": 3.0,
        "length_quantiles": {"min": 2.0, "25": 2.5, "50": 3.0, "75": 3.5, "90": 3.8, "max": 4.0},
        "users_with_test_share": pytest.approx(2 / 3),
        "one_item_training_share": pytest.approx(1 / 3),
        "tied_pairs_share": pytest.approx(3 / 6),
        "tied_run_lengths": {"1": 3, "2": 3, "3": 0, "4": 0, "5 or more": 0},
        "repeat_rate": pytest.approx(3 / 9),
        "repeated_targets": {"test": 1.0, "validation": 0.0},  # a and c have 1 again after 2
        "popularity_gini": pytest.approx(2 * (1 * 1 + 2 * 2 + 3 * 6) / (3 * 9) - 4 / 3),
        "first_day": "1970-01-01",
        "last_day": "1971-01-01",
        "days": 365,
        "sequentiality": card["sequentiality"],
        "markov_chain": card["markov_chain"],
        "attributes": 2,
        "attributes_per_item": 1.0,
    }


def test_gini_of_known_distributions() -> None:
    assert statistics.gini(np.array([4, 4, 4])) == pytest.approx(0)
    assert statistics.gini(np.array([0, 0, 0, 8])) == pytest.approx(3 / 4)
    assert statistics.gini(np.array([3, 1])) == statistics.gini(np.array([1, 3])) == pytest.approx(1 / 4)


def test_users_of_one_item_have_no_pairs(make_prepared: Callable[..., Prepared]) -> None:
    prepared = make_prepared([("a", "1", 0), ("b", "1", 0)])
    assert statistics.tied_pairs_share(prepared.offsets, prepared.times) == 0
    assert statistics.repeat_rate(prepared) == 0


def test_card_of_a_study(workplace: Path, make_study: Callable[..., Study]) -> None:
    study = make_study(simulate={"users": 60, "items": 30, "mean_length": 8}, tied_times="file", k_core=2)
    dataset = study.settings.datasets["toy"]
    assert dataset.simulate is not None
    simulate(dataset.simulate, ids.raw_folder("toy", dataset))
    prepare_dataset(study, "toy")
    statistics.describe_dataset(study, "toy")
    files = ids.dataset_files(study, "toy")
    card = read_json(files.card)
    assert (card["dataset"], card["title"], card["simulated"]) == ("toy", "simulated", True)
    assert (card["k_core"], card["tied_times"], card["dataset_id"]) == (2, "file", files.folder.name)
    assert (card["duplicates_dropped"], card["reviews"]) == (0, card["interactions"])
    assert card["interactions"] == read_json(files.manifest)["counts"]["interactions"]
