"""Controls, splits, time features and attributes: small cases by hand."""

import numpy as np
import pytest

from posrec.data.prepare import attributes, controls, prepare
from posrec.data.prepare.context import context_features
from posrec.data.prepare.prepared import Prepared
from posrec.errors import DataError
from posrec.study.settings.dataset import ControlSettings, DatasetSettings
from tests.data.prepare.test_prepare import table_of

ROWS = [("u", str(n), n * 86_400) for n in range(30)] + [("v", str(n), n * 86_400) for n in range(8)]


def arranged(**settings: object) -> Prepared:
    return prepare.arrange(table_of(ROWS), DatasetSettings(**settings), [[] for _ in range(30)])


def test_shuffled_histories_keep_what_is_held_out_and_each_item_its_time() -> None:
    plain, mixed = arranged(), arranged(control=ControlSettings(histories="shuffle"))
    assert mixed.items[28:30].tolist() == plain.items[28:30].tolist() == [29, 30]
    assert mixed.items[36:].tolist() == plain.items[36:].tolist()
    for start, end in ((0, 28), (30, 36)):
        assert sorted(mixed.items[start:end]) == plain.items[start:end].tolist()
        assert mixed.items[start:end].tolist() != plain.items[start:end].tolist()
    assert (mixed.times == (mixed.items - 1) * 86_400).all()
    assert mixed.items.tolist() != arranged(control=ControlSettings(histories="shuffle", seed=1)).items.tolist()


def test_context_dropped_and_shuffled() -> None:
    plain, dropped, mixed = (arranged(control=ControlSettings(context=kind)) for kind in ("keep", "drop", "shuffle"))
    assert dropped.context.shape == plain.context.shape == (38, 6)
    assert not dropped.context.any()
    assert (mixed.context != plain.context).any()
    assert sorted(map(tuple, mixed.context.tolist())) == sorted(map(tuple, plain.context.tolist()))
    assert (mixed.items == plain.items).all()


def test_shuffling_is_even() -> None:
    offsets = np.arange(0, 9001, 3)
    order = controls.shuffle_histories(offsets, np.full(3000, 3), 0)
    first = order.reshape(3000, 3)[:, 0] % 3
    assert np.bincount(first) / 3000 == pytest.approx([1 / 3] * 3, abs=0.045)  # 5 standard errors


def test_global_time_by_hand() -> None:
    # Ten interactions at 0..9: with a share of 0.2 the points are 6 and 8 (the quantiles .6 and .8, not interpolated).
    rows = [("a", "x", 0), ("a", "y", 1), ("a", "z", 7), ("a", "x", 8), ("a", "y", 9)]
    rows += [("b", "x", 2), ("b", "y", 3), ("b", "z", 4), ("b", "x", 5), ("c", "z", 6)]
    table = table_of(rows)
    prepared = prepare.arrange(table, DatasetSettings(split="global_time", held_out_share=0.2), [[], [], []])
    assert prepared.train_length.tolist() == [2, 4, 0]
    assert prepared.validation.tolist() == [2, -1, -1]
    assert prepared.test.tolist() == [3, -1, -1]


def test_ties_by_item() -> None:
    table = table_of([("a", "3", 5), ("a", "1", 5), ("a", "2", 5), ("a", "9", 1)])
    assert prepare.arrange(table, DatasetSettings(tied_times="item"), [[]] * 4).items.tolist() == [4, 1, 2, 3]


def test_cyclic_features_by_hand() -> None:
    times = np.array([0, 6 * 3600, int(3.5 * 86_400)])  # a Thursday at 0:00 and 6:00, and Sunday at noon
    found = context_features(times, np.array([True, True, False]), "cyclic")
    assert found.shape == (3, 9)
    np.testing.assert_allclose(found[0, [0, 1, 2, 3, 4, 7, 8]], [0, 0, 1, 0, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found[0, 5:7], [np.sin(6 * np.pi / 7), np.cos(6 * np.pi / 7)], atol=1e-6)
    np.testing.assert_allclose(found[1, 7:], [1, 0], atol=1e-6)
    np.testing.assert_allclose(found[2, 5:7], [np.sin(13 * np.pi / 7), np.cos(13 * np.pi / 7)], atol=1e-6)


def test_attributes_by_kind_and_count() -> None:
    names = [["Toys", "brand=Acme", "price=3"], ["Toys", "brand=Other"], ["price=3", "colour=red"]]
    assert [sorted(row) for row in attributes.choose_names(names, ["brand", "price"], 1)] == [
        ["brand=Acme", "price=3"],
        ["brand=Other"],
        ["price=3"],
    ]
    assert [sorted(row) for row in attributes.choose_names(names, ["categories", "price"], 2)] == [
        ["Toys", "price=3"],
        ["Toys"],
        ["price=3"],
    ]


def test_features_follow_the_items() -> None:
    found = (["b", "x", "a"], np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    table = attributes.feature_table("toy", found, ["a", "b", "c"])
    assert table.tolist() == [[0, 0], [5, 6], [1, 2], [0, 0]]
    with pytest.raises(DataError, match=r"toy\.dense_features: the source has no dense features"):
        attributes.feature_table("toy", None, ["a"])
    with pytest.raises(DataError, match="none of the items has features"):
        attributes.feature_table("toy", found, ["z"])


def test_times_shuffled_within_a_user_or_replaced_by_the_index() -> None:
    plain = arranged()
    mixed, index = (arranged(control=ControlSettings(times=kind)) for kind in ("shuffle", "index"))
    for changed in (mixed, index):
        assert changed.items.tolist() == plain.items.tolist()
        assert changed.context.tolist() == plain.context.tolist()
    for start, end in ((0, 28), (30, 36)):
        assert sorted(mixed.times[start:end]) == plain.times[start:end].tolist()
        assert mixed.times[start:end].tolist() != plain.times[start:end].tolist()
    assert mixed.times[[28, 29, 36, 37]].tolist() == plain.times[[28, 29, 36, 37]].tolist()
    assert (index.times / 86_400).tolist() == [*range(30), *range(8)]


def test_both_shuffles_part_an_item_from_its_time_and_its_place() -> None:
    both = arranged(control=ControlSettings(histories="shuffle", times="shuffle"))
    assert (both.times != (both.items - 1) * 86_400).any()
    assert sorted(both.items[:28]) == list(range(1, 29))
    assert both.items[:28].tolist() != list(range(1, 29))
    assert sorted(both.times[:28]) == [day * 86_400 for day in range(28)]


def test_a_data_set_whose_times_are_kept_has_the_id_that_it_had() -> None:
    assert "times" not in DatasetSettings(source="men").identity()["control"]
    changed = DatasetSettings(source="men", control=ControlSettings(times="index"))
    assert changed.identity()["control"]["times"] == "index"
