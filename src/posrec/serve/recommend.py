"""Recommendations of an exported model: the scores of evaluation, for any histories."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import ValidationError
from torch import Tensor
from tqdm import tqdm

from posrec.data.prepare.context import features_between
from posrec.data.prepare.prepared import Prepared
from posrec.errors import DataError
from posrec.model.carca import Carca
from posrec.model.encodings.own import planned_version
from posrec.model.encodings.scaled import Scaled
from posrec.model.evaluate.score import Requests, check_finite, model_scores
from posrec.model.inputs import Clock, ragged_arange
from posrec.model.threads import one_thread
from posrec.serve import folder as folders
from posrec.serve import histories as reading
from posrec.serve.folder import Exported, Weights
from posrec.serve.histories import Histories, Moment
from posrec.serve.top import top_items
from posrec.study.protocols import TrainingSwitches
from posrec.study.settings.model import ModelSettings

REQUEST = 1  # slot after a history, whose time is that of the request
At = Moment | Mapping[Any, Moment] | None


def load(folder: str | Path) -> "Recommender":
    """The model in a folder that `posrec export` wrote.

    Raises DataError where the folder is damaged or of another version, StudyError for an encoding of your own that
    POSREC_ENCODINGS does not name.
    """
    return Recommender(folders.read(Path(folder)), str(folder))


class Recommender:
    """An exported model.

        >>> model = posrec.load("rope-model")                       # doctest: +SKIP
        >>> model.recommend(histories, top=20)                      # doctest: +SKIP
           user  rank  item  score

    config: what config.json says; items: (I,) the items' ids.
    """

    def __init__(self, exported: Exported, name: str = "model") -> None:
        self.config, self.items, self.name = exported.config, exported.items, name
        self.popularity, self.users = exported.popularity, frozenset(exported.users)
        self.number = {item: place for place, item in enumerate(self.items, 1)}
        self.attributes = exported.attributes
        self.models = [build(exported, weights) for weights in exported.weights.values()]
        first = self.models[0]
        self.needs_times = first.settings.context or first.encoding.reads_times
        self.needs_request_times = self.needs_times and first.settings.candidate_context == "request_time"

    def recommend(
        self, histories: Any, top: int = 20, *, repeat: bool = False, at: At = None, progress: bool = False
    ) -> pd.DataFrame:
        """The `top` best items of each user in a table of histories, best first.

        histories: a table of pandas, polars or pyarrow with the columns user and item, and time where the model reads
        times (`needs_times`); or the names that these columns have in the data of the training. Rows of one user are
        ordered by time, where there is none by their order. repeat: items of the user's own history may be
        recommended. at: the time of the requests, one for all or one per user (default: now); read by a model whose
        candidates carry it (`needs_request_times`) alone. progress: show it on stderr.

        Returns the columns user, rank (from 1), item, score: users in the order in which they first occur. Users
        without any item that the model knows get the most popular items, without a score (NaN). `.attrs["counted"]`
        has the numbers of users and of unknown items (`histories.Counted`). Scores are logits, and equal those of
        posrec's evaluation bit for bit for the same users in the same order. Raises DataError.
        """
        if top < 1:
            raise DataError(f"top: {top}: must be 1 or more")
        found = self.read(histories)
        places, scores = self._top(found, top, repeat, at, progress)
        return self._table(found, places, scores)

    def read(self, histories: Any, where: str = "histories") -> Histories:
        """The histories in a table. Raises DataError as `histories.build`."""
        return reading.build(histories, self.number, self.users, self.config["columns"], self.needs_times, where)

    def scores(self, histories: Histories, at: At = None) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Logits of all items in blocks of users: places of the users (B,), scores (B, I + 1), those of item 0 void."""
        for where, block in self._blocks(histories, at):
            check_finite(block[:, 1 : len(self.items) + 1])
            yield where, block[:, : len(self.items) + 1]

    def _blocks(self, histories: Histories, at: At) -> Iterator[tuple[np.ndarray, Tensor]]:
        """As `scores`, with what pads the items to equal blocks: (B, P)."""
        data, asking = self.prepared(histories, at)
        requests = Requests(asking, data.offsets[asking + 1] - REQUEST)
        clock = Clock(data, self.config["clock_start"])
        for blocks in zip(*(model_scores(model, data, requests, clock) for model in self.models), strict=True):
            where, scores = blocks[0]
            for _, more in blocks[1:]:
                scores = scores + more
            yield asking[where], scores / len(blocks) if len(blocks) > 1 else scores

    def prepared(self, histories: Histories, at: At = None) -> tuple[Prepared, np.ndarray]:
        """Histories as the model reads them, each followed by a slot with the time of its request; who has any (R,)."""
        length = np.diff(histories.offsets)
        offsets = histories.offsets + REQUEST * np.arange(len(length) + 1)
        own = ragged_arange(offsets[:-1], length)
        items, times = np.zeros(offsets[-1], np.int32), np.zeros(offsets[-1], np.int64)
        items[own], times[own] = histories.items, histories.times
        times[offsets[1:] - REQUEST] = self._request_times(histories, at)
        nobody = np.full(len(length), -1)
        data = Prepared(
            offsets=offsets,
            items=items,
            times=times,
            context=self._context(times),
            train_length=np.zeros(len(length), np.int32),
            validation=nobody,
            test=nobody,
            **self.attributes,
        )
        return data, np.flatnonzero(length > 0)

    def _context(self, times: np.ndarray) -> np.ndarray:
        first, last = self.config["years"]
        if not self.models[0].settings.context:
            return np.zeros((len(times), self.config["context_width"]), np.float32)
        context = features_between(times, (first, last), self.config["time_features"])
        return np.zeros_like(context) if self.config["context_dropped"] else context

    def _request_times(self, histories: Histories, at: At) -> np.ndarray:
        """When each user asks, (U,); 0 where the model doesn't read it."""
        if not self.needs_request_times:
            return np.zeros(len(histories.users), np.int64)
        if not isinstance(at, Mapping | pd.Series):
            return np.full(len(histories.users), reading.now() if at is None else reading.moment(at))
        if missing := [user for user in histories.users if user not in at]:
            raise DataError(f"at: has no time for {len(missing)} users, such as {missing[0]!r}")
        return reading.seconds([at[user] for user in histories.users], {}, "at")

    def _top(
        self, histories: Histories, top: int, repeat: bool, at: At, progress: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and scores of the best items of every user, (U, k); 0 and NaN fill a row."""
        count = min(top, len(self.items))
        places = np.zeros((len(histories.users), count), np.int32)
        scores = np.full(places.shape, np.nan, np.float32)
        popular = np.lexsort((np.arange(len(self.items)), -self.popularity))[:count] + 1
        places[np.diff(histories.offsets) == 0] = popular
        users = int((np.diff(histories.offsets) > 0).sum())
        with one_thread(), torch.inference_mode(), _bar(users, progress) as bar:
            for where, block in self._blocks(histories, at):
                self._leave_out(block, histories, where, repeat)
                best, values = top_items(block, count)
                check_finite(values[:, :1].clamp(min=0))  # NaN and infinity are the largest; -inf: nothing is left
                fits = values > -torch.inf
                places[where] = torch.where(fits, best, 0).numpy()
                scores[where] = torch.where(fits, values.float(), torch.nan).numpy()
                bar.update(len(where))
        return places, scores

    def _leave_out(self, scores: Tensor, histories: Histories, users: np.ndarray, repeat: bool) -> None:
        """Give -inf to what is not an item and, unless they may repeat, to those of each history. scores: (B, P)."""
        scores[:, 0] = scores[:, len(self.items) + 1 :] = -torch.inf
        if not repeat:
            start, length = histories.offsets[users], np.diff(histories.offsets)[users]
            items = histories.items[ragged_arange(start, length)].astype(np.int64)
            rows = np.repeat(np.arange(len(users)), length)
            scores[torch.from_numpy(rows), torch.from_numpy(items)] = -torch.inf

    def _table(self, histories: Histories, places: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
        ids: np.ndarray = np.array([None, *self.items], dtype=object)
        if histories.whole_items and all(item.isascii() and item.isdigit() for item in self.items):
            ids = np.array([0, *map(int, self.items)])
        user, slot = np.nonzero(places)
        table = pd.DataFrame(
            {
                "user": histories.users[user],
                "rank": (slot + 1).astype(np.int32),
                "item": ids[places[user, slot]],
                "score": scores[user, slot],
            }
        )
        table.attrs["counted"] = vars(histories.counted)
        return table


def build(exported: Exported, weights: Weights) -> Carca:
    """The model that has these weights. Raises DataError where they are not those of the configuration."""
    config, name = exported.config, exported.config["encoding"]
    nothing = torch.Generator()  # what it draws is overwritten
    with ExitStack() as stack:
        stack.enter_context(planned_version(config["encoding_file"]))
        try:
            settings = ModelSettings.model_validate(config["model"])
            switches = TrainingSwitches.model_validate(config["switches"])
            model = Carca(
                *(settings, name, len(exported.items), config["attributes"], switches, nothing, nothing),
                context_width=config["context_width"],
                n_features=exported.attributes["features"].shape[1],
            )
            model.to(weights["item_embedding"].dtype)
            for place, module in model.named_modules():  # the size of positions is kept where it was set
                if isinstance(module, Scaled) and f"{place}.amplitude" in weights:
                    module.amplitude = weights[f"{place}.amplitude"]
            model.load_state_dict(weights)
        except (ValidationError, RuntimeError, KeyError) as error:
            raise DataError(
                f"config.json: the weights are not those of this configuration ({str(error).splitlines()[0]}); export "
                "the model again with this version of posrec"
            ) from None
    return model.eval()


def _bar(users: int, progress: bool) -> "tqdm[Any]":
    return tqdm(total=users, desc="users", unit="user", disable=not progress, file=sys.stderr, mininterval=0.5)
