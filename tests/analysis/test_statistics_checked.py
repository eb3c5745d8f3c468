"""What the report relies on was measured: the committed table of coverage and false positives, against its rules."""

from pathlib import Path

import pandas as pd
import pytest
from benchmarks import coverage

from posrec.analysis.stats import intervals
from posrec.analysis.tables import reanalysis

DOCS = Path(__file__).parents[2] / coverage.DOCS
WORST = 0.065
HOLDS = 0.90


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(DOCS / "statistics-checked.csv")


def _of(table: pd.DataFrame, what: str, method: str, shape: str | None = None) -> pd.DataFrame:
    found = table[(table["what"] == what) & (table["method"] == method)]
    found = found if shape is None else found[found["shape"] == shape]
    assert len(found)
    return found


def test_every_method_was_measured_at_every_shape_and_size(table: pd.DataFrame) -> None:
    keys = list(table[["what", "method", "shape", "n"]].itertuples(index=False, name=None))
    assert keys == [job[:4] for job in coverage._jobs()]


def test_the_exact_interval_of_normal_scores_holds_what_it_says(table: pd.DataFrame) -> None:
    exact = _of(table, "coverage of the standard deviation", "exact", "normal")
    assert exact["share"].between(0.94, 0.96).all()


def test_no_test_errs_too_often_where_it_is_used(table: pd.DataFrame) -> None:
    for method in ("log ratio, permuted", "sign flips", "Student's t, paired", "Brown-Forsythe", "gap"):
        assert _of(table, "false positives", method)["share"].max() <= WORST, method
    assert _of(table, "false positives, levels differ", "log ratio, permuted")["share"].max() <= WORST
    over = table[table["what"].str.startswith("false positives over data sets")]
    assert over["share"].max() <= WORST


def test_intervals_are_shown_from_where_they_hold(table: pd.DataFrame) -> None:
    collapsed = _of(table, "coverage of the standard deviation", "BCa", "15 % collapsed")
    ratio = _of(table, "coverage of the log ratio", "BCa")
    falls = ratio["shape"] == "15 % collapsed"
    lead = _of(table, "coverage of a lead", "two-level bootstrap")
    rules = (
        (collapsed, intervals.BCA_FROM),
        (ratio[falls], intervals.BCA_FROM),
        (ratio[~falls], intervals.RATIO_FROM),
        (lead, intervals.USERS_FROM),
    )
    for rows, smallest in rules:
        assert (rows.loc[rows["n"] >= smallest, "share"] >= HOLDS).all()
    assert (collapsed.loc[collapsed["n"] < intervals.BCA_FROM, "share"] < HOLDS).all()
    assert (lead.loc[lead["n"] < intervals.USERS_FROM, "share"] < HOLDS).all()


def test_the_error_of_the_f_test_is_the_measured_one(table: pd.DataFrame) -> None:
    errs = 100 * _of(table, "false positives", "F (published spreads)", "15 % collapsed")["share"]
    assert f"it errs in {errs.min():.0f} to {errs.max():.0f} % of studies" in reanalysis.METHOD
