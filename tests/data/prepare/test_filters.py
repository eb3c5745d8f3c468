"""Which interactions stay: worked out by hand, and the paper's subset from CARCA's real Games."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posrec.data.prepare import filters, prepare
from posrec.data.prepare.interactions import Interactions
from posrec.data.prepare.prepared import Prepared
from posrec.data.raw import formats, sources
from posrec.errors import DataError
from posrec.plan import ids as planned
from posrec.study import study
from posrec.study.settings.dataset import DatasetSettings, SubsetSettings
from posrec.study.study import Study

PAPER = Path(__file__).parents[3] / "studies/paper.yaml"


def make(users: list[int], items: list[int], times: list[int] | None = None) -> Interactions:
    ids = [np.array([str(n) for n in range(max(codes) + 1)], dtype=object) for codes in (users, items)]
    return Interactions(np.array(users), np.array(items), np.array(times or [0] * len(users)), *ids)


def test_one_pass_counts_the_raw_data_and_the_k_core_again() -> None:
    users, items = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 2, 0, 1])
    # Item 2 has one review; when it is gone user 1 has one, which one pass does not see.
    assert filters.one_pass(users, items, 2).tolist() == [True, True, True, False, True, True]
    assert filters.k_core(users, items, 2).tolist() == [True, True, False, False, True, True]


@pytest.mark.parametrize(("repeats", "kept"), [("all", [0, 1, 2, 3, 4]), ("first", [0, 1, 4]), ("last", [2, 3, 4])])
def test_repeats_by_time_then_by_place(repeats: str, kept: list[int]) -> None:
    # User 0 met item 1 at 5, 7 and 9 and item 0 twice at 6; user 1 met item 0 once.
    table = make([0, 0, 0, 0, 1, 0], [1, 0, 1, 0, 0, 1], [5, 6, 9, 6, 3, 7])
    assert np.flatnonzero(filters.without_repeats(table, repeats)).tolist() == (
        [*kept, 5] if repeats == "all" else kept
    )


def test_repeats_go_before_the_filter() -> None:
    table = make([0, 0, 0, 1, 1], [0, 0, 1, 0, 1], [1, 2, 3, 1, 2])
    kept = filters.filter_interactions("toy", table, DatasetSettings(k_core=3, filter="one_pass"))
    assert len(kept) == 2  # user 0 has 3 reviews, item 0 too, and item 1 only 2
    with pytest.raises(DataError, match="the 3-core is empty: none of 4 reviews"):
        filters.filter_interactions("toy", table, DatasetSettings(k_core=3, repeats="first"))


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"users": 2}, [0, 1, 2]),
        ({"items": 1}, [0, 3]),
        ({"users": 2, "items": 1}, [0]),
        ({"users": 1, "by": "activity"}, [3, 4, 5]),
    ],
)
def test_subsets_by_hand(settings: dict[str, int], kept: list[int]) -> None:
    users, items = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 1, 2])
    assert np.flatnonzero(filters.subset(users, items, SubsetSettings(**settings))).tolist() == kept


def test_random_subsets_have_the_number_and_follow_the_seed() -> None:
    users, items = np.arange(200), np.zeros(200, np.int64)
    chosen = [filters.subset(users, items, SubsetSettings(users=50, by="random", seed=seed)) for seed in (0, 0, 1)]
    assert [mask.sum() for mask in chosen] == [50, 50, 50]
    assert (chosen[0] == chosen[1]).all()
    assert (chosen[0] != chosen[2]).any()


def test_an_empty_subset_is_an_error() -> None:
    table = make([0, 1], [1, 0])
    dataset = DatasetSettings(k_core=1, subset=SubsetSettings(users=1, items=1))
    with pytest.raises(DataError, match=r"datasets\.toy\.subset: no chosen user"):
        filters.filter_interactions("toy", table, dataset)


def counts(name: str, mirror: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> tuple[int, int, int]:
    monkeypatch.setenv("POSREC_MIRROR", str(mirror))
    sources.fetch(name, planned.RAW / name)
    dataset = DatasetSettings(source=name, **settings)
    table = formats.read_reviews(planned.RAW / name, planned.source_of("toy", dataset))
    kept = filters.filter_interactions("toy", prepare.code(table), dataset)
    return len(kept.user_ids), len(kept.item_ids), len(kept)


def test_the_subgames_of_the_paper(mirror: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CARCA's Games with the subset of studies/paper.yaml: exactly the paper's counts (arXiv 2405.10436)."""
    part = study.load(PAPER).settings.datasets["subgames"]
    assert part.subset is not None
    assert part.expect is not None
    found = counts("carca-games", mirror, monkeypatch, k_core=part.k_core, subset=part.subset)
    assert found == (5_000, 4_601, 33_353)
    assert dict(zip(("users", "items", "interactions"), found, strict=True)) == part.expect.model_dump()


def test_gift_cards_without_repeats(mirror: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert counts("amazon2018-gift-cards-5core", mirror, monkeypatch, repeats="first") == (453, 147, 2_941)


def test_every_new_setting_is_in_the_dataset_id(make_study: Callable[..., Study]) -> None:
    simulated = {"users": 50, "items": 30, "mean_length": 5}
    changes: list[dict[str, object]] = [
        {},
        {"repeats": "first"},
        {"filter": "one_pass"},
        {"subset": {"users": 10}},
        {"tied_times": "item"},
        {"split": "global_time"},
        {"held_out_share": 0.2},
        {"time_features": "cyclic"},
        {"attribute_kinds": ["brand"]},
        {"attribute_min_count": 2},
        {"price_bins": 5},
        {"dense_features": True},
        {"control": {"histories": "shuffle"}},
        {"control": {"context": "drop"}},
        {"control": {"seed": 1}},
    ]
    ids = [
        planned.dataset_id("toy", make_study(simulate=simulated, **change).settings.datasets["toy"])
        for change in changes
    ]
    assert len(set(ids)) == len(changes)


def test_features_are_kept_in_the_file_and_mapped(tmp_path: Path, make_prepared: Callable[..., Prepared]) -> None:
    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    plain = make_prepared([("a", "1", 0), ("a", "2", 1), ("a", "3", 2)])
    data = dataclasses.replace(plain, features=features)
    data.save(tmp_path / "d.npz", tmp_path / "d.json", {"dataset_id": tmp_path.name})
    loaded = Prepared.load(tmp_path / "d.npz", tmp_path / "d.json")
    assert isinstance(loaded.features, np.memmap)
    assert (loaded.features == features).all()
    assert (loaded.items == plain.items).all()
    plain.save(tmp_path / "p.npz", tmp_path / "p.json", {"dataset_id": tmp_path.name})
    assert "features" not in np.load(tmp_path / "p.npz").files
    assert Prepared.load(tmp_path / "p.npz", tmp_path / "p.json").features.shape == (4, 0)
