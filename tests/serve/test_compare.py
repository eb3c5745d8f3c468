"""A system of one's own in a study's comparison: the study's own scores must come out as the study has them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import posrec
from posrec import cli
from posrec.analysis import own_system
from posrec.errors import DataError
from posrec.model.threads import one_thread
from posrec.serve import choose
from tests.model import toy
from tests.serve.conftest import STUDIES, histories_at_test, make_study


def scored(place: own_system.Place) -> pl.DataFrame:
    """The candidates with the scores of the exported model."""
    table, _ = histories_at_test(make_study("dot"))
    model = posrec.load("dot")
    histories = model.read(table)
    with one_thread(), torch.inference_mode():
        blocks = list(model.scores(histories))
    row = {histories.users[user]: scores for where, block in blocks for user, scores in zip(where, block, strict=True)}
    found = own_system.written_candidates(place)
    values = [float(row[user][model.number[item]]) for user, item in found.iter_rows()]
    return found.with_columns(score=pl.Series(values))


def test_the_candidates_do_not_tell_which_is_held_out(place: Path) -> None:
    of_study = own_system.Place.of(make_study("dot"), "toy")
    found = own_system.written_candidates(of_study)
    assert found.height == int((of_study.listed > 0).sum())
    number = {item: place for place, item in enumerate(of_study.named.items)}
    for _, of_user in found.group_by("user"):
        places = [number[item] for item in of_user["item"]]
        assert places == sorted(places)


def test_a_models_own_scores_give_the_ranks_of_its_run(place: Path) -> None:
    loaded = make_study("dot")
    of_study = own_system.Place.of(loaded, "toy")
    table = scored(of_study).sample(fraction=1.0, shuffle=True, seed=1)
    ranks = table.select("user", "item", rank=-pl.col("score"))
    best = choose.finished_runs(loaded, loaded.cells[0])[0]
    evaluation = best.evaluations["sound"]["sampled"]
    for given in (table, ranks):
        greater, tied, counted = own_system.read_ranks(of_study, given)
        assert (counted.ignored, counted.unscored) == (0, 0)
        found = own_system.compare(loaded, "toy", of_study, (greater, tied), "mine")
        own = found.iloc[0]
        assert (own["hit10"], own["ndcg10"]) == pytest.approx((evaluation["Hit@10"], evaluation["NDCG@10"]), abs=1e-12)


def test_a_baseline_is_equivalent_to_itself_and_a_perfect_system_is_ahead_of_all(place: Path) -> None:
    loaded = make_study("dot")
    of_study = own_system.Place.of(loaded, "toy")
    popularity = posrec.load("dot").popularity
    named = dict(zip(of_study.named.items, popularity.tolist(), strict=True))
    table = own_system.written_candidates(of_study).with_columns(score=pl.col("item").replace_strict(named))
    greater, tied, _ = own_system.read_ranks(of_study, table)
    found = own_system.compare(loaded, "toy", of_study, (greater, tied), "mine").set_index("system")
    row = found.loc["popularity"]
    assert (row["difference_points"], row["low_points"], row["high_points"], row["verdict"]) == (0, 0, 0, "equivalent")
    assert found.loc["rope", "seeds"] == 3
    nothing = np.zeros_like(greater)
    perfect = own_system.compare(loaded, "toy", of_study, (nothing, nothing), "mine").iloc[1:]
    assert (perfect["verdict"] == "ahead").all()
    assert (perfect["low_points"] > 0).all()


def test_unscored_candidates_rank_last_and_foreign_rows_are_ignored(place: Path) -> None:
    of_study = own_system.Place.of(make_study("dot"), "toy")
    found = own_system.written_candidates(of_study)
    user = found["user"][0]
    target = of_study.named.items[of_study.data.items[of_study.requests.targets[0]] - 1]
    first = found.filter(pl.col("user") == user)
    count = int((of_study.candidates.test[0] > 0).sum())
    table = first.filter(pl.col("item") != target).with_columns(score=pl.lit(1.0))
    foreign = pl.DataFrame({"user": ["nobody"], "item": [target], "score": [5.0]})
    greater, tied, counted = own_system.read_ranks(of_study, pl.concat([table, foreign]))
    assert (greater[0], tied[0]) == (count, 0)
    assert (greater[1], tied[1]) == (0, int((of_study.candidates.test[1] > 0).sum()))
    assert (counted.rows, counted.ignored) == (count + 1, 1)
    with pytest.raises(DataError, match="no row is of a candidate"):
        own_system.read_ranks(of_study, foreign)
    with pytest.raises(DataError, match="earlier row"):
        own_system.read_ranks(of_study, pl.concat([table, table]))
    with pytest.raises(DataError, match="needs user, item, and score"):
        own_system.read_ranks(of_study, found)


def test_from_candidates_to_a_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    raw = {**toy.RAW, "study": "dot", **STUDIES["dot"], "model": {**toy.RAW["model"], **STUDIES["dot"]["model"]}}
    Path("compared.yaml").write_text(yaml.safe_dump(raw))
    assert cli.main(["compare", "compared.yaml", "--write-candidates", "candidates.csv"]) == 0
    found = pl.read_csv("candidates.csv", infer_schema=False)
    found.with_columns(score=pl.lit(0.5)).write_csv("mine.csv")
    capsys.readouterr()
    assert cli.main(["compare", "compared.yaml", "--ranks", "mine.csv", "--name", "shop", "--out", "out.csv"]) == 0
    shown = capsys.readouterr().out
    assert "shop" in shown
    assert "item_knn" in shown
    written = pl.read_csv("out.csv")
    assert written.columns == list(own_system.COLUMNS)
    chance = written.filter(pl.col("system") == "chance")
    assert chance["difference_points"].item() == pytest.approx(0, abs=1e-9)  # equal scores are chance
