"""What a study varies beside the encoding: settings, protocols, held streams; thresholds and independent data sets."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from posrec.analysis import registry
from posrec.analysis.tables import build, independent, thresholds
from posrec.analysis.topics import components, levels, settings, ties
from posrec.plan.run import planned_run
from posrec.store import results
from posrec.study.study import Cell, Study
from tests.analysis import made_up

KINDS = ("full catalogue", "sampled")


def _write(study: Study, here: Path) -> build.Tables:
    made_up.write_study(study, made_up.plain_score)
    return build.build_tables(study)


def test_level_and_spread_by_setting(here: Path) -> None:
    study = made_up.make_study(model={"dimension": 8, "heads": 2, "upper_bound": [None, 0.5], "max_length": [10, 20]})
    data = settings.numbers(_write(study, here))
    bounds = data[data["setting"] == "upper_bound"]
    assert len(data) == 2 * len(bounds) == 2 * 4 * 3  # two settings; four combinations of three encodings
    rope = bounds[(bounds["encoding"] == "rope") & (bounds["other_settings"] == "max_length=10")]
    assert list(rope["full_ndcg10_mean_points"]) == pytest.approx([14, 14])
    assert list(rope["full_ndcg10_sd_points"]) == pytest.approx([1, 1])
    assert {str(value) for value in rope["value"]} == {"nan", "0.5"} or set(rope["value"]) == {None, 0.5}


def test_everything_is_drawn_where_a_study_varies_everything(here: Path) -> None:
    study = made_up.make_study(
        encodings=["none", "rope"],
        protocols=["sound", "sound_last"],
        model={"dimension": 8, "heads": 2, "upper_bound": [None, 0.5]},
        training={"held_streams": [{}, {"order": 1}]},
    )
    made_up.write_study(study, made_up.plain_score)
    for seed in (1, 2):  # one finished seed is left: no spread, and no interval
        made_up.write_run(study, study.cells[0], seed, made_up.failed_record(study, study.cells[0], seed))
    built = build.build_tables(study)
    panels = {"settings": 8, "protocols": 8, "components": 4}  # (2 protocols x 2 streams, 4 settings) x 2; 2 x 2
    for entry in registry.figures(study):
        figure, data = registry.module_of(entry).draw(built)
        assert not data.empty
        assert len(figure.axes) == panels.get(entry.name, len(figure.axes))
    assert set(panels) < {entry.name for entry in registry.figures(study)}
    few = built["components"].dropna(subset=["note"])
    assert list(few["note"]) == ["fewer than two finished seeds here or where all vary"]


def test_levels_of_many_settings_have_panels_by_data_set(here: Path) -> None:
    bounds: list[float | None] = [None, *(0.1 * n for n in range(1, 7))]
    built = _write(made_up.make_study(2, model={"dimension": 8, "heads": 2, "upper_bound": bounds}), here)
    figure, data = levels.draw(built)
    *panels, _ = figure.axes  # the last one shows the colours
    titles = [panel.get_title().split("\n") for panel in panels]
    of_metrics = [f"{name} (simulated): NDCG@10, {kind}" for name in ("twin1", "twin2") for kind in KINDS]
    assert [title for title, _ in titles] == of_metrics
    assert (
        titles[0][1].replace("\N{NO-BREAK SPACE}", " ")
        == "chance 1.00  popularity 3.00  month popularity 3.20  markov 5.00  item_knn 4.00"
    )
    assert [label.get_text() for label in panels[0].get_yticklabels()][:2] == ["upper_bound=null", "upper_bound=0.1"]
    assert len(data) == 2 * 2 * len(bounds)
    few = levels.draw(_write(made_up.make_study(2), here))[0]
    assert len(few.axes) == 3


def test_ties_are_drawn_from_zero_and_their_absence_is_said(here: Path) -> None:
    built = _write(made_up.make_study(), here)
    figure, _ = ties.draw(built)
    assert all(panel.get_xlim() == pytest.approx((-0.06, 2.1)) for panel in figure.axes)  # the largest share is 2 %
    built["runs"][["full_tie_share", "sampled_tie_share"]] = 0.0
    notice, data = ties.draw(built)
    assert "does any test user's item tie" in "".join(text.get_text() for text in notice.findobj(Text))
    assert not data.empty


def _held_score(cell: Cell, seed: int) -> float:
    """One point a seed where all streams vary, half a point where the order is held."""
    step = 0.005 if cell.training.held_streams else 0.01
    return 0.1 + step * (seed % 10 - 2)


def test_shares_of_the_variance_by_hand(here: Path) -> None:
    study = made_up.make_study(training={"held_streams": [{}, {"order": 1}]})
    made_up.write_study(study, _held_score)
    found = build.build_tables(study)["components"]
    held = found[found["varying"] == "trunk, encoding, dropout, negatives"]
    assert list(held["share"]) == pytest.approx([0.25] * 3)
    assert list(held["share_low"]) == pytest.approx([0.25 / 39] * 3)  # F(2, 2): its 97.5 % quantile is 39
    assert list(found[found["varying"].str.contains("order")]["sd_points"]) == pytest.approx([1, 1, 1])


def test_shares_where_a_run_collapsed_have_no_exact_interval(here: Path) -> None:
    study = made_up.make_study(training={"held_streams": [{}, {"order": 1}]})
    made_up.write_study(study, _held_score)
    cell = next(cell for cell in study.cells if cell.encoding == "rope" and not cell.training.held_streams)
    made_up.write_run(study, cell, 1, made_up.collapsed_record(study, cell, 1))
    built = build.build_tables(study)
    found = built["components"].dropna(subset=["share"]).set_index("encoding")
    assert found["share_interval"].to_dict() == {
        "none": "exact",
        "abs": "exact",
        "rope": "no interval is valid at n = 3",
    }
    assert np.isnan(found.loc["rope", "share_low"])
    figure, _ = components.draw(built)
    assert len(figure.axes) == 1


def test_a_threshold_is_found_where_one_is_planted() -> None:
    planted = np.repeat([[2.0, 0.0], [0.0, 2.0]], 4, axis=0)
    split = thresholds.best_split(planted)
    assert split is not None
    assert (split.below, split.first, split.second, split.gain) == (4, 0, 1, 1.0)
    p, smallest = thresholds.split_p(planted)
    assert p == pytest.approx(2 / 70)  # 70 ways to choose four of eight; the split and its mirror gain as much
    assert p == smallest


def test_a_search_in_noise_finds_no_threshold_too_often() -> None:
    generator = np.random.default_rng(0)
    found = [thresholds.split_p(generator.standard_normal((5, 3)))[0] for _ in range(400)]
    assert np.mean(np.array(found) <= 0.05) <= 0.065


def test_four_data_sets_decide_no_threshold(here: Path) -> None:
    found = _write(made_up.make_study(4), here)["thresholds"]
    assert list(found["predictor"]) == ["deviation", "sparsity"]
    assert found["note"].str.len().gt(0).all()


def test_subsets_are_not_independent(here: Path) -> None:
    twin = {"simulate": {"users": 100, "items": 50, "mean_length": 6}}
    part = {**twin, "subset": {"users": 50}}
    study = made_up.make_study(
        datasets={"part": part, "whole": twin, "other": {"simulate": {**twin["simulate"], "seed": 2}}}
    )
    assert registry.shares_sources(study)
    built = _write(study, here)  # made-up counts grow with the number: the second of the two is the larger
    assert independent.independent_names(built) == ["whole", "other"]
    assert set(built["independent"]["datasets"]) == {2}
    assert not registry.shares_sources(made_up.make_study(3))


def test_users_are_crossed_with_seeds(here: Path) -> None:
    study = made_up.make_study(encodings=["none", "rope"], seeds=list(range(1, 11)))
    made_up.write_study(study, made_up.plain_score)
    for cell in study.cells:
        for seed in study.settings.scoring_seeds:
            record = made_up.run_record(study, cell, seed, 0.1)
            first = np.array([0, 0, 0, 99]) if cell.encoding == "rope" else np.array([0, 0, 99, 99])
            ranks = {"sound.full_greater": first, "sound.full_tied": np.zeros(4, int)}
            results.write_result(planned_run(study, cell, seed).path, record, ranks)
    [row] = build.build_tables(study)["user_intervals"].to_dict("records")
    assert (row["seeds"], row["users"], row["advantage_points"]) == (10, 4, 25)
    # the same user of four gains 100 points in every seed: sd 50 between users, none between seeds
    assert (row["seed_sd_points"], row["user_sd_points"]) == (0, pytest.approx(50))
    assert (row["seed_error_points"], row["user_error_points"]) == (0, pytest.approx(25))
    assert row["low_points"] <= 0 < 75 <= row["high_points"]
    assert row["level"] == "open"  # users inside seeds would call it ahead: 12.5 to 40


def test_few_seeds_have_no_interval_over_users(here: Path) -> None:
    found = _write(made_up.make_study(), here)["user_intervals"]
    assert set(found["seeds"].dropna()) <= {0, 3}
    assert found["low_points"].isna().all()
    assert set(found["level"]) == {"open"}
