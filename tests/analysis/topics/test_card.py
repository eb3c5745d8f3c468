"""The data page: distributions worked out by hand, panels for every kind of data, counts beside known ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from posrec.analysis.places import analysis_files
from posrec.analysis.report import write
from posrec.analysis.tables import build, counts
from posrec.analysis.topics import data, draw
from posrec.data.prepare.prepared import Prepared
from posrec.plan import ids
from posrec.study import sources
from posrec.study.study import Study, from_dict, load
from tests.analysis import made_up
from tests.data.conftest import make_prepared

__all__ = ["make_prepared"]  # a fixture
DAY = 86_400
ROWS = [("a", "1", 0), ("a", "2", DAY), ("a", "3", DAY), ("a", "1", 40 * DAY), ("b", "1", DAY)]
SHOP = {"encodings": ["none"], "seeds": [1, 2, 3], "model": {"dimension": 8, "heads": 2}}


def test_distributions_by_hand(make_prepared: Callable[..., Prepared]) -> None:
    prepared = make_prepared(ROWS)
    lengths, users = data.length_curve(prepared)
    assert (lengths.tolist(), users.tolist()) == ([1, 4], [1.0, 0.5])
    items, held = data.concentration_curve(prepared)
    np.testing.assert_allclose([items, held], [[0, 1 / 3, 2 / 3, 1], [0, 3 / 5, 4 / 5, 1]])
    assert data.tied_shares(prepared) == {"1": 0.6, "2": 0.4, "3": 0.0, "4": 0.0, "5 or more": 0.0}
    months, interactions, tested = data.monthly_counts(prepared)
    assert months.astype(str).tolist() == ["1970-01", "1970-02"]
    assert (interactions.tolist(), tested.tolist()) == ([4, 1], [0, 1])


def known_study(**datasets: dict[str, object]) -> Study:
    return from_dict({"study": "known", "datasets": datasets, **SHOP, "report": {"published": {"part": "Subgames"}}})


@pytest.fixture
def known(here: Path) -> Study:
    """Made-up results of data sets whose counts somebody reported, beside others of whom nobody did."""
    games = {"source": "carca-games", "k_core": 1, "model": {"head": "dot"}}
    study = known_study(
        beauty={"source": "amazon2014-beauty-5core"},
        beauty_10={"source": "amazon2014-beauty-5core", "k_core": 10},
        beauty_first={"source": "amazon2014-beauty-5core", "repeats": "first"},
        games=games,
        part={**games, "subset": {"users": 5000, "items": 5000}},
    )
    made_up.write_study(study, made_up.plain_score, simulated=False)
    return study


def test_known_counts_stand_beside_ours(known: Study) -> None:
    """The made-up data have 100 users, 50 items and 50 interactions, and 50 more from one data set to the next."""
    built = build.build_tables(known)
    table = counts.build(built).set_index("dataset")
    assert list(table.index) == ["beauty", "games", "part"]  # as reported, whole or named as the paper's part
    assert table.loc["beauty", ["users", "known_users", "known_interactions"]].tolist() == [100, 22_363, 198_502]
    assert table.loc["part", "known_items"] == 4_601
    assert set(table["equal"]) == {"no"}
    header, rows = counts.shown(built)
    assert len(header) == len(rows[0])
    assert rows[0][2] == "100 (reported 22,363: -22,263)"


def test_equal_counts_are_said_to_be_and_what_nobody_reports_is_left_out(known: Study) -> None:
    built = build.build_tables(known)
    built.inputs.cards["games"] |= {"users": 31_013, "items": 23_715, "interactions": 287_107}
    built.inputs.cards["part"] |= {"users": 5_000, "items": 4_601, "interactions": 33_352}
    table = counts.build(built).set_index("dataset")
    assert table["equal"].to_dict() == {"beauty": "no", "games": "yes", "part": "no"}


def test_the_table_of_facts_names_sources_that_exist() -> None:
    facts = pd.read_csv(counts.KNOWN)
    named = {name for names in facts["sources"].dropna() for name in names.split()}
    assert named <= set(sources.sources())
    assert facts["counted_by"].notna().all()
    assert sorted(facts["paper"].dropna()) == sorted(
        ["Beauty", "Fashion", "Games", "Men", "Subfashion", "Subgames", "Submen", "Submen2"]
    )


def test_the_data_page_has_its_figure_and_says_where_times_are_missing(known: Study) -> None:
    build.write_tables(known)
    draw.write_figures(known)
    write.write_report(known)
    page = analysis_files(known)["report"][0].read_text()
    section = page[page.index('<section id="data">') : page.index('<section id="switches">')]
    assert 'id="figure-data"' in section
    assert page.count('id="figure-data"') == page.count('id="figure-data-2"') == 1  # two data sets per page
    assert "seeds per cell" not in section
    shown = dict(zip(*_row_of("games", known), strict=True))
    assert [shown[name] for name in ("days", "tied pairs", "ties of 5+")] == ["-", "-", "-"]  # rows were counted
    numbers = pd.concat(pd.read_csv(ids.STUDIES / f"known/figures/{name}.csv") for name in ("data", "data-2"))
    series = numbers.groupby("dataset")["panel"].unique().apply(set).to_dict()
    assert {"month", "ties"} <= series["beauty"]
    assert not {"month", "ties"} & series["games"]  # an order alone
    assert numbers.loc[numbers["panel"] == "max_length", "x"].astype(int).unique().tolist() == [50]


def _row_of(name: str, study: Study) -> tuple[tuple[str, ...], tuple[str, ...]]:
    header, rows = data.rows(build.build_tables(study))
    return header, next(row for row in rows if row[0] == name)


def test_the_papers_subsets_are_held_to_its_counts() -> None:
    """Their files are not here, so that nobody can say yet whether the subsets are the paper's: a difference stops."""
    known = pd.read_csv(counts.KNOWN).set_index("of")[["users", "items", "interactions"]]
    datasets = load(Path(__file__).parents[3] / "studies/paper.yaml").settings.datasets
    for name in ("submen", "submen2", "subfashion"):
        expect = datasets[name].expect
        assert expect is not None
        assert list(expect.model_dump().values()) == known.loc[name.capitalize()].tolist()
