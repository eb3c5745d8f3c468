"""Tables from made-up run files with known numbers; gaps; errors; the same bytes twice."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from posrec.analysis.places import analysis_files
from posrec.analysis.report import answer
from posrec.analysis.tables import build
from posrec.analysis.topics import levels
from posrec.errors import DataError, ForeignError
from posrec.files import read_json, write_json
from posrec.plan import ids
from posrec.plan.run import run_files
from posrec.study.study import Cell
from tests.analysis import made_up


def _cell(built: build.Tables, encoding: str, dataset: str = "twin1"):
    found = built["cells"][(built["cells"]["encoding"] == encoding) & (built["cells"]["dataset"] == dataset)]
    assert len(found) == 1
    return found.iloc[0]


def test_cells_by_hand(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(study, made_up.plain_score)
    built = build.build_tables(study)
    rope = _cell(built, "rope")  # .13 .14 .15
    assert (rope["planned"], rope["finished"], rope["failed"]) == (3, 3, 0)
    assert rope["full_ndcg10_mean"] == pytest.approx(0.14)
    assert rope["full_ndcg10_sd"] == pytest.approx(0.01)
    assert rope["full_ndcg10_sd_low"] == pytest.approx(0.0052, abs=1e-4)
    assert rope["full_ndcg10_sd_high"] == pytest.approx(0.0628, abs=1e-4)
    assert rope["full_ndcg10_mean_high"] - 0.14 == pytest.approx(4.302653 * 0.01 / 3**0.5)
    assert rope["full_ndcg10_cv"] == pytest.approx(1 / 14)
    assert rope["full_ndcg10_mad"] == pytest.approx(0.01)
    assert rope["full_ndcg10_iqr"] == pytest.approx(0.01)
    assert rope["sampled_hit10_mean"] == pytest.approx(0.42)
    assert rope["sampled_ndcg10_sd"] == pytest.approx(0.02)
    assert rope["full_tie_share_mean"] == pytest.approx(0.02)
    assert rope["advantage_points"] == pytest.approx(4)
    assert rope["pairs"] == 3
    assert rope["log_sd_ratio"] == pytest.approx(0)
    assert rope["family"] == "rotary"
    assert rope["few_seeds"] == "no"


@pytest.mark.parametrize("kind", ["card", "baselines"])
def test_files_of_another_data_set_are_refused(here: Path, kind: str) -> None:
    study = made_up.make_study(2)
    made_up.write_study(study, made_up.plain_score)
    first, second = (getattr(ids.dataset_files(study, name), kind) for name in study.settings.datasets)
    second.write_bytes(first.read_bytes())
    with pytest.raises(
        ForeignError, match=rf"{second.name}: dataset is 'twin1', its place says 'twin2'; move it away with `posrec ver"
    ):
        build.build_tables(study)


def test_advantage_is_paired_by_seed(here: Path) -> None:
    study = made_up.make_study(encodings=["none", "rope"])
    scores = {"none": {1: 0.10, 2: 0.20, 3: 0.30}, "rope": {1: 0.11, 2: 0.22, 3: 0.33}}
    made_up.write_study(study, lambda cell, seed: scores[cell.encoding].get(seed, 0.1 + seed / 1000))
    rope = _cell(build.build_tables(study), "rope")
    assert rope["advantage_points"] == pytest.approx(2)  # differences 1, 2, 3 points: sd 1, t = 4.303
    assert rope["advantage_low_points"] == pytest.approx(2 - 4.302653 / 3**0.5)
    assert rope["log_sd_ratio"] == pytest.approx(np.log(1.1))


def test_spreads_compared_by_hand(here: Path) -> None:
    study = made_up.make_study(encodings=["none", "rope"])
    scores = {"none": {1: 0.10, 2: 0.20, 3: 0.30}, "rope": {1: 0.11, 2: 0.13, 3: 0.18}}
    made_up.write_study(study, lambda cell, seed: scores[cell.encoding].get(seed, 0.1 + seed / 1000))
    [row] = build.build_tables(study)["comparisons"].to_dict("records")
    assert row["spread_ratio"] == pytest.approx(7 / 20)  # distances to the median 2, 0, 5 and 10, 0, 10
    assert np.isnan(row["spread_ratio_low"])
    assert np.isnan(row["spread_p"])
    assert (row["spread"], row["spread_why"]) == ("open", "no interval is valid at n = 3")
    # differences 1, -7, -12: mean -6, sd 6.557, t(.975, 2) = 4.303; margin 2 % of 20
    assert row["difference_points"] == pytest.approx(-6)
    assert row["difference_low_points"] <= -6 - 4.303 * 6.557 / 3**0.5 + 0.01
    assert (row["margin_points"], row["level"], row["smallest_p"]) == (pytest.approx(0.4), "open", 0.25)


def test_the_margin_is_relative_to_none_with_a_floor(here: Path) -> None:
    study = made_up.make_study(encodings=["none", "rope"], report={"margin": {"relative": 0.05, "floor": 0.7}})
    made_up.write_study(study, lambda cell, seed: made_up.plain_score(cell, seed))  # none has 10 points
    assert build.build_tables(study)["comparisons"]["margin_points"].tolist() == [pytest.approx(0.7)]
    made_up.write_study(study, lambda cell, seed: 2 * made_up.plain_score(cell, seed))
    assert build.build_tables(study)["comparisons"]["margin_points"].tolist() == [pytest.approx(1.0)]


def test_twenty_four_points_are_behind(here: Path) -> None:
    """Nine encodings, five seeds: a difference of -24 points whose old interval was [-38, -10] is decided."""
    encodings = ["none", "abs", "abs_con", "learnt", "learnt_con", "rotatory", "rotatory_con", "rmha4", "rope"]
    study = made_up.make_study(encodings=encodings, seeds=[1, 2, 3, 4, 5])
    steps = [-1.5, -0.5, 0.0, 0.5, 1.5]  # sd 1.118

    def score(cell: Cell, seed: int) -> float:
        if cell.encoding == "rotatory":
            return 0.36 + 0.053 * steps[seed % 5]
        return 0.6 + 0.001 * ((7 * seed + len(cell.encoding)) % 5)

    made_up.write_study(study, score)
    row = build.build_tables(study)["comparisons"].set_index(["encoding", "against"]).loc[("rotatory", "none")]
    assert row["difference_points"] == pytest.approx(-24, abs=0.3)
    assert row["difference_high_points"] < -row["margin_points"]
    assert (row["level"], row["comparisons"]) == ("behind", 8)


def test_outcomes_that_are_not_scores(here: Path) -> None:
    """Of 20 seeds of rope 2 fail, 1 collapses and 2 are still rising."""
    study = made_up.make_study(seeds=list(range(1, 21)), deviation_seeds=[101, 102, 103])
    made_up.write_study(study, lambda cell, seed: 0.1 + seed / 1000)
    rope = next(cell for cell in study.cells if cell.encoding == "rope")
    for seed in (1, 2):
        made_up.write_run(study, rope, seed, made_up.failed_record(study, rope, seed))
    made_up.write_run(study, rope, 3, made_up.collapsed_record(study, rope, 3))
    for seed in (4, 5):
        record = made_up.run_record(study, rope, seed, 0.1 + seed / 1000)
        made_up.write_run(study, rope, seed, {**record, "still_rising": True})
    row = _cell(build.build_tables(study), "rope")
    assert (row["failed"], row["collapsed"], row["bad"], row["still_rising"]) == (2, 1, 3, 2)
    assert row["bad_rate"] == pytest.approx(0.15)
    assert (row["bad_rate_low"], row["bad_rate_high"]) == pytest.approx((0.0524, 0.3604), abs=1e-3)
    assert row["healthy_mean_points"] == pytest.approx(10 + np.arange(4, 21).mean() / 10)
    assert row["healthy_sd_points"] == pytest.approx(np.std(np.arange(4, 21), ddof=1) / 10)
    assert np.isnan(row["worst_seed_points"])  # the second lowest of twenty is a bad one


def test_seeds_that_fall_into_groups_show_in_their_cell(here: Path) -> None:
    study = made_up.make_study(encodings=["none", "rope"], seeds=list(range(1, 9)))
    made_up.write_study(
        study, lambda cell, seed: 0.1 + seed / 1000 + (0.2 if cell.encoding == "rope" and seed % 2 else 0)
    )
    built = build.build_tables(study)
    assert _cell(built, "rope")["full_ndcg10_gap_p"] < 0.01
    assert _cell(built, "none")["full_ndcg10_gap_p"] > 0.5


def test_baselines_stand_in_every_data_set(here: Path) -> None:
    study = made_up.make_study(2)
    made_up.write_study(study, made_up.plain_score)
    built = build.build_tables(study)
    for dataset in ("twin1", "twin2"):
        of_dataset = built["cells"][(built["cells"]["kind"] == "baseline") & (built["cells"]["dataset"] == dataset)]
        assert list(of_dataset["encoding"]) == ["chance", "popularity", "month popularity", "markov", "item_knn"]
        assert list(of_dataset["full_ndcg10_mean"]) == [0.01, 0.03, 0.032, 0.05, 0.04]


def test_data_sets_by_hand(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(
        study, lambda cell, seed: made_up.plain_score(cell, seed) if cell.encoding != "abs" else 0.12 + seed / 1e4
    )
    row = build.build_tables(study)["datasets"].iloc[0]
    assert row["best_encoding"] == "rope"
    assert row["best_family"] == "rotary"
    assert row["steadiest_encoding"] == "abs"
    assert row["steadiest_sd_points"] == pytest.approx(0.01)
    assert row["deviation_points"] == pytest.approx(1)
    assert row["deviation_sampled_hit10_points"] == pytest.approx(3)
    assert row["deviation_sampled_ndcg10_points"] == pytest.approx(2)
    assert row["deviation_high_points"] == pytest.approx(6.28, abs=0.01)
    assert (row["deviation_seeds"], row["deviation_finished"]) == (3, 3)
    assert row["sparsity"] == pytest.approx(0.99)
    assert row["simulated"] == "yes"
    assert row["markov_full_ndcg10_points"] == pytest.approx(5)


def test_a_failed_run_is_a_gap_with_its_reason(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(study, made_up.plain_score)
    rope = next(cell for cell in study.cells if cell.encoding == "rope")
    made_up.write_run(study, rope, 3, made_up.failed_record(study, rope, 3))
    built = build.build_tables(study)
    row = _cell(built, "rope")
    assert (row["finished"], row["failed"], row["few_seeds"], row["pairs"]) == (2, 1, "yes", 2)
    assert row["full_ndcg10_mean"] == pytest.approx(0.135)
    assert built["runs"]["failure"].to_list().count("17: the loss is not finite") == 1
    made_up.write_run(study, rope, 2, made_up.failed_record(study, rope, 2))
    row = _cell(build.build_tables(study), "rope")
    assert row["finished"] == 1
    assert np.isnan(row["full_ndcg10_sd"])
    assert np.isnan(row["log_sd_ratio"])
    made_up.write_run(study, rope, 1, made_up.failed_record(study, rope, 1))
    built = build.build_tables(study)
    assert np.isnan(_cell(built, "rope")["full_ndcg10_mean"])
    assert built["datasets"].iloc[0]["best_encoding"] == "abs"


def test_a_missing_cell_is_a_gap_and_drops_nothing_else(here: Path) -> None:
    """rope is not planned on twin2: everything else is as in the study that has it."""
    grid = [{"encoding": "none"}, {"encoding": "abs"}, *({"dataset": f"twin{n}"} for n in (1, 3, 4))]
    whole, gappy = made_up.make_study(4), made_up.make_study(4, only=grid)

    def score(cell: Cell, seed: int) -> float:
        return made_up.plain_score(cell, seed) + (0.003 * seed if cell.encoding == "rope" else 0)

    made_up.write_study(whole, score)
    full = build.build_tables(whole)
    made_up.write_study(gappy, score)
    built = build.build_tables(gappy)
    for name in ("runs", "cells"):
        table = full[name]
        gap = (table["dataset"] == "twin2") & (table["encoding"] == "rope")
        assert gap.any()
        kept = table[~gap & (table["dataset"] != "twin2")].reset_index(drop=True)
        found = built[name]
        pd.testing.assert_frame_equal(found[found["dataset"] != "twin2"].reset_index(drop=True), kept)
        assert len(found) == (~gap).sum()
    assert set(built["ranks"]["datasets"]) == {3}
    assert set(built["ranks"]["note"]) == {"left out, since not every encoding has a figure there: twin2"}
    tested = built["correlation"][built["correlation"]["test"] == "spearman"]
    assert tested.groupby("encoding")["datasets"].unique().map(list).to_dict() == {"abs": [4], "rope": [3]}
    said = dict(answer.answers(built))
    assert said["twin2 (simulated)"][-1] == "The study plans no run here of rope: a gap, not a failure."
    assert not any("plans no run" in text for text in said["twin1 (simulated)"])
    drawn = levels.draw(built)[1]
    assert drawn.loc[drawn["dataset"] == "twin2", "rope"].isna().all()
    assert drawn.loc[drawn["dataset"] != "twin2", "rope"].notna().all()


def test_equal_scores_give_no_ratio_and_collapsed_cells_are_not_steadiest(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(study, lambda cell, seed: 0.01 if cell.encoding == "rope" else made_up.plain_score(cell, seed))
    rope = next(cell for cell in study.cells if cell.encoding == "rope")
    for seed in rope.seeds:
        made_up.write_run(study, rope, seed, made_up.collapsed_record(study, rope, seed))
    built = build.build_tables(study)
    row = _cell(built, "rope")
    assert row["full_ndcg10_sd"] == 0
    assert np.isnan(row["log_sd_ratio"])
    assert (row["collapsed"], row["collapse_rate"]) == (3, 1)
    assert row["collapse_rate_low"] == pytest.approx(0.4385, abs=1e-3)
    assert built["datasets"].iloc[0]["steadiest_encoding"] != "rope"


def test_a_grid_compares_like_with_like(here: Path) -> None:
    study = made_up.make_study(model={"dimension": 8, "heads": 2, "upper_bound": [0.1, 1]}, training={"epochs": 7})
    made_up.write_study(
        study, lambda cell, seed: made_up.plain_score(cell, seed) * (1 if cell.model.upper_bound == 1 else 2)
    )
    built = build.build_tables(study)
    assert list(built["datasets"]["settings"]) == ["upper_bound=0.1", "upper_bound=1"]
    ropes = built["cells"][built["cells"]["encoding"] == "rope"].set_index("settings")
    assert ropes.loc["upper_bound=1", "advantage_points"] == pytest.approx(4)
    assert ropes.loc["upper_bound=0.1", "advantage_points"] == pytest.approx(8)
    assert list(built["datasets"]["deviation_points"]) == pytest.approx([2, 1])


def test_settings_of_a_data_set_are_not_a_dimension(here: Path) -> None:
    twin = {"users": 100, "items": 50, "mean_length": 6}
    study = made_up.make_study(
        datasets={"a": {"simulate": twin}, "b": {"simulate": {**twin, "seed": 2}, "training": {"epochs": 9}}}
    )
    made_up.write_study(study, made_up.plain_score)
    assert set(build.build_tables(study)["datasets"]["settings"]) == {""}


def test_deviation_is_that_of_the_first_protocol(here: Path) -> None:
    study = made_up.make_study(protocols=["sound", "sound_last"])
    made_up.write_study(
        study, lambda cell, seed: made_up.plain_score(cell, seed) * (1 if cell.protocol.name == "sound" else 3)
    )
    built = build.build_tables(study)
    assert list(built["datasets"]["protocol"]) == ["sound", "sound_last"]
    assert list(built["datasets"]["deviation_points"]) == pytest.approx([1, 1])
    ropes = built["cells"][built["cells"]["encoding"] == "rope"].set_index("protocol")
    assert ropes.loc["sound_last", "advantage_points"] == pytest.approx(12)


def test_no_spread_without_stability(here: Path) -> None:
    study = made_up.make_study(report={"stability": False}, seeds=[1, 2])
    made_up.write_study(study, made_up.plain_score)
    built = build.build_tables(study)
    for name in built["cells"].columns:
        if any(word in name for word in ("_sd", "_low", "_high", "_cv", "_mad", "_iqr", "_gap_p")):
            assert built["cells"][name].isna().all(), name
    assert built["datasets"].filter(like="deviation_").filter(like="_points").isna().all(axis=None)
    assert built["datasets"]["steadiest_encoding"].isna().all()
    assert _cell(built, "rope")["advantage_points"] == pytest.approx(4)


def test_files_hold_the_documented_columns_and_no_nan(here: Path) -> None:
    study = made_up.make_study(2)
    made_up.write_study(study, made_up.plain_score)
    build.write_tables(study)
    *paths, marker = analysis_files(study)["tables"]
    for path in (path for path in paths if path.suffix == ".csv"):
        text = path.read_text()
        header = next(csv.reader(text.splitlines()))
        assert header == list(build.documented(study)[path.stem])
        assert not {"nan", "NaN", "inf", "<NA>", "None"} & set(text.replace("\n", ",").split(","))
    assert set(read_json(marker)["files"]) == {path.name for path in paths}


def test_metrics_for_dvc(here: Path) -> None:
    study = made_up.make_study(2)
    made_up.write_study(study, made_up.plain_score)
    build.write_tables(study)
    found = read_json(ids.STUDIES / study.name / "tables" / "metrics.json")
    assert set(found) == {"twin1", "twin2"}
    assert found["twin1"]["rope sound"] == pytest.approx({"mean": 0.14, "sd": 0.01})


def test_same_files_same_bytes_and_old_markers_go(here: Path) -> None:
    study = made_up.make_study(2)
    made_up.write_study(study, made_up.plain_score)
    build.write_tables(study)
    paths = analysis_files(study)["tables"]
    before = [path.read_bytes() for path in paths]
    old = paths[0].parent / "analysis=000000000000.json"
    write_json(old, {})
    build.write_tables(study)
    assert [path.read_bytes() for path in paths] == before
    assert not old.exists()


def test_missing_runs_name_files_and_command(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(study, made_up.plain_score)
    gone = list(run_files(study))[:5]
    for path in gone:
        path.unlink()
    with pytest.raises(DataError) as error:
        build.build_tables(study)
    text = str(error.value)
    assert "5 result files are missing" in text
    assert str(gone[0]) in text
    assert "and 2 more" in text
    assert "snakemake --cores all all" in text


@pytest.mark.parametrize("key", ["run_id", "seed", "evaluations", "status"])
def test_a_foreign_or_broken_run_is_an_error(here: Path, key: str) -> None:
    study = made_up.make_study()
    made_up.write_study(study, made_up.plain_score)
    path = next(run_files(study))
    record = read_json(path)
    write_json(
        path, {**record, key: "other"} if key in ("run_id", "seed") else {k: v for k, v in record.items() if k != key}
    )
    with pytest.raises(DataError, match=str(path.name)):
        build.build_tables(study)
