"""Score a trained model on the test users under an evaluation protocol: its users, candidates, ties and epochs."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.data.prepare.repeats import new_targets
from posrec.model import streams
from posrec.model.batches import draw_unmet, met_keys
from posrec.model.carca import Carca
from posrec.model.evaluate.baselines import summary, with_new
from posrec.model.evaluate.metrics import METRICS, mean_metrics
from posrec.model.evaluate.released import draw_users, slot_columns, slot_scores, sorted_places
from posrec.model.evaluate.score import Ranks, Requests, ScoreError, model_scores, rank_requests, requests_of
from posrec.model.runs.failures import EVALUATION_STEP, Progress, TrainingFailed, model_code
from posrec.store.results import Result
from posrec.study.protocols import EvaluationSwitches
from posrec.study.settings.evaluation import PRIMARY

COLLAPSE_FACTOR = 1.25  # a run is collapsed when its sampled NDCG@10 is below this multiple of chance
HISTORY_CLASSES = (1, 2, 3, 6, 11, 21)  # each from here up to the next


@dataclass(frozen=True)
class Reading:
    """One reading of the test: who was asked, how they ranked, and what chance gives on the same candidates.

    users: (R,) in the order of the ranks; tie_share: share of requests whose target ties, sampled and full;
    ties_by_history: the same by the length of the history that the model sees.
    """

    epoch: int
    users: np.ndarray
    ranks: Ranks
    means: dict[str, dict[str, float]]
    tie_share: dict[str, float]
    ties_by_history: dict[str, dict[str, float]]
    chance: float


def read_test(
    model: Carca,
    data: Prepared,
    frozen: Candidates,
    switches: EvaluationSwitches,
    seed: int,
    epoch: int,
    batch: int | None = None,
) -> Reading:
    """Rank the test users of a run's `seed` at an epoch; random draws come from a stream of both.

    batch: users per batch for `reported_mean: released`; None: all users in one.
    """
    stream = np.random.default_rng([*streams.numpy_stream("evaluation", seed).integers(2**32, size=2), epoch])
    if switches.eval_context == "released":
        data = replace(data, context=np.trunc(data.context))  # cast to integers
    requests = requests_of(data.test)
    chosen = draw_users(data, stream) if switches.eval_users == "released" else np.arange(len(requests.users))
    requests, negatives = requests.take(chosen), frozen.test[chosen]
    if switches.candidates == "released":
        negatives = redraw_candidates(data, requests.users, model.settings.max_length - 1, stream)
    ranks = rank_test(model, data, requests, negatives, switches)
    shares = {"sampled": ranks.sampled_tied, "full": ranks.full_tied}
    ties = {name: float((tied > 0).mean()) for name, tied in shares.items()}
    length = np.minimum(requests.targets - data.offsets[requests.users], model.settings.max_length)
    by_history = {name: share_by_length(tied > 0, length) for name, tied in shares.items()}
    if switches.ties == "released":
        ranks = decided(ranks)
    chance = mean_metrics(np.zeros(len(negatives), np.int32), (negatives > 0).sum(1))["NDCG@10"]
    released = batch if switches.reported_mean == "released" else None
    mean = summary if released is None else partial(mean_of_batches, size=released)
    means = with_new(ranks, new_targets(data, requests.targets), mean)
    return Reading(epoch, requests.users, ranks, means, ties, by_history, chance)


def mean_of_batches(ranks: Ranks, size: int) -> dict[str, dict[str, float]]:
    """As `summary`, but the mean over batches of each batch's mean: a short last batch counts as a whole one."""
    arrays = asdict(ranks)
    firsts = range(0, len(ranks.full_tied), size)
    parts = [summary(Ranks(**{name: a[first : first + size] for name, a in arrays.items()})) for first in firsts]
    return {
        kind: {metric: float(np.mean([part[kind][metric] for part in parts])) for metric in METRICS}
        for kind in ("sampled", "full")
    }


def share_by_length(tied: np.ndarray, length: np.ndarray) -> dict[str, float]:
    """Share of the requests that tie, by class of their histories' length; empty classes are left out.

    tied: (R,) bool; length: (R,).

    >>> share_by_length(np.array([True, False, False]), np.array([2, 2, 4]))
    {'2': 0.5, '3-5': 0.0}
    """
    place = np.digitize(length, HISTORY_CLASSES[1:])
    upper = [first - 1 for first in HISTORY_CLASSES[1:]]
    names = [str(a) if a == b else f"{a}-{b}" for a, b in zip(HISTORY_CLASSES, upper, strict=False)]
    names.append(f"{HISTORY_CLASSES[-1]}+")
    return {names[number]: float(tied[place == number].mean()) for number in np.unique(place)}


def redraw_candidates(data: Prepared, users: np.ndarray, count: int, stream: np.random.Generator) -> np.ndarray:
    """`count` negatives a request outside the user's training items alone; repeats are allowed. (R, n)."""
    drawn = draw_unmet(np.repeat(users, count), met_keys(data), data.n_items, data.n_items, stream)
    return drawn.reshape(len(users), count)


def rank_test(
    model: Carca, data: Prepared, requests: Requests, negatives: np.ndarray, switches: EvaluationSwitches
) -> Ranks:
    """Ranks of requests on their negatives and on the full catalogue; exact ties are counted as they are.

    `ties: released`: greater is the target's place, which its ties have moved already.
    """
    if "released" in (switches.candidate_position_test, switches.dot_head_test):
        scores = slot_scores(model, data, requests, negatives, switches)
        negatives = slot_columns(negatives, data.n_items)
    else:
        scores = model_scores(model, data, requests)
    if switches.ties == "released":
        return rank_requests(squashed(scores), data, requests, negatives, sorted_places)
    return rank_requests(scores, data, requests, negatives)


def squashed(scores: Iterator[tuple[np.ndarray, Tensor]]) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Float32 sigmoids of the logits, as the released code compares: saturated ones are equal. NaN stays NaN."""
    for where, block in scores:
        yield where, torch.where(block.isfinite(), block.float().sigmoid(), torch.nan)


def decided(ranks: Ranks) -> Ranks:
    """The places alone: the sort has decided every tie."""
    return replace(ranks, sampled_tied=np.zeros_like(ranks.sampled_tied), full_tied=np.zeros_like(ranks.full_tied))


@dataclass
class Scores:
    """What one evaluation protocol makes of a training: its readings of the test, and the block of results.

    batch: users per batch of the training.
    """

    switches: EvaluationSwitches
    data: Prepared
    candidates: Candidates
    seed: int
    batch: int
    readings: list[Reading] = field(default_factory=list)
    failure: dict[str, Any] | None = None

    @property
    def every_epoch(self) -> bool:
        """Whether the test is read at every epoch whose validation is read."""
        return self.switches.selection == "released"

    def read(self, model: Carca, epoch: int) -> None:
        """Read the test at an epoch, unless a reading failed: then `failure` says why.

        Of the earlier readings only the best by the primary metric keeps its ranks.
        """
        if self.failure is not None:
            return
        try:
            with model_code(Progress(EVALUATION_STEP)):
                reading = read_test(model, self.data, self.candidates, self.switches, self.seed, epoch, self.batch)
        except ScoreError as error:
            self.failure = {"step": EVALUATION_STEP, "reason": str(error)}
            return
        except TrainingFailed as error:
            self.failure = {"step": error.step, "reason": error.reason}
            return
        self.readings.append(reading)
        best = self.selected()
        nobody = np.zeros(0, np.int32)
        for place, reading in enumerate(self.readings):
            if reading is not best:
                self.readings[place] = replace(reading, users=nobody, ranks=Ranks(nobody, nobody, nobody, nobody))

    def state(self) -> dict[str, Any]:
        """The readings so far, as tensors and text: what a checkpoint holds of them."""
        text = [{n: value for n, value in vars(one).items() if n not in ("users", "ranks")} for one in self.readings]
        arrays = [{"users": one.users, **vars(one.ranks)} for one in self.readings]
        tensors = [{name: torch.from_numpy(array) for name, array in reading.items()} for reading in arrays]
        return {"text": json.dumps([self.failure, text]), "arrays": tensors}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the readings of a checkpoint."""
        self.failure, text = json.loads(state["text"])
        self.readings = []
        for about, tensors in zip(text, state["arrays"], strict=True):
            arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
            self.readings.append(Reading(users=arrays.pop("users"), ranks=Ranks(**arrays), **about))

    def selected(self) -> Reading:
        """The reading with the best NDCG@10 on the full catalogue, the first of equals; the only one where sound."""
        return max(self.readings, key=lambda reading: reading.means["full"][PRIMARY])

    def result(self) -> Result:
        """The evaluation's numbers, and its ranks by user.

        Under `selection: released` each metric is the best of all readings, each at its own epoch.
        """
        best = self.selected()
        means, arrays = best.means, asdict(best.ranks)
        about: dict[str, Any] = {"selected_epoch": best.epoch, "users": len(best.users)}
        if self.every_epoch:
            means, about["selected_epochs"] = best_of(self.readings)
            arrays |= self._curves()
        if self.switches.eval_users == "released":
            arrays["users"] = best.users
        collapsed = means["sampled"]["NDCG@10"] < COLLAPSE_FACTOR * best.chance
        watched = {"diagnostics": {"tie_share_by_history": best.ties_by_history}}
        return {**about, "tie_share": best.tie_share, "collapsed": collapsed, **means, **watched}, arrays

    def _curves(self) -> dict[str, np.ndarray]:
        """The test's metrics by reading, (readings,) each."""
        curves = {
            f"test_{kind}_{metric}": np.array([reading.means[kind][metric] for reading in self.readings])
            for kind in ("sampled", "full")
            for metric in METRICS
        }
        return {"test_epoch": np.array([reading.epoch for reading in self.readings]), **curves}


def best_of(readings: list[Reading]) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """The largest value of each metric over all readings, and the epoch at which it was read (the first of equals)."""
    means: dict[str, dict[str, float]] = {}
    epochs: dict[str, dict[str, int]] = {}
    for kind in filter(lambda kind: all(kind in one.means for one in readings), readings[0].means):
        tops = {metric: max(readings, key=lambda reading: reading.means[kind][metric]) for metric in METRICS}
        means[kind] = {metric: top.means[kind][metric] for metric, top in tops.items()}
        epochs[kind] = {metric: top.epoch for metric, top in tops.items()}
    return means, epochs
