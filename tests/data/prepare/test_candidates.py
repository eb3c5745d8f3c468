"""Candidates: never met, distinct, uniform, frozen."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posrec.data.prepare.candidates import draw_candidates, draw_negatives, sample_ranks
from posrec.data.prepare.prepare import prepare_dataset
from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.data.simulate.simulate import simulate
from posrec.errors import DataError, ForeignError
from posrec.files import read_npz, write_npz
from posrec.plan import ids
from posrec.study.study import Study

SOME = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
REVIEWS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(1, 12).map(str), st.integers(0, 9)), min_size=1, max_size=40
)


@SOME
@given(reviews=REVIEWS, n=st.integers(1, 14), seed=st.integers(0, 99))
def test_negatives_are_distinct_and_never_met(
    reviews: list[tuple[str, str, int]], n: int, seed: int, make_prepared: Callable[..., Prepared]
) -> None:
    prepared = make_prepared(reviews)
    negatives = draw_negatives(prepared, n, np.random.default_rng(seed))
    users = np.flatnonzero(prepared.test >= 0)
    assert negatives.shape == (len(users), n)
    assert negatives.dtype == np.int32
    for row, user in zip(negatives, users, strict=True):
        met = set(prepared.items[prepared.offsets[user] : prepared.offsets[user + 1]].tolist())
        unmet = set(range(1, prepared.n_items + 1)) - met
        drawn = row[row > 0].tolist()
        assert set(drawn) <= unmet
        assert len(set(drawn)) == len(drawn) == min(n, len(unmet))
        assert (row[len(drawn) :] == 0).all()


def test_every_set_of_negatives_is_equally_likely(make_prepared: Callable[..., Prepared]) -> None:
    # Users with items 2, 5, 7 of 1..8 have five others; ten pairs, each in a tenth of 20,000 rows (deviation 42).
    rows = [(f"u{user}", item, time) for user in range(20_000) for time, item in enumerate("257")]
    extra = [("one", str(item), 0) for item in range(1, 9)]
    negatives = draw_negatives(make_prepared(rows + extra), 2, np.random.default_rng(5))[
        1:
    ]  # "one" is the first, met all
    counts = Counter(tuple(sorted(row)) for row in negatives.tolist())
    assert set(counts) == set(combinations([1, 3, 4, 6, 8], 2))
    assert max(abs(count - 2000) for count in counts.values()) < 5 * 42
    first = Counter(negatives[:, 0].tolist())
    assert max(abs(count - 4000) for count in first.values()) < 5 * 57


def test_fewer_than_n_gives_all_of_them(make_prepared: Callable[..., Prepared]) -> None:
    prepared = make_prepared([("a", "1", 0), ("a", "3", 1), ("a", "3", 2), *(("b", str(i), i) for i in range(1, 6))])
    assert draw_negatives(prepared, 4, np.random.default_rng(0)).tolist() == [[2, 4, 5, 0], [0, 0, 0, 0]]


def test_sample_ranks_of_the_whole_range_is_a_permutation() -> None:
    ranks = sample_ranks(np.full(50, 7), 7, np.random.default_rng(0))
    assert (np.sort(ranks, axis=1) == np.arange(7)).all()
    assert len(set(map(tuple, ranks.tolist()))) > 40


@pytest.fixture
def toy(workplace: Path, make_study: Callable[..., Study]) -> Callable[..., Study]:
    """A study of a prepared data set, for the given evaluation."""

    def make(**evaluation: int) -> Study:
        study = make_study(evaluation, simulate={"users": 60, "items": 200, "mean_length": 8}, k_core=1)
        dataset = study.settings.datasets["toy"]
        assert dataset.simulate is not None
        simulate(dataset.simulate, ids.raw_folder("toy", dataset))
        prepare_dataset(study, "toy")
        return study

    return make


def test_saved_candidates(toy: Callable[..., Study]) -> None:
    study = toy(negatives=20)
    path = ids.dataset_files(study, "toy").candidates
    draw_candidates(study, "toy")
    first, candidates = path.read_bytes(), Candidates.load(path)
    assert candidates.test.shape == candidates.validation.shape == (60, 20)
    assert (candidates.test > 0).all()
    assert (np.sort(candidates.test) != np.sort(candidates.validation)).any(axis=1).all()
    draw_candidates(study, "toy")
    assert path.read_bytes() == first
    copies = [path.parents[1] / "0123456789ab" / path.name, path.with_name("candidates=0123456789ab.npz")]
    for copy, key in zip(copies, ("dataset_id", "candidates_id"), strict=True):
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(first)
        with pytest.raises(
            ForeignError, match=f"{key} is '.*', its place says '0123456789ab'; move it away with `posrec verify"
        ):
            Candidates.load(copy)
    content = read_npz(path)
    for key, other in (("test", content["validation"]), ("identity", np.array("{}")), ("more", np.zeros(1))):
        write_npz(copies[1], {**content, key: other})
        with pytest.raises(DataError, match=r"the checksum does not match|holds .*: it is foreign or from an older"):
            Candidates.load(copies[1])
    other = toy(negatives=20, candidates_seed=1)
    draw_candidates(other, "toy")
    assert (Candidates.load(ids.dataset_files(other, "toy").candidates).test != candidates.test).any(axis=1).all()
