"""Baselines on the same candidates: chance, popularity, popularity of the request's month, first-order Markov.

They count training interactions only. The month is the calendar month of the request, in any year.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.files import write_checked_json
from posrec.model.evaluate.metrics import mean_metrics
from posrec.model.evaluate.score import USER_BLOCK, Ranks, Requests, rank_requests, requests_of
from posrec.model.inputs import ragged_arange
from posrec.plan import ids
from posrec.study.study import Study

Blocks = Iterator[tuple[np.ndarray, Tensor]]


def popularity_scores(data: Prepared, requests: Requests) -> Blocks:
    """Training interactions of each item."""
    counts = np.bincount(data.items[_training(data)], minlength=data.n_items + 1)
    for where in _blocks(requests):
        yield where, torch.from_numpy(np.tile(counts.astype(np.float32), (len(where), 1)))


def month_popularity_scores(data: Prepared, requests: Requests) -> Blocks:
    """Training interactions of each item in the calendar month of the request; ties by overall popularity."""
    training = _training(data)
    counts = np.zeros((12, data.n_items + 1), np.float32)
    np.add.at(counts, (_month(data.times[training]), data.items[training]), 1)
    counts += _tie_break(data)
    for where in _blocks(requests):
        yield where, torch.from_numpy(counts[_month(data.times[requests.targets[where]])])


def markov_scores(data: Prepared, requests: Requests) -> Blocks:
    """How often an item followed the last item of the history in training; ties by overall popularity."""
    training = _training(data)
    user = np.repeat(np.arange(data.n_users), data.train_length)
    same_user = user[1:] == user[:-1]
    before, after = data.items[training[:-1][same_user]], data.items[training[1:][same_user]]
    width = data.n_items + 1
    transitions = csr_matrix((np.ones(len(before), np.float32), (before, after)), shape=(width, width))
    tie_break = _tie_break(data)
    for where in _blocks(requests):
        last = data.items[requests.targets[where] - 1]
        yield where, torch.from_numpy(transitions[last].toarray() + tie_break)


def chance_ranks(data: Prepared, requests: Requests, candidates: np.ndarray) -> Ranks:
    """All candidates tied: the expectation of a random order, of each user's own number of candidates."""

    def constant() -> Blocks:
        for where in _blocks(requests):
            yield where, torch.zeros(len(where), data.n_items + 1)

    return rank_requests(constant(), data, requests, candidates)


def score_baselines(study: Study, name: str) -> None:
    """Score all baselines on the test requests of a prepared data set and write them beside it."""
    files = ids.dataset_files(study, name)
    data, candidates = Prepared.load(files.arrays, files.manifest), Candidates.load(files.candidates)
    requests = requests_of(data.test)
    ranks = {"chance": chance_ranks(data, requests, candidates.test)}
    scorers = {"popularity": popularity_scores, "month popularity": month_popularity_scores, "markov": markov_scores}
    for baseline, scorer in scorers.items():
        ranks[baseline] = rank_requests(scorer(data, requests), data, requests, candidates.test)
    result = {
        "dataset": name,
        "dataset_id": ids.dataset_id(name, study.settings.datasets[name]),
        "evaluation_id": ids.evaluation_id(study),
        "users": len(requests.users),
        "baselines": {baseline: summary(found) for baseline, found in ranks.items()},
    }
    write_checked_json(files.baselines, result)


def summary(ranks: Ranks) -> dict[str, dict[str, float]]:
    """Mean metrics on sampled candidates and on the full catalogue."""
    return {
        "sampled": mean_metrics(ranks.sampled_greater, ranks.sampled_tied),
        "full": mean_metrics(ranks.full_greater, ranks.full_tied),
    }


def _training(data: Prepared) -> np.ndarray:
    """Indices of all training interactions, user after user."""
    return ragged_arange(data.offsets[:-1], data.train_length.astype(np.int64))


def _tie_break(data: Prepared) -> np.ndarray:
    """Overall popularity squeezed below 1/2, so that it orders equal counts only."""
    counts = np.bincount(data.items[_training(data)], minlength=data.n_items + 1)
    result: np.ndarray = (counts / (2.0 * counts.max() + 1)).astype(np.float32)
    return result


def _month(times: np.ndarray) -> np.ndarray:
    months: np.ndarray = times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12
    return months


def _blocks(requests: Requests) -> Iterator[np.ndarray]:
    order = np.arange(len(requests.users))
    for first in range(0, len(order), USER_BLOCK):
        yield order[first : first + USER_BLOCK]
