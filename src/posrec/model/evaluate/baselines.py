"""Baselines on the same candidates: chance, popularity, popularity of the request's month, Markov chain, item kNN.

They count training interactions only. The month is the calendar month of the request, in any year.
"""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from scipy.sparse import csr_matrix

from posrec.data.prepare.prepared import Candidates, Prepared, inputs_of
from posrec.data.prepare.repeats import new_targets
from posrec.files import write_checked_json
from posrec.model.evaluate.metrics import mean_metrics
from posrec.model.evaluate.score import Ranks, Requests, requests_of
from posrec.model.evaluate.sparse_ranks import SparseScores, rank_sparse
from posrec.model.inputs import ragged_arange
from posrec.plan import ids
from posrec.study.study import Study

REACH = 3  # kNN: two items co-occur within so many steps
BACKWARDS = 0.5  # kNN: weight of a pair against the order of the sequence
RECENT, DECAY = 5, 0.7  # kNN: the last items of a history that count, and what a step of age leaves of their weight


def chance_scores(data: Prepared, requests: Requests) -> SparseScores:
    """All candidates tied: the expectation of a random order, of each user's own number of candidates."""
    return _one_base(np.zeros(data.n_items + 1, np.float32), requests)


def popularity_scores(data: Prepared, requests: Requests) -> SparseScores:
    """Training interactions of each item."""
    return _one_base(_popularity(data).astype(np.float32), requests)


def month_popularity_scores(data: Prepared, requests: Requests) -> SparseScores:
    """Training interactions of each item in the calendar month of the request; ties by overall popularity."""
    training = _training(data)
    counts = np.zeros((12, data.n_items + 1), np.float32)
    np.add.at(counts, (_month(data.times[training]), data.items[training]), 1)
    return SparseScores(counts + _tie_break(data), _month(data.times[requests.targets]))


def markov_scores(data: Prepared, requests: Requests) -> SparseScores:
    """How often an item followed the last item of the history in training; ties by overall popularity."""
    return _item_to_item(_followed(data, 1), _recent(data, requests, 1), data, requests)


def knn_scores(data: Prepared, requests: Requests) -> SparseScores:
    """Co-occurrence with the last 5 items of the history, each with 0.7 times the weight of the one after it.

    Two items of a training sequence co-occur with weight 1 / distance where they are at most 3 steps apart, against
    the order of the sequence with half of that. Ties by overall popularity.
    """
    forward = _followed(data, 1)
    for step in range(2, REACH + 1):
        forward = forward + _followed(data, step) / np.float32(step)
    both = (forward + np.float32(BACKWARDS) * forward.T).tocsr()
    return _item_to_item(both, _recent(data, requests, RECENT), data, requests)


SCORERS: dict[str, Callable[[Prepared, Requests], SparseScores]] = {
    "chance": chance_scores,
    "popularity": popularity_scores,
    "month popularity": month_popularity_scores,
    "markov": markov_scores,
    "item_knn": knn_scores,
}


def score_baselines(study: Study, name: str) -> None:
    """Score all baselines on the test requests of a prepared data set and write them beside it."""
    files = ids.dataset_files(study, name)
    data, candidates = Prepared.load(files.arrays, files.manifest), Candidates.load(files.candidates)
    requests = requests_of(data.test)
    new = new_targets(data, requests.targets)
    ranks = {
        baseline: rank_sparse(scorer(data, requests), data, requests, candidates.test)
        for baseline, scorer in SCORERS.items()
    }
    result = {
        "dataset": name,
        "dataset_id": ids.dataset_id(name, study.settings.datasets[name]),
        "evaluation_id": ids.evaluation_id(study),
        "inputs": inputs_of(files.manifest, files.candidates),
        "users": len(requests.users),
        "baselines": {baseline: with_new(found, new) for baseline, found in ranks.items()},
    }
    write_checked_json(files.baselines, result)


def summary(ranks: Ranks) -> dict[str, dict[str, float]]:
    """Mean metrics on sampled candidates and on the full catalogue."""
    return {
        "sampled": mean_metrics(ranks.sampled_greater, ranks.sampled_tied),
        "full": mean_metrics(ranks.full_greater, ranks.full_tied),
    }


def with_new(
    ranks: Ranks, new: np.ndarray | None, means: Callable[[Ranks], dict[str, dict[str, float]]] = summary
) -> dict[str, dict[str, float]]:
    """The means of all requests, and of those for new targets: new_sampled and new_full.

    new: mask (R,), see `new_targets`; None, or none of them: without.
    """
    found = means(ranks)
    if new is None or not new.any():
        return found
    of_new = Ranks(**{name: counts[new] for name, counts in asdict(ranks).items()})
    return found | {f"new_{kind}": values for kind, values in means(of_new).items()}


def _one_base(base: np.ndarray, requests: Requests) -> SparseScores:
    """The same score of an item for every request. base: (I + 1,)."""
    return SparseScores(base[None], np.zeros(len(requests.users), np.int64))


def _item_to_item(counts: csr_matrix, recent: csr_matrix, data: Prepared, requests: Requests) -> SparseScores:
    """Scores `recent @ counts`. counts: (I + 1, I + 1); recent: (R, I + 1), weights of each request's last items."""
    tied = _one_base(_tie_break(data), requests)
    return SparseScores(tied.base, tied.group, lambda where: recent[where] @ counts)


def _followed(data: Prepared, step: int) -> csr_matrix:
    """How often an item was followed by another `step` steps later in a user's training sequence: (I + 1, I + 1)."""
    training = _training(data)
    user = np.repeat(np.arange(data.n_users), data.train_length)
    same = user[step:] == user[:-step]
    before, after = data.items[training[:-step][same]], data.items[training[step:][same]]
    return csr_matrix((np.ones(len(before), np.float32), (before, after)), shape=(data.n_items + 1, data.n_items + 1))


def _recent(data: Prepared, requests: Requests, count: int) -> csr_matrix:
    """Weights of the last items of each request's history, 0.7 per step of age: (R, I + 1)."""
    have = np.minimum(requests.targets - data.offsets[requests.users], count)
    rows, age = np.repeat(np.arange(len(have)), have), ragged_arange(np.zeros_like(have), have)
    items = data.items[requests.targets[rows] - 1 - age]
    return csr_matrix(((DECAY**age).astype(np.float32), (rows, items)), shape=(len(have), data.n_items + 1))


def _training(data: Prepared) -> np.ndarray:
    """Indices of all training interactions, user after user."""
    return ragged_arange(data.offsets[:-1], data.train_length.astype(np.int64))


def _popularity(data: Prepared) -> np.ndarray:
    """Training interactions of each item: (I + 1,)."""
    return np.bincount(data.items[_training(data)], minlength=data.n_items + 1)


def _tie_break(data: Prepared) -> np.ndarray:
    """Overall popularity squeezed below 1/2, so that it orders equal counts only: (I + 1,)."""
    counts = _popularity(data)
    result: np.ndarray = (counts / (2.0 * counts.max() + 1)).astype(np.float32)
    return result


def _month(times: np.ndarray) -> np.ndarray:
    months: np.ndarray = times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12
    return months
