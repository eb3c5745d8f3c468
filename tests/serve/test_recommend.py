"""An exported model recommends what evaluation ranks first, for any table of histories."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import posrec
from posrec.errors import DataError
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.threads import one_thread
from posrec.model.train import build_model
from posrec.serve import choose
from posrec.serve.export import export
from posrec.serve.histories import read_file, seconds
from posrec.serve.recommend import Recommender
from tests.serve.conftest import STUDIES, data_of, histories_at_test, make_study


def evaluated(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The scores by which evaluation ranks the test users, (R, I + 1), from the weights of the run; and the best 20."""
    loaded = make_study(kind)
    data, _ = data_of(loaded)
    best = choose.finished_runs(loaded, loaded.cells[0])[0].run
    model = build_model(loaded.cells[0], data, best.seed)
    model.load_state_dict(best.selected_weights()[1])
    requests = requests_of(data.test)
    scores = np.zeros((len(requests.users), data.n_items + 1), np.float32)
    with one_thread():
        for where, block in model_scores(model, data, requests):
            scores[where] = block[:, : data.n_items + 1].numpy()
    ranked = scores.copy()
    ranked[:, 0] = -np.inf
    for row, (user, target) in enumerate(zip(requests.users, requests.targets, strict=True)):
        ranked[row, data.items[data.offsets[user] : target]] = -np.inf
    return scores, np.argsort(-ranked, 1, kind="stable")[:, :20]


@pytest.mark.parametrize("kind", STUDIES)
def test_scores_and_lists_are_those_of_evaluation_bit_for_bit(place: Path, kind: str) -> None:
    wanted, best = evaluated(kind)
    table, at = histories_at_test(make_study(kind))
    model = posrec.load(kind)
    found = np.zeros_like(wanted)
    with one_thread(), torch.inference_mode():
        for where, block in model.scores(model.read(table), at):
            found[where] = block.numpy()
    assert np.array_equal(found[:, 1:], wanted[:, 1:])
    listed = model.recommend(table, 20, at=at)
    numbers = listed["item"].map(model.number).to_numpy().reshape(-1, 20)
    assert np.array_equal(numbers, best)
    assert np.array_equal(listed["score"].to_numpy().reshape(-1, 20), np.take_along_axis(wanted, best, 1))


def test_the_mean_of_seeds_is_the_mean_of_their_scores(place: Path) -> None:
    loaded = make_study("dot")
    exported = export(loaded, loaded.cells[0], Path("three"), seeds=3)
    table, _ = histories_at_test(loaded)
    together = posrec.load("three")
    histories = together.read(table)
    each = [list(one_of(together, number).scores(histories)) for number in range(3)]
    for blocks, (_, mean) in zip(zip(*each, strict=True), together.scores(histories), strict=True):
        assert torch.allclose(mean[:, 1:], torch.stack([block[1][:, 1:] for block in blocks]).mean(0))
    assert len(exported.weights) == 3
    assert exported.config["metrics"]["validation"] > 0


def one_of(model: Recommender, number: int) -> Recommender:
    single = posrec.load("three")
    single.models = [model.models[number]]
    return single


def small() -> pd.DataFrame:
    """Three users of the toy data: one with known items, one with an unknown one among them, one with unknown alone."""
    items = posrec.load("dot").items
    rows = [("a", items[0]), ("a", items[1]), ("b", "never seen"), ("b", items[2]), ("c", "neither")]
    return pd.DataFrame(rows, columns=["user", "item"])


def test_unknown_items_and_users_are_counted_and_served(place: Path) -> None:
    model = posrec.load("dot")
    found = model.recommend(small(), 5)
    counted = found.attrs["counted"]
    assert (counted["users"], counted["new_users"]) == (3, 3)
    assert (counted["unknown_rows"], counted["unknown_items"], counted["without_history"]) == (2, 2, 1)
    assert found["user"].tolist() == ["a"] * 5 + ["b"] * 5 + ["c"] * 5
    assert found["rank"].tolist() == [1, 2, 3, 4, 5] * 3
    popular = np.argsort(-model.popularity, kind="stable")[:5]
    assert found[found["user"] == "c"]["item"].tolist() == [model.items[place] for place in popular]
    assert found[found["user"] == "c"]["score"].isna().all()
    assert found[found["user"] != "c"]["score"].notna().all()


def test_seen_items_come_only_where_they_may_repeat(place: Path) -> None:
    model = posrec.load("dot")
    seen = set(model.items[:2])
    everything = len(model.items)
    without = model.recommend(small().query("user == 'a'"), everything)
    again = model.recommend(small().query("user == 'a'"), everything, repeat=True)
    assert (len(without), len(again)) == (everything - 2, everything)
    assert not seen & set(without["item"])
    assert seen < set(again["item"])
    kept = again[~again["item"].isin(seen)]
    assert kept["item"].tolist() == without["item"].tolist()


def test_every_kind_of_table_gives_the_same_list(place: Path, tmp_path: Path) -> None:
    model = posrec.load("timed")
    table, _ = histories_at_test(make_study("timed"))
    dates = table.assign(time=pd.to_datetime(table["time"], unit="s", utc=True))
    texts = table.assign(time=dates["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    shuffled = table.sample(frac=1, random_state=1)
    texts.to_csv(tmp_path / "texts.csv.gz", index=False)
    pl.DataFrame({name: texts[name].tolist() for name in texts}).write_parquet(tmp_path / "texts.parquet")
    columns: dict[str, Any] = {name: table[name].tolist() for name in table}
    tables = [
        *(dates, texts, pl.DataFrame(columns)),
        *(read_file(tmp_path / "texts.csv.gz"), read_file(tmp_path / "texts.parquet")),
    ]
    wanted = model.recommend(table, 7)
    for other in tables:
        pd.testing.assert_frame_equal(model.recommend(other, 7), wanted)
    by_user = model.recommend(shuffled, 7).groupby("user").head(7).sort_values(["user", "rank"])
    tied = table.duplicated(["user", "time"], keep=False)
    plain = wanted[~wanted["user"].isin(table["user"][tied])].sort_values(["user", "rank"])
    assert by_user[by_user["user"].isin(plain["user"])]["item"].tolist() == plain["item"].tolist()
    assert len(plain) > 0


def test_times_are_read_as_they_are_written() -> None:
    second = 1_700_000_000  # 2023-11-14 22:13:20 UTC
    for values, columns in (
        ([second], {}),
        ([float(second)], {}),
        ([str(second * 1000)], {}),
        ([second * 10**9], {}),
        ([second * 1000], {"time_unit": "milliseconds"}),
        (["2023-11-14T23:13:20+01:00"], {}),
        (["14.11.2023 23:13"], {"time_format": "%d.%m.%Y %H:%M", "time_zone": "Europe/Berlin"}),
        ([pd.Timestamp("2023-11-14 22:13:20")], {}),
    ):
        assert seconds(values, columns)[0] // 60 == second // 60


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"customer": ["a"], "item": ["b"], "time": [1]}, "none named user"),
        ({"user": ["a"], "item": ["b"]}, "none named time, which this model needs"),
        ({"user": ["a"], "item": [None], "time": [1]}, "1 rows have no item"),
        ({"user": ["a"], "item": ["b"], "time": ["noon"]}, "time"),
        ({"user": ["a"], "item": ["b"], "time": [1.7e20]}, "since 1970"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_way_out(
    place: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        posrec.load("timed").recommend(pd.DataFrame(columns))


def test_a_request_time_that_a_model_reads_changes_its_scores(place: Path) -> None:
    model = posrec.load("carca")
    table, _ = histories_at_test(make_study("carca"))
    first, second = (model.recommend(table, 5, at=day)["score"] for day in ("2014-01-05", "2014-06-30T12:00:00Z"))
    assert not first.equals(second)
    with pytest.raises(DataError, match="no time for"):
        model.recommend(table, 5, at={"nobody": 1})
