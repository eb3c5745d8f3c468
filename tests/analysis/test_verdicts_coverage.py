"""The committed table of simulated verdicts holds the rules to their bounds, and a few cells are simulated anew."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks import verdict_page, verdict_words, verdict_worlds, verdicts

from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN
from posrec.analysis.tables import duels

REPOSITORY = Path(__file__).parents[2]
CHANCE = 3.0  # standard errors of a share


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.read_csv(REPOSITORY / verdicts.CSV, keep_default_na=False)


def test_no_verdict_misses_its_bound(table: pd.DataFrame) -> None:
    assert verdicts.outside(table, CHANCE).empty
    rules = set(table["rule"])
    assert {f"C{number}: wrong supported" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9)} <= rules
    assert {f"C{number}: wrong contradicted" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9)} <= rules
    words = [f"{kind}: {name}" for kind, named in verdict_words.NAMES.items() for name in named.values()]
    assert set(words) <= rules
    among = table[(table["truth"] == "an effect of 3 sd among 63") & (table["rule"] == "level: p of max-T at most 5 %")]
    assert (among["share"] >= 0.8 - CHANCE * np.sqrt(0.16 / among["studies"])).all()


def test_the_table_and_its_page_are_of_the_jobs(table: pd.DataFrame) -> None:
    jobs = verdicts.jobs()
    assert set(table[verdicts.KEY].itertuples(index=False, name=None)) <= {
        (job.truth, job.shape, job.n) for job in jobs
    }
    text = (REPOSITORY / verdicts.CSV.with_suffix(".md")).read_text(encoding="utf-8")
    assert text == verdict_page.page(table, len(jobs))


@pytest.mark.parametrize("truth", ["levels at the margin", "spreads at the margin", "claims: all equal"])
def test_a_cell_simulated_anew(table: pd.DataFrame, truth: str) -> None:
    """Few studies: not more wrong than chance allows of the committed share."""
    job = next(job for job in verdicts.jobs() if (job.truth, job.shape, job.n) == (truth, "normal", 10))
    for rule, *_, studies, share, _ in verdicts.simulate(verdicts.small(job, 3)):
        committed = table[(table[verdicts.KEY] == [truth, "normal", 10]).all(axis=1) & (table["rule"] == rule)]
        assert abs(share - committed["share"].item()) <= 0.1 + CHANCE * (0.25 / studies) ** 0.5


def test_rows_outside_their_bounds_are_found() -> None:
    rows = [("a", 0.09, "<= 0.05"), ("b", 0.9, ">= 0.93"), ("c", 0.9, ""), ("d", 0.05, "<= 0.05")]
    table = pd.DataFrame(rows, columns=["rule", "share", "bound"]).assign(studies=100)
    assert verdicts.outside(table)["rule"].tolist() == ["a", "b"]
    assert verdicts.outside(table, 3).empty


def test_what_is_wrong_of_a_truth() -> None:
    level, spread = verdict_worlds.wrong_level, verdict_worlds.wrong_spread
    assert [level(word, 0.98, 0.0) for word in (AHEAD, BEHIND, EQUIVALENT, OPEN)] == [True, True, False, False]
    assert [level(word, 1.02, 0.0) for word in (AHEAD, BEHIND, EQUIVALENT, OPEN)] == [False, True, True, False]
    assert level(EQUIVALENT, 0.0, 0.15)  # rates of bad runs differ
    assert not level(BEHIND, 0.0, 0.2)  # the first loses more runs
    assert [spread(word, 1.6, 0.0) for word in (AHEAD, BEHIND, EQUIVALENT)] == [False, True, True]
    assert spread(BEHIND, 0.5, 0.2)  # the steadier one loses more runs
    assert not spread(BEHIND, 0.5, 0.0)


def test_cells_are_those_that_the_rule_makes_of_a_table() -> None:
    shape = verdict_worlds.Shape("x", collapse={"": 0.2}, fail={"rmha4": 0.3}, fewer=True)
    made, table = (
        make(verdict_words.BOTH, shape, 9, np.random.default_rng(1))
        for make in (verdict_worlds.sides, verdict_worlds.runs)
    )
    for number, (_, rows) in enumerate(table.groupby("dataset", sort=False)):
        for name, own in rows.groupby("encoding", sort=False):
            side, expected = made[number][str(name)], duels.side(own)
            assert side.health == expected.health
            pd.testing.assert_series_equal(side.scores, expected.scores, check_names=False, check_index_type=False)


def test_the_page_names_the_worst_case() -> None:
    rows = [
        ("level: wrong ahead", "t", shape, 10, 100, share, "<= 0.05") for shape, share in (("a", 0.01), ("b", 0.04))
    ]
    rows += [
        ("level: all intervals hold", "t", "a", 10, 100, 0.96, ">= 0.93"),
        ("level: found", "t", "a", 5, 9, 0.5, ""),
    ]
    text = verdict_page.page(pd.DataFrame(rows, columns=verdicts.COLUMNS), 3)
    assert "| level: wrong ahead | t | 4.0 % | 100 | b | 10 | 2 |" in text
    assert "| level: found | t | a | 5 | 50 % |" in text
    assert "has 3 of 3" not in text
    assert "| 3 sd, 8 comparisons | 100 % | 100 % | 10.6 | 58 % |" in text
