"""Evaluation protocols on a trained model: chance, ties, users, candidates, slots, the best of all epochs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model.batches import Sampler, met_keys
from posrec.model.evaluate.metrics import mean_metrics
from posrec.model.evaluate.released import (
    SlotScorer,
    draw_users,
    negative_slots,
    slot_columns,
    slot_scores,
    sorted_places,
)
from posrec.model.evaluate.score import Ranks, Requests, Scorer, model_scores, rank_requests, requests_of
from posrec.model.inputs import Tokens
from posrec.model.runs import scoring
from posrec.model.runs.scoring import best_of, mean_of_batches, rank_test, read_test, redraw_candidates
from posrec.model.streams import cell_seeds, numpy_stream
from posrec.model.train import batch_size, build_model
from posrec.study.protocols import DRAWN_USERS, PRESETS, EvaluationSwitches
from tests.model.conftest import make_candidates, make_cell, make_data

SOUND, RELEASED = EvaluationSwitches(), PRESETS["released"].evaluation


def switched(**changes: str) -> EvaluationSwitches:
    return EvaluationSwitches.model_validate(changes)


def constant(data: Prepared, requests: Requests) -> Iterator[tuple[np.ndarray, Tensor]]:
    yield np.arange(len(requests.users)), torch.full((len(requests.users), data.n_items + 1), 3.0)


@pytest.mark.parametrize("length", [35, 50, 75])
def test_a_constant_scorer_is_at_chance_or_at_1(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """One positive and L - 1 negatives: chance is 10 / L; the unstable sort leaves it first, and Hit@10 is 1."""
    data = make_data(items=120)
    monkeypatch.setattr(scoring, "model_scores", lambda model, data, requests: constant(data, requests))
    model = build_model(make_cell(max_length=length), data, 1)
    frozen = make_candidates(data)
    sound = read_test(model, data, frozen, switched(candidates="released"), 1, 1)
    assert sound.means["sampled"]["Hit@10"] == pytest.approx(10 / length, abs=1e-12)
    assert sound.means["sampled"]["NDCG@10"] == pytest.approx(sound.chance, abs=1e-12)
    won = read_test(model, data, frozen, switched(candidates="released", ties="released"), 1, 1)
    assert won.means["sampled"]["Hit@10"] == won.means["full"]["Hit@10"] == 1.0
    assert won.tie_share == {"sampled": 1.0, "full": 1.0}  # ties that decided are still reported


def test_without_decoder_residual_one_item_histories_tie_all_candidates() -> None:
    """A candidate is then a query alone, and a single key gets all of its weight."""
    data = make_data()
    requests = requests_of(data.test)
    one_item = Requests(requests.users, data.offsets[requests.users] + 1)
    none = np.zeros((len(requests.users), 0), np.int32)
    for residual, tied in (("none", 1.0), ("mul", 0.0)):
        model = build_model(make_cell("learnt", decoder_residual=residual, precision="fp32"), data, 1)
        ranks = rank_requests(model_scores(model, data, one_item), data, one_item, none)
        others = data.n_items - 1 - (data.items[one_item.targets] != data.items[one_item.targets - 1])
        assert (ranks.full_tied == others).mean() == tied


def test_saturated_sigmoids_tie(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits of 40 and more differ, their float32 sigmoids don't."""

    def rising(model: Any, data: Prepared, requests: Requests) -> Iterator[tuple[np.ndarray, Tensor]]:
        yield np.arange(len(requests.users)), (40 + torch.arange(data.n_items + 1.0)).repeat(len(requests.users), 1)

    monkeypatch.setattr(scoring, "model_scores", rising)
    model = build_model(make_cell(), data, 1)
    assert read_test(model, data, make_candidates(data), SOUND, 1, 1).tie_share["full"] == 0
    assert read_test(model, data, make_candidates(data), switched(ties="released"), 1, 1).tie_share["full"] == 1


def test_released_users_are_drawn_anew_and_repeatably(data: Prepared) -> None:
    model = build_model(make_cell(), data, 1)
    first, again, later, other = (
        read_test(model, data, make_candidates(data), switched(eval_users="released"), seed, epoch)
        for seed, epoch in ((1, 1), (1, 1), (1, 2), (2, 1))
    )
    assert len(first.users) == data.n_users < DRAWN_USERS  # of all users, also those without a test item
    assert set(first.users) <= set(requests_of(data.test).users)
    assert np.array_equal(first.users, again.users)
    assert not np.array_equal(first.users, later.users)
    assert not np.array_equal(first.users, other.users)


def test_a_drawn_user_is_the_next_one_with_a_test_item() -> None:
    """Starts 0 .. 8 of ten users: 0, 1, 2 give user 2; 3 gives 3; 4 .. 7 give 7; 8 is drawn again."""
    data = make_data(users=10)
    of_three = replace(data, test=np.where(np.isin(np.arange(10), [2, 3, 7]), 0, -1))
    stream = np.random.default_rng(1)
    drawn = np.concatenate([draw_users(of_three, stream) for _ in range(4000)])
    assert len(drawn) == 40_000
    expected = np.array([3, 1, 4]) / 8
    spread = np.sqrt(expected * (1 - expected) / len(drawn))
    assert (np.abs(np.bincount(drawn) / len(drawn) - expected) < 4 * spread).all()
    last = replace(data, test=np.where(np.arange(10) == 9, 0, -1))
    assert draw_users(last, stream).tolist() == [0] * 10  # the only request; no start is the last user


def test_at_most_so_many_users_are_drawn() -> None:
    assert len(draw_users(make_data(users=DRAWN_USERS + 1, longest=3), np.random.default_rng(1))) == DRAWN_USERS


# first places and the sum of all, Hit@10 times 200 and the sum of NDCG@10, as numpy 1.21.1 sorts [positive, negatives]
PLACES = [
    (16, 1, [0, 0, 0, 0, 0, 0, 0, 0], 0, 200, 200.0),
    (16, 4, [12, 0, 4, 8, 9, 0, 4, 6], 1116, 156, 88.711661),
    (16, 7, [13, 8, 4, 0, 10, 8, 2, 12], 1307, 131, 69.880835),
    (16, 13, [14, 10, 12, 7, 5, 4, 0, 14], 1403, 130, 61.823787),
    (35, 1, [0, 0, 0, 0, 0, 0, 0, 0], 0, 200, 200.0),
    (35, 4, [34, 0, 6, 22, 34, 0, 7, 21], 3101, 67, 55.524326),
    (35, 7, [29, 29, 12, 0, 24, 16, 3, 34], 3360, 59, 39.001009),
    (35, 13, [34, 29, 23, 17, 9, 5, 0, 34], 3411, 58, 30.724505),
    (50, 1, [0, 0, 0, 0, 0, 0, 0, 0], 0, 200, 200.0),
    (50, 4, [49, 0, 8, 44, 36, 0, 18, 39], 4650, 51, 50.30103),
    (50, 7, [41, 32, 18, 0, 42, 24, 3, 49], 4927, 43, 33.152244),
    (50, 13, [49, 36, 35, 24, 18, 8, 0, 42], 4991, 38, 23.06826),
    (75, 1, [0, 0, 0, 0, 0, 0, 0, 0], 0, 200, 200.0),
    (75, 4, [74, 0, 25, 47, 74, 0, 25, 41], 6922, 50, 50.0),
    (75, 7, [74, 48, 28, 0, 49, 36, 12, 74], 7235, 31, 28.937863),
    (75, 13, [74, 57, 53, 37, 27, 15, 0, 65], 7522, 25, 18.392214),
]


@pytest.mark.parametrize(("count", "levels", "first", "total", "hits", "gain"), PLACES)
def test_released_ties_have_the_places_of_an_unstable_sort(
    count: int, levels: int, first: list[int], total: int, hits: int, gain: float
) -> None:
    """On scores of few levels. A missing candidate has no place in the list, wherever it is."""
    i, j = np.arange(200)[:, None], np.arange(count)[None]
    mixed = 7919 * i + 104729 * j**2 + 1299709 * j + 15485863 * i * j
    scores = torch.from_numpy((mixed % 1000003 % levels / levels).astype(np.float32))
    places, tied = sorted_places(scores[:, 1:], scores[:, :1])
    assert (places[:8].tolist(), int(places.sum())) == (first, total)
    means = mean_metrics(places, np.zeros_like(places))
    assert means["Hit@10"] * 200 == pytest.approx(hits)
    assert means["NDCG@10"] * 200 == pytest.approx(gain, abs=1e-6)
    greater = (scores > scores[:, :1]).sum(1).numpy()
    assert (places >= greater).all()
    assert (places <= greater + tied).all()
    missing = torch.full((200, 3), -torch.inf)
    with_gaps, _ = sorted_places(torch.cat([missing, scores[:, 1:20], missing, scores[:, 20:]], 1), scores[:, :1])
    assert np.array_equal(with_gaps, places)


def test_the_reported_mean_by_hand(data: Prepared) -> None:
    """Five users in batches of two: hits 1, 1 / 2 and 0, the last of one user; their mean is 1 / 2, of users 3 / 5."""
    zero = np.zeros(5, np.int32)
    ranks = Ranks(np.array([0, 3, 9, 10, 50], np.int32), zero, np.array([0, 99, 99, 0, 0], np.int32), zero)
    means = mean_of_batches(ranks, 2)
    assert means["sampled"]["Hit@10"] == 0.5
    assert means["full"]["Hit@10"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert scoring.summary(ranks)["sampled"]["Hit@10"] == pytest.approx(0.6)
    model, frozen = build_model(make_cell("learnt"), data, 1), make_candidates(data)
    sound = read_test(model, data, frozen, SOUND, 1, 1, batch=12)
    batches = read_test(model, data, frozen, switched(reported_mean="released"), 1, 1, batch=12)
    assert {kind: batches.means[kind] for kind in ("sampled", "full")} == mean_of_batches(sound.ranks, 12)
    assert abs(batches.means["full"]["MRR"] - sound.means["full"]["MRR"]) > 1e-4  # 12, 12 and 8 users


@pytest.mark.parametrize("changes", [{}, {"reported_mean": "released"}, {"eval_users": "released"}])
def test_metrics_on_new_targets_alone_where_users_buy_again(data: Prepared, changes: dict[str, str]) -> None:
    """Every fourth test target was the first item of its history."""
    items, held = data.items.copy(), data.test[data.test >= 0]
    places = held[::4]
    items[places] = items[data.offsets[:-1][np.searchsorted(data.offsets, places, side="right") - 1]]
    again = replace(data, items=items)
    model, frozen = build_model(make_cell("learnt"), again, 1), make_candidates(again)
    found = read_test(model, again, frozen, switched(**changes), 1, 1, batch=12)
    targets = again.test[found.users]
    new = np.array(
        [
            items[target] not in items[again.offsets[user] : target]
            for user, target in zip(found.users, targets, strict=True)
        ]
    )
    assert 0 < new.sum() < len(new)
    of_new = Ranks(**{name: counts[new] for name, counts in vars(found.ranks).items()})
    whole = mean_of_batches(of_new, 12) if "reported_mean" in changes else scoring.summary(of_new)
    assert {kind.removeprefix("new_"): found.means[kind] for kind in found.means if kind.startswith("new_")} == whole
    assert best_of([found])[0] == found.means


def test_redrawn_candidates_exclude_the_training_items_alone(data: Prepared) -> None:
    users = np.repeat(requests_of(data.test).users, 50)
    drawn = redraw_candidates(data, users, 20, np.random.default_rng(1))
    keys = users[:, None] * (data.n_items + 1) + drawn
    assert not np.isin(keys, met_keys(data)).any()
    assert set(np.unique(drawn)) == set(range(1, data.n_items + 1))
    assert any(len(set(row)) < len(row) for row in drawn.tolist())  # repeats
    held_out = data.items[data.test[users]]
    assert (drawn == held_out[:, None]).any()  # the target itself may be among them


def test_slots_by_hand() -> None:
    assert negative_slots(6, max_length=4).tolist() == [1, 2, 3, 1, 2, 3]
    assert negative_slots(2, max_length=1).tolist() == [0, 0]
    assert slot_columns(np.array([[7, 0, 9]]), 60).tolist() == [[61, 0, 63]]


@pytest.mark.parametrize("encoding", ["none", "rope", "rmha4"])
@pytest.mark.parametrize("head", ["carca", "dot"])
def test_slots_change_nothing_where_no_position_reaches_a_candidate(data: Prepared, encoding: str, head: str) -> None:
    """The scorer of slots is another way to the same numbers for encodings that act in the encoder alone."""
    model = build_model(make_cell(encoding, head=head), data, 1)
    requests, frozen = requests_of(data.test), make_candidates(data)
    switches = switched(candidate_position_test="released")
    plain = rank_test(model, data, requests, frozen.test, SOUND)
    slots = rank_test(model, data, requests, frozen.test, switches)
    # sampled candidates that are the target itself tie in one way of summing and by a last digit don't in another
    itself = (frozen.test == data.items[requests.targets][:, None]).any(1)
    assert np.array_equal(plain.sampled_greater[~itself], slots.sampled_greater[~itself])
    assert np.array_equal(plain.full_greater, slots.full_greater)


@pytest.mark.parametrize("encoding", ["learnt", "abs_con", "rotatory", "rope", "rmha2"])
def test_the_positive_stands_in_slot_0_and_negatives_in_the_slots_after_it(data: Prepared, encoding: str) -> None:
    """Against the sound scorer of a model whose candidates all carry one row."""
    model = build_model(make_cell(encoding, decoder_positions=True), data, 1)
    requests, frozen = requests_of(data.test), make_candidates(data)
    switches = switched(candidate_position_test="released")
    found = np.zeros((len(requests.users), data.n_items + 1 + frozen.test.shape[1]))
    for where, block in slot_scores(model, data, requests, frozen.test, switches):
        found[where] = block.numpy()
    for slot in range(8):
        of_slot = at_row(model, data, requests, slot)
        items = 1 + np.flatnonzero(negative_slots(data.n_items, 8) == slot)
        others = items[None] != data.items[requests.targets][:, None]
        assert np.allclose(found[:, items][others], of_slot[:, items][others])
        for column in np.flatnonzero(negative_slots(frozen.test.shape[1], 8) == slot):
            listed = found[:, data.n_items + 1 + column]
            assert np.allclose(listed, of_slot[np.arange(len(of_slot)), frozen.test[:, column]])
        if slot == 0:
            targets = data.items[requests.targets]
            rows = np.arange(len(targets))
            assert np.allclose(found[rows, targets], of_slot[rows, targets])


@pytest.mark.parametrize("start", ["end", "begin"])
def test_the_released_dot_head_meets_the_history_slot_of_each_candidate(data: Prepared, start: str) -> None:
    """Padded slots are masked to 0 before the last norm; the positive meets slot 0. L = 8."""
    cell = make_cell("learnt", {"name": "slots", "dot_head_test": "released"}, head="dot", position_start=start)
    model = build_model(cell, data, 1)
    requests, frozen = requests_of(data.test), make_candidates(data)
    scorer = SlotScorer(model.eval(), data, cell.protocol.evaluation)
    with torch.no_grad():
        for who in (0, int(np.argmax(requests.targets - data.offsets[requests.users]))):
            where = np.array([who])
            length = scorer._length(requests.take(where))
            history = scorer._encode_histories(requests.take(where), length)[0]
            first = 8 - len(history) if start == "end" else 0
            plain = rows_of_candidates(model, data, requests, who, frozen.test[who], length)
            expected = []
            for number, candidate in enumerate(plain):
                step = (0 if number == 0 else 1 + (number - 1) % 7) - first
                met = history[step] if 0 <= step < len(history) else model.last_norm(torch.zeros_like(candidate))
                expected.append(float(met @ candidate))
            found = scorer.listed(requests, where, frozen.test[where])[0]
            assert np.allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


def rows_of_candidates(
    model: Any, data: Prepared, requests: Requests, who: int, negatives: np.ndarray, length: np.ndarray
) -> Tensor:
    """Encoded target and negatives of one request, each after the history. (1 + n, D)."""
    scorer = Scorer(model, data)
    target = requests.targets[who]
    items = torch.from_numpy(np.concatenate([[data.items[target]], negatives]).astype(np.int64))
    context = torch.from_numpy(np.repeat(data.context[[target]], len(items), 0))
    rows = torch.full((len(items),), int(scorer._rows(length)[0]))
    return model.encode_tokens(scorer.history_parts, Tokens(items, context, rows))


@pytest.mark.parametrize("kind", ["request_time", "last_interaction", "none"])
def test_the_time_that_a_candidate_carries(data: Prepared, kind: str) -> None:
    """In training (a target's and its negatives' alike) and at the test."""
    cell = make_cell(protocol="sound_last", candidate_context=kind)
    batch = next(Sampler(data, cell.model, cell.switches, 64, *generators()).epoch())
    length = sum(group.users * group.keys for group in batch.layout)
    at = 0
    for group in batch.layout:
        history = batch.tokens.context[at : at + group.users * group.keys].view(group.users, group.keys, 6)
        at += group.users * group.keys
        sizes = [g.users * g.queries for g in batch.layout]
        begin = length + sum(sizes[: batch.layout.index(group)])
        candidates = batch.tokens.context[begin : begin + group.users * 2].view(group.users, 2, 6)
        assert torch.equal(candidates[:, 0], candidates[:, 1])
        assert torch.equal(candidates[:, 0], history[:, -1]) == (kind == "last_interaction")
        assert bool((candidates == 0).all()) == (kind == "none")
    requests = requests_of(data.test)
    found = Scorer(build_model(cell, data, 1), data)._context(requests)
    expected = {
        "request_time": data.context[requests.targets],
        "last_interaction": data.context[requests.targets - 1],
        "none": np.zeros((len(requests.targets), 6)),
    }
    assert np.array_equal(found, expected[kind])


def at_row(model: Any, data: Prepared, requests: Requests, row: int) -> np.ndarray:
    """Sound scores with every candidate at this row."""

    class Fixed(Scorer):
        def _rows(self, length: np.ndarray) -> np.ndarray:
            return np.full_like(length, row)

    result = np.zeros((len(requests.users), data.n_items + 1))
    with torch.no_grad():
        scorer = Fixed(model.eval(), data)
        for where, block in scorer.score_all(requests, scorer.request_order(requests)):
            result[where] = block[:, : data.n_items + 1].numpy()
    return result


def test_released_context_is_cast_to_integers(data: Prepared) -> None:
    model = build_model(make_cell(), data, 1)
    frozen = make_candidates(data)
    cast = replace(data, context=np.zeros_like(data.context))  # the test data's features lie in [0, 1)
    released = read_test(model, data, frozen, switched(eval_context="released"), 1, 1)
    assert released.means == read_test(model, cast, frozen, SOUND, 1, 1).means
    assert released.means != read_test(model, data, frozen, SOUND, 1, 1).means


def test_the_best_of_all_epochs_is_never_below_one_of_them(data: Prepared) -> None:
    readings = [
        read_test(build_model(make_cell("learnt"), data, seed), data, make_candidates(data), SOUND, 1, seed)
        for seed in (1, 2, 3, 4)
    ]
    means, epochs = best_of(readings)
    for reading in readings:
        for kind in ("sampled", "full"):
            assert all(means[kind][metric] >= value for metric, value in reading.means[kind].items())
            assert all(means[kind][m] == readings[e - 1].means[kind][m] for m, e in epochs[kind].items())


def test_released_sampling_never_draws_the_last_user_or_item(data: Prepared) -> None:
    cell = make_cell(protocol="released")
    sampler = Sampler(
        data, cell.model, cell.switches, 16, numpy_stream("order", 1), numpy_stream("negatives", 1), False, 3
    )
    users: list[int] = []
    batches = 0
    for _ in range(40):
        users += (drawn := sampler._epoch_users()).tolist()
        batches += len(drawn) // 16
    assert batches == 40 * (data.n_users // 16)  # the last short batch is dropped
    assert set(users) == set(np.flatnonzero(data.train_length[:-1] >= 2))
    negatives = [int(i) for _ in range(40) for b in sampler.epoch() for i in negatives_of(b)]
    assert max(negatives) == data.n_items - 1
    sound = make_cell()
    sampler = Sampler(
        data, sound.model, sound.switches, 16, numpy_stream("order", 1), numpy_stream("negatives", 1), False, 3
    )
    assert max(int(i) for _ in range(40) for b in sampler.epoch() for i in negatives_of(b)) == data.n_items


def generators() -> tuple[np.random.Generator, np.random.Generator]:
    return numpy_stream("order", 1), numpy_stream("negatives", 1)


def negatives_of(batch: Any) -> np.ndarray:
    length = sum(group.users * group.keys for group in batch.layout)
    ids: np.ndarray = batch.items.ids[batch.tokens.index[length:][batch.sign < 0]].numpy()
    return ids


def test_released_seeding_is_unrelated_between_encodings_yet_repeatable(data: Prepared) -> None:
    def start(encoding: str, seed: int, protocol: str) -> bytes:
        weights = build_model(make_cell(encoding, protocol), data, seed).state_dict()
        return bytes(weights["item_embedding"].numpy().tobytes())

    assert start("none", 1, "sound") == start("learnt", 1, "sound")
    assert start("none", 1, "released") == start("none", 1, "released")
    assert start("none", 1, "released") != start("learnt", 1, "released")
    assert start("none", 1, "released") != start("none", 2, "released")
    held = make_cell("none", "released", held_streams={"trunk": 7})
    seeds = cell_seeds(held, 1)
    assert seeds["trunk"] == 7
    assert (seeds["order"], seeds["negatives"]) == (1, 1)


def test_released_none_trains_with_half_the_batch() -> None:
    full = make_cell("none", "sound").training.batch_size
    assert batch_size(make_cell("none", "released")) == full // 2
    assert batch_size(make_cell("learnt", "released")) == full
    assert batch_size(make_cell("none", "sound")) == full
