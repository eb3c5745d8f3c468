"""The published cells: read whole, set beside ours, and their spreads tested with their own numbers of runs."""

from pathlib import Path

import pytest
from scipy import stats

from posrec.analysis.report import sections
from posrec.analysis.tables import build, published, reanalysis
from posrec.errors import StudyError
from posrec.study.encodings import ENCODINGS
from tests.analysis import made_up


def test_cells_are_known_and_plausible() -> None:
    cells = published.published_cells()
    assert set(cells["encoding"]) <= {*ENCODINGS, "rmha4 + rope_one"}
    assert cells["hit10"].between(10, 100).all()
    assert (cells["ndcg10"] < cells["hit10"]).all()
    assert (cells["tie_suspect"] == "yes").sum() == 69


def test_the_spread_of_one_cell_by_hand() -> None:
    """Submen, leaky, upper bound 1e-4: rotatory_con 11.90 against none 3.72, twelve runs each."""
    found = reanalysis.reanalysis("hit10")
    row = found[
        (found["dataset"] == "Submen")
        & (found["activation"] == "leaky")
        & (found["upper_bound"] == 1e-4)
        & (found["encoding"] == "rotatory_con")
    ].iloc[0]
    assert row["ratio"] == pytest.approx(11.90 / 3.72)
    assert row["p"] == pytest.approx(2 * stats.f.sf((11.90 / 3.72) ** 2, 11, 11))
    assert row["p_holm"] >= row["p"]


def test_one_run_that_could_make_a_spread_by_hand() -> None:
    """Games, SiLU, learnt: 1.88 from eight runs. One at chance (20) below a mean of 60 or more makes 40 * 8^.5 / 7."""
    found = reanalysis.reanalysis("hit10").query("p_holm <= 0.05")
    assert found["one_run"].value_counts().to_dict() == {"yes": 4, "no": 2}
    assert set(found.loc[found["one_run"] == "no", "dataset"]) == {"Games"}
    assert reanalysis.one_run_suffices(60.0, 16.2, 8, 20.0)
    assert not reanalysis.one_run_suffices(60.0, 16.1, 8, 20.0)
    assert reanalysis.one_run_suffices(90.0, 4.1, 8, 20.0)  # one at 100


def test_every_published_data_set_has_its_number_of_candidates() -> None:
    assert set(reanalysis.CANDIDATES) >= set(published.published_names())


def test_ours_stand_beside_theirs(here: Path) -> None:
    study = made_up.make_study(2, report={"published": {"twin1": "Beauty"}})
    made_up.write_study(study, made_up.plain_score)
    table = build.build_tables(study)["published"]
    assert set(table["dataset"]) == {"twin1"}
    row = table[(table["encoding"] == "abs") & (table["published_activation"] == "silu")].iloc[0]
    ours = 100 * build.build_tables(study)["cells"].set_index(["dataset", "encoding"]).loc[("twin1", "abs")]
    assert row["hit10_difference_points"] == pytest.approx(ours["sampled_hit10_mean"] - 67.27)
    assert row["hit10_sd_ratio"] == pytest.approx(ours["sampled_hit10_sd"] / 10.59)


def test_the_report_looks_at_the_published_spreads_again(here: Path) -> None:
    named = made_up.make_study(report={"published": {"twin1": "Beauty"}})
    made_up.write_study(named, made_up.plain_score)
    built = build.build_tables(named)
    shown = [block for block in sections.published(built).blocks if block.text.startswith("Different from none")]
    assert [len(block.rows) for block in shown] == [6, 3]
    assert shown[0].rows[0] == (
        *("Subfashion", "leaky", "0.1", "2", "rotatory_con", "6 / 6", "21.02", "1.89", "11.12"),
        *(f"{82 * 2 * stats.f.sf((21.02 / 1.89) ** 2, 5, 5):.3f}", "", "suffices"),
    )
    unnamed = made_up.make_study()
    made_up.write_study(unnamed, made_up.plain_score)
    assert len(sections.published(build.build_tables(unnamed)).blocks) == 1


def test_rows_of_the_reanalysis_are_those_below_five_percent_after_holm() -> None:
    tests = reanalysis.reanalysis("ndcg10")
    _, rows = reanalysis.rows_below(tests)
    assert len(rows) == (tests["p_holm"] <= 0.05).sum()
    assert [row[-3] for row in rows] == sorted(row[-3] for row in rows)


def test_only_data_sets_of_the_study_can_be_the_papers() -> None:
    with pytest.raises(StudyError, match=r"published.twin: the study has no such data set; did you mean 'twin1'"):
        made_up.make_study(report={"published": {"twin": "Beauty"}})
