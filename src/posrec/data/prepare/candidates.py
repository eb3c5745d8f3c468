"""The frozen sampled candidates: every user's negatives, drawn once for all runs."""

import numpy as np

from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.plan import ids
from posrec.study.settings.evaluation import EvaluationSettings
from posrec.study.study import Study


def draw_candidates(study: Study, name: str) -> None:
    """Draw and save the sampled candidates of the data set `name` of a study. Raises DataError for damaged data."""
    files = ids.dataset_files(study, name)
    draw(Prepared.load(files.arrays, files.manifest), study.settings.evaluation).save(files.candidates)


def draw(prepared: Prepared, evaluation: EvaluationSettings) -> Candidates:
    """The candidates that these settings give: the same ones each time."""
    streams = np.random.SeedSequence(evaluation.candidates_seed).spawn(2)
    test, validation = (draw_negatives(prepared, evaluation.negatives, np.random.default_rng(s)) for s in streams)
    return Candidates(test, validation)


def draw_negatives(prepared: Prepared, n: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct negatives, uniform over the items that a user never met, for the users with a test interaction in turn.

    Returns (number of such users, n) int32 in random order; where fewer than n items remain, all of them and then 0.
    """
    bounds, met = met_items(prepared)
    met_count = np.diff(bounds)
    unmet_count = prepared.n_items - met_count
    ranks = sample_ranks(np.maximum(unmet_count, n), n, rng)
    ranks[unmet_count < n] = np.arange(n)
    # Item k of a user's sorted met items has met[k] - 1 - k unmet ones before it; one sorted array holds all users,
    # each shifted by its row, so that a single search places every rank among its own user's items.
    rows = np.arange(len(met_count))
    before = met - 1 - (np.arange(len(met)) - np.repeat(bounds[:-1], met_count))
    shift = prepared.n_items + n + 1
    keys = before + np.repeat(rows, met_count) * shift
    skipped = np.searchsorted(keys, ranks + rows[:, None] * shift, side="right") - bounds[:-1, None]
    return np.where(ranks < unmet_count[:, None], ranks + 1 + skipped, 0).astype(np.int32)


def met_items(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct items of each user with a test interaction: bounds (rows + 1,) and the items of all rows."""
    users = np.repeat(np.arange(prepared.n_users), np.diff(prepared.offsets))
    row_of = np.where(prepared.test >= 0, np.cumsum(prepared.test >= 0) - 1, -1)
    rows = row_of[users]
    base = prepared.n_items + 1
    pairs = np.unique(rows[rows >= 0] * base + prepared.items[rows >= 0])
    bounds = np.searchsorted(pairs, np.arange(int((prepared.test >= 0).sum()) + 1) * base)
    return bounds, pairs % base


def sample_ranks(sizes: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n distinct numbers below sizes[r] for each row r, uniform and in random order: (R, n) int64. sizes >= n.

    Floyd's algorithm (Bentley and Floyd, CACM 30, 1987), a step for all rows at once.
    """
    chosen = np.empty((n, len(sizes)), dtype=np.int64)  # (n, R): the rows chosen so far are contiguous
    for step in range(n):
        top = sizes - n + step
        draw = rng.integers(0, top + 1)
        taken = (chosen[:step] == draw).any(axis=0)
        chosen[step] = np.where(taken, top, draw)
    shuffled: np.ndarray = rng.permuted(chosen.T, axis=1)
    return shuffled
