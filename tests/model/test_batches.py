"""Batches: every sample is what the protocol says, in packed slots."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posrec.data.prepare.prepared import Prepared
from posrec.errors import DataError
from posrec.model import streams
from posrec.model.batches import LENGTH_CLASSES, Batch, Sampler, candidate_rows, draw_unmet, slot_rows
from posrec.model.inputs import FeatureRoom, distinct_items, ragged_arange
from tests.model.conftest import make_cell, make_data


def sampler(data: Prepared, protocol: str = "sound", seed: int = 1, **settings: object) -> Sampler:
    cell = make_cell(protocol=protocol, **settings)
    order, negatives = (streams.numpy_stream(name, seed) for name in ("order", "negatives"))
    return Sampler(data, cell.model, cell.switches, 16, order, negatives)


def users_of(batch: Batch) -> list[dict[str, list[int]]]:
    """The real slots of every user of a batch."""
    ids, rows, sign = batch.items.ids[batch.tokens.index], batch.tokens.rows, batch.sign
    total = sum(g.users * g.keys for g in batch.layout)
    users, at, candidate_at = [], 0, 0
    for group in batch.layout:
        for _ in range(group.users):
            history, candidates = (
                ids[at : at + group.keys],
                ids[total + candidate_at : total + candidate_at + group.queries],
            )
            signs = sign[candidate_at : candidate_at + group.queries]
            users.append(
                {
                    "history": history[history > 0].tolist(),
                    "rows": rows[at : at + group.keys][history > 0].tolist(),
                    "positives": candidates[signs > 0].tolist(),
                    "negatives": candidates[signs < 0].tolist(),
                    "target_rows": rows[total + candidate_at : total + candidate_at + group.queries][
                        signs > 0
                    ].tolist(),
                }
            )
            at, candidate_at = at + group.keys, candidate_at + group.queries
    return users


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
def test_ragged_arange(parts: list[tuple[int, int]]) -> None:
    start, length = (np.array([p[i] for p in parts], np.int64) for i in range(2))
    assert ragged_arange(start, length).tolist() == [s + i for s, n in parts for i in range(n)]


def test_all_targets_shift_the_history_by_one(data: Prepared) -> None:
    """Every training user once; input all but the last, target all but the first, the last L of them."""
    expected = []
    for user in np.flatnonzero(data.train_length >= 2):
        items = data.items[data.offsets[user] : data.offsets[user] + data.train_length[user]].tolist()
        expected.append((items[:-1][-8:], items[1:][-8:]))
    found = [(u["history"], u["positives"]) for batch in sampler(data).epoch() for u in users_of(batch)]
    assert sorted(found) == sorted(expected)


def test_rows_count_from_the_end(data: Prepared) -> None:
    for batch in sampler(data).epoch():
        for user in users_of(batch):
            n = len(user["history"])
            assert user["rows"] == list(range(8 - n, 8))
            assert user["target_rows"] == list(range(9 - n, 9))  # the slot after each step; L after the last


def test_rows_count_from_the_begin(data: Prepared) -> None:
    for batch in sampler(data, position_start="begin").epoch():
        for user in users_of(batch):
            n = len(user["history"])
            assert user["rows"] == list(range(n))
            assert user["target_rows"] == list(range(1, n + 1))


def test_last_target_is_a_uniform_cut(data: Prepared) -> None:
    draw = sampler(data, "sound_last")
    for batch in draw.epoch():
        for one in users_of(batch):
            assert len(one["positives"]) == len(one["negatives"]) == 1
            assert one["target_rows"] == [8]
    user = int(np.argmax(data.train_length))
    items = data.items[data.offsets[user] : data.offsets[user] + data.train_length[user]].tolist()
    draw = sampler(
        dataclasses.replace(data, train_length=np.where(np.arange(40) == user, data.train_length, 0)), "sound_last"
    )
    found = {(tuple(u["history"]), u["positives"][0]) for _ in range(200) for b in draw.epoch() for u in users_of(b)}
    assert found == {(tuple(items[:cut][-8:]), items[cut]) for cut in range(1, len(items))}


def test_negatives_are_outside_the_training_items(data: Prepared) -> None:
    draw = sampler(data)
    met = {(int(k) // (data.n_items + 1), int(k) % (data.n_items + 1)) for k in draw.met}
    users = np.repeat(np.arange(data.n_users), 400)
    items = draw_unmet(users, draw.met, data.n_items, data.n_items, draw.negative_stream)
    assert items.min() >= 1
    assert items.max() <= data.n_items
    assert not met & set(zip(users.tolist(), items.tolist(), strict=True))
    first = items[users == 0]
    assert len(set(first.tolist())) == data.n_items - sum(user == 0 for user, _ in met)  # and all of those


def test_the_next_epoch_has_another_order(data: Prepared) -> None:
    draw = sampler(data)
    first, second = ([u["history"] for b in draw.epoch() for u in users_of(b)] for _ in range(2))
    assert first != second
    assert sorted(map(tuple, first)) == sorted(map(tuple, second))


def test_padding_is_at_most_half_of_the_slots(data: Prepared) -> None:
    """Length classes at most double, so at most half of the slots are padding, and L is never passed."""
    assert (LENGTH_CLASSES[1:-1] <= 2 * LENGTH_CLASSES[:-2]).all()
    for batch in sampler(data).epoch():
        assert 2 * (batch.sign == 0).sum() <= len(batch.sign)
        assert max(group.keys for group in batch.layout) <= 8


def test_slot_rows_by_hand() -> None:
    settings = make_cell().model
    step = np.array([[-1, 0, 1], [0, 1, 2]])
    assert slot_rows(step, np.array([2, 3]), settings).tolist() == [[5, 6, 7], [5, 6, 7]]
    assert candidate_rows(np.array([2, 3]), settings).tolist() == [8, 8]


def test_data_without_a_training_pair() -> None:
    with pytest.raises(DataError, match="no user has two training items"):
        sampler(make_data(users=5, longest=1))


def test_a_user_that_met_everything() -> None:
    with pytest.raises(DataError, match="whole catalogue"):
        sampler(make_data(users=20, items=2, longest=14))


def test_the_room_for_features_is_used_again() -> None:
    rng = np.random.default_rng(0)
    data = dataclasses.replace(make_data(), features=rng.random((61, 5), np.float32))
    room = FeatureRoom(data)
    places = set()
    for ids in (np.arange(20), np.arange(3, 9), np.array([1, 60])):
        items = distinct_items(data, ids, room)
        assert np.array_equal(items.features.numpy(), data.features[ids])
        places.add(items.features.data_ptr())
    assert len(places) == 1
