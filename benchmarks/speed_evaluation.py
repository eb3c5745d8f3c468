"""Evaluation against the plain reference: sampled candidates alone, and the full catalogue of Beauty 5-core."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.speed_reference import Work, dense_attributes, make_cell, make_data, reference_scores
from posrec.data.prepare.prepared import Prepared
from posrec.model.evaluate.sampled import rank_sampled
from posrec.model.evaluate.score import model_scores, rank_requests, requests_of
from posrec.model.train import build_model

EVALUATED = 10_000  # users
REFERENCE_USERS = 64  # of them, scored by the reference: its time is proportional to the users
NEGATIVES = 100
ROUNDS = 3
BEAUTY_5CORE = Work(22_363, 12_101, 8.9, 500, 0, 64, 2, 1, 50, 256)


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call: what else the machine does counts little."""
    began = time.process_time()
    call()
    return time.process_time() - began


def sampled_seconds(work: Work, data: Prepared) -> tuple[float, float]:
    """Seconds to rank 101 candidates of 10,000 users, the sides in turn: reference (from some of them), packed."""
    model = build_model(make_cell(work), data, 1).eval()
    requests = requests_of(data.test).take(np.arange(EVALUATED))
    candidates = np.random.default_rng(1).integers(1, data.n_items + 1, (EVALUATED, NEGATIVES)).astype(np.int32)
    attributes, some = dense_attributes(data), requests.take(np.arange(REFERENCE_USERS))
    asked = np.concatenate([data.items[some.targets][:, None], candidates[:REFERENCE_USERS]], 1)
    times: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        slow = seconds(lambda: reference_scores(model, data, some, asked, attributes))
        times.append((slow, seconds(lambda: rank_sampled(model, data, requests, candidates))))
    reference, packed = np.median(times, 0)
    return float(reference) * EVALUATED / REFERENCE_USERS, float(packed)


def full_catalogue_seconds() -> float:
    """Seconds to rank the full catalogue of Beauty 5-core for all its users."""
    data = make_data(BEAUTY_5CORE)
    model, requests = build_model(make_cell(BEAUTY_5CORE), data, 1), requests_of(data.test)
    nobody = np.zeros((len(requests.users), 0), np.int32)
    return seconds(lambda: rank_requests(model_scores(model, data, requests), data, requests, nobody))
