"""A system of the user's own beside a study's encodings and baselines: the same users, the same candidates.

The study writes out the candidates of every test user, the system scores them, and its ranks go through the metrics and
intervals of the study. Differences are paired over users; against an encoding that several seeds trained, users are
crossed with seeds (`stats.crossed`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from scipy import stats

from posrec.analysis.stats import crossed, sequential
from posrec.analysis.stats.threeway import OPEN, Margin, verdict
from posrec.analysis.tables import duels
from posrec.analysis.tables.scores import POINTS
from posrec.data.prepare.id_map import IdMap
from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.errors import DataError
from posrec.files import read_npz
from posrec.model.evaluate import metrics
from posrec.model.evaluate.baselines import SCORERS
from posrec.model.evaluate.score import Requests, requests_of
from posrec.model.evaluate.sparse_ranks import rank_sparse
from posrec.plan import ids
from posrec.plan.run import planned_runs
from posrec.serve.histories import text
from posrec.store import results
from posrec.study.study import Cell, Study
from posrec.study.variation import settings_label, varied_settings

SMALLEST = 3  # seeds whose noise is counted
COLUMNS = {
    "system": "the own system, an encoding or a baseline",
    "settings": "the settings that vary within the data set; empty where none does",
    "protocol": "protocol of the encoding",
    "seeds": "seeds of the encoding",
    "users": "test users",
    "hit10": "Hit@10 on the sampled candidates, a fraction",
    "ndcg10": "NDCG@10 on the sampled candidates, a fraction",
    "difference_points": "own system minus this one, NDCG@10 in points",
    "low_points": "lower bound of the difference, simultaneous for all rows",
    "high_points": "upper bound",
    "verdict": "the own system is ahead, behind or equivalent by the margin (report.margin, of this system), or open",
}


@dataclass(frozen=True)
class Counted:
    """What a table of ranks held: rows, those that are not candidates, and candidates without a score."""

    rows: int
    ignored: int
    unscored: int


@dataclass(frozen=True)
class Place:
    """A prepared data set of a study with its candidates, ids, and the requests of its test."""

    data: Prepared
    candidates: Candidates
    named: IdMap
    requests: Requests

    @staticmethod
    def of(study: Study, dataset: str) -> "Place":
        """Raises DataError where files are missing or damaged."""
        files = ids.dataset_files(study, dataset)
        data = Prepared.load(files.arrays, files.manifest)
        return Place(data, Candidates.load(files.candidates), IdMap.load(files.id_map), requests_of(data.test))

    @property
    def listed(self) -> np.ndarray:
        """The target and the negatives of each request: (R, 1 + n), 0 = none."""
        targets = self.data.items[self.requests.targets]
        return np.concatenate([targets[:, None], self.candidates.test], 1)


def written_candidates(place: Place) -> pl.DataFrame:
    """The candidates of each test user, the target among them, in the order of the items: user, item."""
    listed = np.sort(place.listed, 1)
    row, slot = np.nonzero(listed)
    return pl.DataFrame(
        {
            "user": pl.Series(place.named.users).gather(place.requests.users[row]),
            "item": pl.Series(place.named.items).gather(listed[row, slot].astype(np.int64) - 1),
        }
    )


def read_ranks(place: Place, table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, Counted]:
    """Candidates that a table of user, item, and score or rank puts above each target, and equal to it: (R,) each.

    A candidate without a score is below all that have one. Raises DataError for a table that does not fit.
    """
    scores, counted = _scores(place, table)
    of_target, others = scores[:, :1], np.where(place.candidates.test > 0, scores[:, 1:], -np.inf)
    greater = (others > of_target).sum(1)
    tied = ((others == of_target) & (place.candidates.test > 0)).sum(1)
    return greater, tied, counted


def _scores(place: Place, table: pl.DataFrame) -> tuple[np.ndarray, Counted]:
    """The scores of each request's candidates, (R, 1 + n), -inf where there is none."""
    kind = next((name for name in ("score", "rank") if name in table.columns), None)
    if kind is None or not {"user", "item"} <= set(table.columns):
        raise DataError(
            f"--ranks: has the columns {', '.join(table.columns)}; it needs user, item, and score (higher is better) "
            "or rank (1 is best)"
        )
    values = table[kind].cast(pl.Float64, strict=False).to_numpy()
    if not np.isfinite(values).all():
        raise DataError(f"--ranks: {int((~np.isfinite(values)).sum())} rows have a {kind} that is not a finite number")
    width = place.data.n_items + 1
    row_of = {place.named.users[user]: row for row, user in enumerate(place.requests.users)}
    number = {item: place_ for place_, item in enumerate(place.named.items, 1)}
    rows, items = _numbers(table["user"], row_of, -1), _numbers(table["item"], number, 0)
    keys = np.where((rows >= 0) & (items > 0), rows * width + items, -1)
    if len(twice := np.flatnonzero(pd.Series(keys[keys >= 0]).duplicated())):
        raise DataError(f"--ranks: {len(twice)} rows have the user and item of an earlier row; keep one of each")
    wanted = np.arange(len(place.requests.users))[:, None] * width + place.listed  # (R, 1 + n)
    order = np.argsort(keys)
    found = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)] if len(keys) else 0 * wanted
    known = (keys[found] == wanted) & (place.listed > 0) if len(keys) else np.zeros(wanted.shape, bool)
    if not known.any():
        raise DataError(
            "--ranks: no row is of a candidate: are these the users and items of --write-candidates, written alike?"
        )
    scores = np.where(known, (values if kind == "score" else -values)[found], -np.inf)
    real = int((place.listed > 0).sum())
    return scores, Counted(len(keys), len(keys) - int(known.sum()), real - int(known.sum()))


def _numbers(column: pl.Series, known: dict[str, int], otherwise: int) -> np.ndarray:
    codes, different = pd.factorize(column.to_numpy())
    return np.array([known.get(text(each), otherwise) for each in different], np.int64)[codes]


def compare(study: Study, dataset: str, place: Place, ranks: tuple[np.ndarray, np.ndarray], name: str) -> pd.DataFrame:
    """A row for the own system, every encoding of the study that has finished runs, and every baseline: COLUMNS."""
    own = _values(*ranks)
    others = [*_encodings(study, dataset), *_baselines(place)]
    alpha, margin = sequential.alone(duels.ALPHA, max(1, len(others))), duels.design(study.settings).margin
    rows = [{"system": name, "users": own.shape[2], **_means(own)}]
    for about, values in others:
        rows.append({**about, "users": values.shape[2], **_means(values), **_difference(own, values, alpha, margin)})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seeds": "Int64", "users": "Int64"})


def _values(greater: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Hit@10 and NDCG@10 of every user in every seed, (2, S, U). greater, tied: (S, U) or (U,)."""
    greater, tied = np.atleast_2d(greater), np.atleast_2d(tied)
    return np.stack([metrics.hit(greater, tied), metrics.ndcg(greater, tied)])


def _means(values: np.ndarray) -> dict[str, float]:
    hit, ndcg = values.mean((1, 2))
    return {"hit10": float(hit), "ndcg10": float(ndcg)}


def _encodings(study: Study, dataset: str) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Each cell of the data set under each of its protocols, with the values of its finished runs."""
    varied = varied_settings(study.cells)
    for cell in study.cells:
        if cell.dataset != dataset:
            continue
        for protocol in cell.protocols:
            found = _finished(study, cell, protocol.name)
            if found and protocol.evaluation.candidates == protocol.evaluation.eval_users == "sound":
                about = {"system": cell.encoding, "settings": settings_label(cell, varied), "protocol": protocol.name}
                greater, tied = (np.stack(part) for part in zip(*found, strict=True))
                yield {**about, "seeds": len(found)}, _values(greater, tied)


def _finished(study: Study, cell: Cell, protocol: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The sampled ranks of the cell's finished and healthy scoring runs."""
    found = []
    for run in planned_runs(study, [cell]):
        if run.seed not in study.settings.scoring_seeds or results.status_of(run.path, run.must_say) != "finished":
            continue
        if not results.read_content(run.path)["evaluations"][protocol]["collapsed"]:
            arrays = read_npz(run.npz)
            found.append((arrays[f"{protocol}.sampled_greater"], arrays[f"{protocol}.sampled_tied"]))
    return found


def _baselines(place: Place) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    for name, scorer in SCORERS.items():
        ranks = rank_sparse(scorer(place.data, place.requests), place.data, place.requests, place.candidates.test)
        yield {"system": name}, _values(ranks.sampled_greater, ranks.sampled_tied)


def _difference(own: np.ndarray, other: np.ndarray, alpha: float, margin: Margin) -> dict[str, Any]:
    """NDCG@10 of the own system minus the other's, paired over users; from three seeds on with the noise of seeds."""
    differences = POINTS * (own[1] - other[1])  # (S, U)
    mean, users = float(differences.mean()), differences.shape[1]
    lead = crossed.lead(differences, alpha) if len(differences) >= SMALLEST else None
    if lead is not None:
        low, high = lead.low, lead.high
    else:
        by_user = differences.mean(0)
        half = float(stats.t.isf(alpha / 2, users - 1) * by_user.std(ddof=1) / np.sqrt(users)) if users > 1 else np.nan
        low, high = mean - half, mean + half
    level = POINTS * margin.level(float(other[1].mean()))
    word = verdict(low, high, level) if np.isfinite(low) else OPEN
    return {"difference_points": mean, "low_points": low, "high_points": high, "verdict": word}
