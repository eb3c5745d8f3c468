"""Metrics on new targets alone: beside those on all of them, in a table and in the answer."""

from pathlib import Path
from typing import Any

import pytest

from posrec.analysis import registry
from posrec.analysis.report import answer
from posrec.analysis.tables import build
from posrec.files import read_json, write_checked_json
from posrec.plan import ids
from posrec.study.study import Study
from tests.analysis import made_up


def halved(scores: dict[str, Any]) -> dict[str, Any]:
    """The scores, and as those of new targets half of each."""
    new = {f"new_{kind}": {name: value / 2 for name, value in scores[kind].items()} for kind in ("sampled", "full")}
    return {**scores, **new}


def change(path: Path, **values: Any) -> None:
    content = {key: value for key, value in read_json(path).items() if key != "checksum"}
    write_checked_json(path, {**content, **values})


@pytest.fixture
def study(here: Path) -> Study:
    """A data set a quarter of whose test targets were in the history."""
    study = made_up.make_study(deviation_seeds=[])
    made_up.write_study(study, made_up.plain_score)
    files = ids.dataset_files(study, "twin1")
    change(files.card, repeated_targets={"test": 0.25, "validation": 0.2})
    change(
        files.baselines, baselines={name: halved(one) for name, one in read_json(files.baselines)["baselines"].items()}
    )
    for cell in study.cells:
        for seed in cell.seeds:
            record = made_up.run_record(study, cell, seed, made_up.plain_score(cell, seed))
            of = {name: halved(block) for name, block in record["evaluations"].items()}
            made_up.write_run(study, cell, seed, {**record, "evaluations": of})
    return study


def test_every_metric_is_given_on_all_and_on_new_targets(study: Study) -> None:
    table = build.build_tables(study)["new_targets"]
    assert len(table) == 6 * (3 + 5)  # metrics of the encodings and the baselines
    rope = table.query("encoding == 'rope' and metric == 'NDCG@10 on the full catalogue'").iloc[0]
    assert (rope["repeated_share"], rope["finished"]) == (0.25, 3)
    assert (rope["all_mean_points"], rope["new_mean_points"]) == pytest.approx((14, 7))
    assert (rope["all_sd_points"], rope["new_sd_points"]) == pytest.approx((1, 0.5))
    markov = table.query("encoding == 'markov' and metric == 'MRR on the full catalogue'").iloc[0]
    assert (markov["all_mean_points"], markov["new_mean_points"]) == pytest.approx((5, 2.5))


def test_the_answer_says_which_targets_it_speaks_of(study: Study) -> None:
    said = answer.answers(build.build_tables(study))[0][1]
    assert said[-1] == (
        "All this is about all test targets. 25.00 % of them were in the user's history, and a scorer that only "
        "prefers the history finds those. On new targets alone, mean NDCG@10 (full catalogue) in points: rope 7.00, "
        "abs 6.00 and none 5.00."
    )
    change(ids.dataset_files(study, "twin1").card, repeated_targets={"test": 0.01, "validation": 0.0})
    assert "all test targets" not in " ".join(answer.answers(build.build_tables(study))[0][1])


def test_without_repeats_the_table_is_empty(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(study, made_up.plain_score)
    assert build.build_tables(study)["new_targets"].empty


def test_the_table_is_for_data_that_may_repeat(here: Path) -> None:
    Path("shop.csv").write_text("user_id,item_id,timestamp\n")
    for repeats, planned in (("all", True), ("last", False)):
        study = made_up.make_study(datasets={"shop": {"table": {"path": "shop.csv"}, "repeats": repeats}})
        assert ("new_targets" in [table.name for table in registry.tables(study)]) == planned
    assert not registry.buys_again(made_up.make_study())
