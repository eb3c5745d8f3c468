"""Preparation: small tables worked out by hand, invariants, errors, the store."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posrec.data.prepare import filters, prepare
from posrec.data.prepare.context import context_features
from posrec.data.prepare.interactions import Interactions, code, number_ids, sort_ids
from posrec.data.prepare.prepared import Prepared
from posrec.data.simulate.simulate import simulate
from posrec.errors import DataError
from posrec.files import read_json
from posrec.plan import ids as planned
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.study import Study

TOY = {"users": 60, "items": 30, "mean_length": 8}
PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=40)
REVIEWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("vwxyz"), st.integers(0, 4)), min_size=1, max_size=30
)
FILE = DatasetSettings(tied_times="file")
SOME = settings(max_examples=80, deadline=None)


def table_of(rows: list[tuple[str, str, int]]) -> Interactions:
    return code(pd.DataFrame(rows, columns=["user", "item", "time"]))


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def ready(study: Study) -> planned.DatasetFiles:
    """Simulate and prepare the data set `toy`."""
    dataset = study.settings.datasets["toy"]
    assert dataset.simulate is not None
    simulate(dataset.simulate, planned.raw_folder("toy", dataset))
    prepare.prepare_dataset(study, "toy")
    return planned.dataset_files(study, "toy")


def test_k_core_by_hand() -> None:
    # Item 2 goes first (one review), which leaves user 1 with one, and then nothing else falls.
    users = np.array([0, 0, 1, 1, 2, 2])
    items = np.array([0, 1, 0, 2, 0, 1])
    assert filters.k_core(users, items, 2).tolist() == [True, True, False, False, True, True]
    assert filters.k_core(users, items, 1).all()
    assert not filters.k_core(users, items, 3).any()
    assert filters.k_core(np.array([0, 0]), np.array([0, 0]), 2).all()  # repeats count


@SOME
@given(pairs=PAIRS, k=st.integers(1, 4))
def test_k_core_is_what_removing_one_at_a_time_leaves(pairs: list[tuple[int, int]], k: int) -> None:
    kept = list(range(len(pairs)))
    while True:
        counts = [Counter(pairs[row][side] for row in kept) for side in (0, 1)]
        bad = [row for row in kept if any(counts[side][pairs[row][side]] < k for side in (0, 1))]
        if not bad:
            break
        kept.remove(bad[-1])
    users, items = np.array(pairs).T
    assert np.flatnonzero(filters.k_core(users, items, k)).tolist() == kept


def test_ids_sort_by_value_or_by_letters() -> None:
    assert sort_ids(["10", "9", "0", "010", "2"]) == ["0", "2", "9", "010", "10"]
    assert sort_ids(["b10", "b9", "B", "10"]) == ["10", "B", "b10", "b9"]
    assert sort_ids([str(10**30), "5"]) == ["5", str(10**30)]
    numbers, ids = number_ids(pd.Series(["10", "9", "10", "0"]))
    assert (numbers.tolist(), ids.tolist()) == ([2, 1, 2, 0], ["0", "9", "10"])


def test_arrange_by_hand() -> None:
    rows = [("u9", "7", 30), ("u1", "10", 20), ("u9", "10", 10), ("u1", "7", 20), ("u9", "9", 20), ("u9", "7", 40)]
    table = pd.DataFrame(rows, columns=["user", "item", "time"])
    prepared = prepare.arrange(code(table), FILE, [["red"], [], ["red", "blue", "red"]])
    assert prepared.offsets.tolist() == [0, 2, 6]
    assert prepared.items.tolist() == [3, 1, 3, 2, 1, 1]
    assert prepared.times.tolist() == [20, 20, 10, 20, 30, 40]
    assert prepared.train_length.tolist() == [2, 2]
    assert prepared.validation.tolist() == [-1, 4]
    assert prepared.test.tolist() == [-1, 5]
    assert prepared.attribute_offsets.tolist() == [0, 0, 1, 1, 3]
    assert prepared.attribute_ids.tolist() == [1, 0, 1]
    assert [array.dtype.name for array in (prepared.items, prepared.times, prepared.context)] == [
        "int32",
        "int64",
        "float32",
    ]
    assert (prepared.n_users, prepared.n_items, prepared.n_attributes) == (2, 3, 2)


def test_context_by_hand() -> None:
    days = ["2010-01-01", "2012-12-31 23:59:59", "2012-02-29", "2014-07-23", "2009-03-08"]
    training = np.array([True, True, True, False, False])
    expected = [
        [0.0, 1 / 12, 1 / 31, 4 / 7, 1 / 365, 0.0],  # a Friday
        [1.0, 1.0, 1.0, 0.0, 366 / 365, 1.0],  # a Monday of a leap year; day 31 is in week 4
        [1.0, 2 / 12, 29 / 31, 2 / 7, 60 / 365, 1.0],
        [2.0, 7 / 12, 23 / 31, 2 / 7, 204 / 365, 0.75],  # after the training years: not clipped
        [-0.5, 3 / 12, 8 / 31, 6 / 7, 67 / 365, 0.25],
    ]
    found = context_features(np.array([seconds(day) for day in days]), training)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_year_of_a_single_training_year_is_zero() -> None:
    times = np.array([seconds("2011-01-01"), seconds("2011-12-31"), seconds("2012-01-01")])
    assert context_features(times, np.array([True, True, False]))[:, 0].tolist() == [0.0, 0.0, 1.0]


@given(time=st.integers(0, 4_000_000_000))
def test_context_agrees_with_the_calendar(time: int) -> None:
    day = datetime.fromtimestamp(time, UTC)
    parts = [0, day.month / 12, day.day / 31, day.weekday() / 7, day.timetuple().tm_yday / 365, (day.day - 1) // 7 / 4]
    np.testing.assert_allclose(context_features(np.array([time]), np.array([True]))[0], parts, rtol=1e-6)


@SOME
@given(reviews=REVIEWS, tied=st.sampled_from(["shuffle", "file"]), seed=st.integers(0, 9))
def test_arrange_keeps_every_review_in_order(reviews: list[tuple[str, str, int]], tied: str, seed: int) -> None:
    table = pd.DataFrame(reviews, columns=["user", "item", "time"])
    users, items = sorted(set(table["user"])), sorted(set(table["item"]))
    prepared = prepare.arrange(code(table), DatasetSettings(tied_times=tied, tied_times_seed=seed), [[] for _ in items])
    owner = np.repeat(np.arange(prepared.n_users), np.diff(prepared.offsets))
    back = [(users[u], items[i - 1], t) for u, i, t in zip(owner, prepared.items, prepared.times, strict=True)]
    assert Counter(back) == Counter(reviews)
    for user in range(prepared.n_users):
        start, end = prepared.offsets[user : user + 2]
        assert (np.diff(prepared.times[start:end]) >= 0).all()
        split = end - start >= 3
        assert prepared.train_length[user] == (end - start - 2 if split else end - start)
        assert (prepared.validation[user], prepared.test[user]) == ((end - 2, end - 1) if split else (-1, -1))


@SOME
@given(reviews=REVIEWS, data=st.data())
def test_shuffle_does_not_see_the_order_of_the_file(reviews: list[tuple[str, str, int]], data: st.DataObject) -> None:
    other = data.draw(st.permutations(reviews))
    arranged = [
        prepare.arrange(table_of(rows), DatasetSettings(tied_times_seed=3), [[]] * 9).items.tolist()
        for rows in (reviews, other)
    ]
    assert arranged[0] == arranged[1]


def test_ties_are_shuffled_evenly_by_the_seed_and_kept_by_file() -> None:
    users = np.repeat(np.arange(3000), 2)
    items, times = np.tile([2, 1], 3000), np.zeros(6000, dtype=np.int64)
    interactions = Interactions(users, items, times, np.arange(3000), np.arange(3))
    first = [items[prepare.order_rows(interactions, "shuffle", seed)][::2] for seed in (0, 0, 1)]
    assert (first[0] == first[1]).all()
    assert (first[0] != first[2]).any()
    assert abs((first[0] == 1).mean() - 0.5) < 0.05  # 5 standard errors
    assert (items[prepare.order_rows(interactions, "file", 0)][::2] == 2).all()


def test_prepare_writes_the_manifest(workplace: Path, make_study: Callable[..., Study]) -> None:
    study = make_study(simulate=TOY, k_core=3)
    files = ready(study)
    manifest = read_json(files.manifest)
    prepared = Prepared.load(files.arrays, files.manifest)
    assert manifest["dataset_id"] == files.folder.name
    assert manifest["simulated"] is True
    assert manifest["title"] == "simulated"
    assert manifest["settings"]["simulate"]["users"] == 60
    assert manifest["counts"] == {
        "users": prepared.n_users,
        "items": prepared.n_items,
        "interactions": len(prepared.items),
    }
    assert manifest["attributes"] == prepared.n_attributes > 0
    assert (np.bincount(prepared.items)[1:] >= 3).all()
    assert (np.diff(prepared.offsets) >= 3).all()


def test_same_bytes_from_raw_and_from_the_store(
    workplace: Path, make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(simulate=TOY)
    files = ready(study)
    first = [path.read_bytes() for path in (files.arrays, files.manifest)]
    files.arrays.unlink()
    for path in planned.raw_folder("toy", study.settings.datasets["toy"]).iterdir():
        path.unlink()  # so that only the store can serve
    prepare.prepare_dataset(study, "toy")
    assert [path.read_bytes() for path in (files.arrays, files.manifest)] == first
    monkeypatch.setenv("POSREC_STORE", str(workplace / "another"))
    ready(study)
    assert [path.read_bytes() for path in (files.arrays, files.manifest)] == first


def test_a_damaged_store_is_prepared_again(workplace: Path, make_study: Callable[..., Study]) -> None:
    study = make_study(simulate=TOY)
    files = ready(study)
    stored = prepare.store_folder(files.folder.name) / "dataset.npz"
    good = stored.read_bytes()
    stored.write_bytes(good[:-1])
    prepare.prepare_dataset(study, "toy")
    assert stored.read_bytes() == good == files.arrays.read_bytes()


@pytest.mark.parametrize("when", ["before it is read", "after it is read"])
def test_a_table_that_changes_while_it_is_prepared_is_refused(
    workplace: Path, make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Its hash is in the dataset id: other rows must not be filed under it, nor in the store."""
    table = Path("shop.csv")
    rows = [f"U{user},A{item},{1_000_000_000 + 86_400 * item}" for user in range(3) for item in range(4)]
    table.write_text("\n".join(["user,item,time", *rows, ""]))
    columns = {"path": str(table), "user": "user", "item": "item", "time": "time"}
    study = make_study(table=columns, k_core=1)
    owner = prepare if when == "before it is read" else prepare.formats
    name = "build" if when == "before it is read" else "read_reviews"
    read = getattr(owner, name)

    def edited(*arguments: object) -> object:
        found = read(*arguments) if name == "read_reviews" else None
        table.write_text(table.read_text() + "U9,A1,1000000000\n")
        return read(*arguments) if found is None else found

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, edited)
        with pytest.raises(DataError, match="was changed"):
            prepare.prepare_dataset(study, "toy")
    assert not list(workplace.rglob("dataset.*"))
    prepare.prepare_dataset(study, "toy")
    files = planned.dataset_files(study, "toy")
    assert Prepared.load(files.arrays, files.manifest).n_users == 4


def test_reviews_of_another_simulation_are_refused(workplace: Path, make_study: Callable[..., Study]) -> None:
    """Two simulations whose files, or whole folders, were exchanged."""
    one, other = (make_study(simulate={**TOY, "seed": seed}) for seed in (1, 2))
    ready(one), ready(other)
    first, second = (planned.raw_folder("toy", study.settings.datasets["toy"]) for study in (one, other))
    (workplace / "store").rename(workplace / "old")
    (second / "reviews.json.gz").rename(first / "reviews.json.gz")
    with pytest.raises(DataError, match=r"reviews.json.gz: sha256 is .*, not .*; run `posrec simulate --dataset toy`"):
        prepare.prepare_dataset(one, "toy")
    for file in second.iterdir():
        file.rename(first / file.name)
    with pytest.raises(DataError, match=r"simulation.json: settings is .*; run `posrec simulate --dataset toy`"):
        prepare.prepare_dataset(one, "toy")
    (first / "simulation.json").write_text("{}")
    with pytest.raises(DataError, match=r"simulation.json: has no checksum.*; run `posrec simulate"):
        prepare.prepare_dataset(one, "toy")
    ready(one)


def test_attributes_can_be_left_out(workplace: Path, make_study: Callable[..., Study]) -> None:
    files = ready(make_study(simulate=TOY, attributes=False))
    prepared = Prepared.load(files.arrays, files.manifest)
    assert prepared.n_attributes == 0
    assert len(prepared.attribute_offsets) == prepared.n_items + 2


def test_wrong_counts_are_named_also_from_the_store(workplace: Path, make_study: Callable[..., Study]) -> None:
    counts = read_json(ready(make_study(simulate=TOY)).manifest)["counts"]
    wrong = make_study(simulate=TOY, expect={**counts, "items": counts["items"] + 1})
    with pytest.raises(DataError, match=f"toy.expect: items: expected {counts['items'] + 1}, found {counts['items']}:"):
        prepare.prepare_dataset(wrong, "toy")
    right = make_study(simulate=TOY, expect=counts)
    prepare.prepare_dataset(right, "toy")
    assert read_json(planned.dataset_files(right, "toy").manifest)["settings"]["expect"] == counts


def test_empty_core_names_k_and_counts(workplace: Path, make_study: Callable[..., Study]) -> None:
    with pytest.raises(
        DataError, match=r"toy.k_core: the 99-core is empty: none of \d+ reviews of 60 users and \d+ items"
    ):
        ready(make_study(simulate=TOY, k_core=99))


def test_nothing_to_test_on(workplace: Path, make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "time": [1, 2, 3]})
    monkeypatch.setattr(prepare.formats, "read_reviews", lambda *_: pairs)
    with pytest.raises(DataError, match="a user needs 3 reviews for a test and 4 to be trained on"):
        ready(make_study(simulate=TOY, k_core=1, attributes=False))


def prepare_rows(make_study: Callable[..., Study], rows: list[tuple[str, str, int]], **settings: Any) -> None:
    """Write a table of user, item and day after 2001-09-09, and prepare it."""
    lines = [f"{user},{item},{1_000_000_000 + 86_400 * day}" for user, item, day in rows]
    Path("shop.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines, ""]))
    prepare.prepare_dataset(make_study(table={"path": "shop.csv"}, k_core=1, **settings), "toy")


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ([0] * 8, "for training: no user has two reviews there, and nobody for validation, and nobody for the test;"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "for validation;"),
    ],
)
def test_an_empty_part_of_a_split_by_time_is_named(
    workplace: Path, make_study: Callable[..., Study], days: list[int], reason: str
) -> None:
    rows = [(user, item, day) for user, (item, day) in zip("aaaaaabb", zip("uvwxyzuv", days, strict=True), strict=True)]
    rows += [("c", item, 0) for item in "uvw"] + [("c", "z", 9)]
    if len(set(days)) == 1:
        rows = rows[:8]
    with pytest.raises(DataError) as caught:
        prepare_rows(make_study, rows, split="global_time", held_out_share=0.1)
    way_out = "use other data, another held_out_share, or split: leave_one_out"
    assert str(caught.value) == f"datasets.toy.split: global_time leaves nobody {reason} {way_out}"


def test_users_of_three_reviews_leave_nothing_to_train_on(workplace: Path, make_study: Callable[..., Study]) -> None:
    with pytest.raises(DataError, match=r"toy.split: leave_one_out leaves nobody for training: no user has two"):
        prepare_rows(make_study, [(user, item, day) for user in "ab" for day, item in enumerate("xyz")])


def test_a_user_without_negatives_is_named(workplace: Path, make_study: Callable[..., Study]) -> None:
    rows = [("anna", item, day) for day, item in enumerate("xyzxy")]
    rows += [("ben", item, day) for day, item in enumerate("xyxz")]
    with pytest.raises(DataError, match=r"datasets.toy: the training reviews of user 'anna' are of all 3 items, so no"):
        prepare_rows(make_study, rows)


@pytest.mark.parametrize("rows", [[("a", "x", 0)] * 3 + [("a", "x", 1)], [("b", "y", 2), ("a", "x", 0)] * 2])
def test_of_duplicates_the_first_stays(rows: list[tuple[str, str, int]]) -> None:
    kept = filters.first_of_duplicates(table_of(rows))
    assert np.flatnonzero(kept).tolist() == [rows.index(row) for row in dict.fromkeys(rows)]


def test_duplicates_are_dropped_and_counted(workplace: Path, make_study: Callable[..., Study]) -> None:
    """A row with another time is a repeat, and stays; also from the store the count is known."""
    rows = [(user, item, day) for user in "ab" for day, item in enumerate("xyzxw" if user == "a" else "yzxyw")]
    rows += [*rows[:3], ("c", "v", 0)]
    for own, dropped in (({}, 3), ({"duplicates": "keep"}, 0)):
        for _ in ("raw", "store"):
            prepare_rows(make_study, rows, **own)
            study = make_study(table={"path": "shop.csv"}, k_core=1, **own)
            manifest = read_json(planned.dataset_files(study, "toy").manifest)
            assert manifest["read"] == {"reviews": 14, "duplicates_dropped": dropped}
            assert manifest["counts"]["interactions"] == 14 - dropped


def test_a_table_read_in_another_way_is_not_taken_from_the_store(
    workplace: Path, make_study: Callable[..., Study]
) -> None:
    lines = [f"{user}\t{item}\t{1_000_000_000 + 86_400 * day}" for user in "ab" for day, item in enumerate("xyzw")]
    text = "\n".join(["user_id\titem_id\ttimestamp", *lines, "c\tv\t1000000000", ""])
    Path("shop.tsv").write_text(text)
    prepare.prepare_dataset(make_study(table={"path": "shop.tsv"}, k_core=1), "toy")
    for name in ("shop.tsv.gz", "shop.parquet"):
        Path(name).write_text(text)
        with pytest.raises(DataError, match=name):
            prepare.prepare_dataset(make_study(table={"path": name}, k_core=1), "toy")
    Path("shop.csv").write_text(text)
    with pytest.raises(DataError, match=r"shop.csv, line 1: .*; they are separated by '\\t'"):
        prepare.prepare_dataset(make_study(table={"path": "shop.csv", "separator": ","}, k_core=1), "toy")


def test_missing_raw_files_name_the_command(workplace: Path, make_study: Callable[..., Study]) -> None:
    with pytest.raises(DataError, match="run `posrec simulate --dataset toy` first"):
        prepare.prepare_dataset(make_study(simulate=TOY), "toy")
    with pytest.raises(DataError, match="run `posrec fetch amazon2014-hin` first"):
        prepare.prepare_dataset(make_study(source="amazon2014-hin"), "toy")
