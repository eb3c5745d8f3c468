"""Twins have their data set's published statistics, at any scale, and either kind of features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from posrec.data.prepare import prepare
from posrec.data.prepare.prepared import Prepared
from posrec.data.simulate.simulate import draw_simulation, simulate
from posrec.plan import ids
from posrec.study.settings.simulation import SimulationSettings
from posrec.study.study import Study
from posrec.study.twins import TWINS


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_at_full_scale_has_the_published_counts(name: str) -> None:
    known, twin = TWINS[name], SimulationSettings.model_validate({"twin": name})
    assert (twin.users, twin.items, twin.mean_length) == (known.users, known.items, known.mean_length)
    assert twin.features == ("multi_hot" if name in ("Beauty", "Games", "Subgames") else "image")


def test_a_scaled_twin_keeps_lengths_and_ties_and_what_is_given_counts() -> None:
    twin = SimulationSettings.model_validate({"twin": "Subgames", "scale": 0.5, "order": 0.1, "items": 900})
    assert (twin.users, twin.items, twin.order) == (2500, 900, 0.1)
    walks = draw_simulation(twin)[1]
    assert walks.lengths.mean() == pytest.approx(33_353 / 5_000, abs=0.3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"twin": "Games", "scale": 0.001}, "greater than or equal to 0.01"),
        ({"twin": "Gmes"}, "'Games'"),
        ({"users": 50, "items": 20, "mean_length": 4, "scale": 0.5}, "set twin, or remove scale"),
        ({"twin": "Games", "noise": 0.6, "season": 0.6}, "together at most 1"),
        ({"twin": "Games", "lag_weights": [0.0]}, "give at least one above 0"),
        ({"items": 20, "mean_length": 4}, "users"),
    ],
)
def test_what_makes_no_twin_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulationSettings.model_validate(settings)


def test_multi_hot_attributes_are_as_many_as_published(workplace: Path, make_study: Callable[..., Study]) -> None:
    data = prepared(make_study(simulate={"twin": "Subgames", "scale": 0.2}, k_core=1))
    assert data.n_attributes == pytest.approx(506 * 0.2, rel=0.15)  # prices add ten
    assert data.features.shape[1] == 0


def test_image_vectors_tell_the_category(workplace: Path, make_study: Callable[..., Study]) -> None:
    twin = {"twin": "Subfashion", "scale": 0.02, "categories": 4}
    data = prepared(make_study(simulate=twin, k_core=1, dense_features=True, attributes=False))
    vectors = data.features[1:] / np.linalg.norm(data.features[1:], axis=1, keepdims=True)
    likeness = vectors @ vectors.T
    world = draw_simulation(SimulationSettings.model_validate(twin))[0]
    reviewed = np.unique(draw_simulation(SimulationSettings.model_validate(twin))[1].items.clip(0))
    same = world.category[reviewed][:, None] == world.category[reviewed]
    np.fill_diagonal(same, False)
    assert likeness[same].min() > likeness[~same & ~np.eye(len(same), dtype=bool)].max()


def prepared(study: Study) -> Prepared:
    """The prepared data of a study's simulated data set."""
    dataset = study.settings.datasets["toy"]
    assert dataset.simulate is not None
    simulate(dataset.simulate, ids.raw_folder("toy", dataset))
    prepare.prepare_dataset(study, "toy")
    files = ids.dataset_files(study, "toy")
    return Prepared.load(files.arrays, files.manifest)
