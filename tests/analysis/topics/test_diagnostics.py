"""The table and the page of the diagnostics, from made-up runs with known figures."""

from pathlib import Path

import numpy as np
import pytest

from posrec.analysis.report import sections
from posrec.analysis.tables.build import Tables, build_tables
from posrec.analysis.tables.diagnostics import group_of, measures, value_of
from posrec.analysis.topics import attention, diagnostics
from tests.analysis import made_up


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """Two data sets; one run of rope failed, and another lost its diagnostics to an encoding that raised."""
    monkeypatch.chdir(tmp_path)
    study = made_up.make_study(2)
    made_up.write_study(study, made_up.plain_score)
    rope = next(cell for cell in study.cells if cell.encoding == "rope")
    made_up.write_run(study, rope, 1, made_up.failed_record(study, rope, 1))
    lost = made_up.run_record(study, rope, 2, 0.1)
    made_up.write_run(study, rope, 2, {**lost, "diagnostics": {"failure": "RuntimeError: no"}})
    return build_tables(study)


def test_means_over_the_runs_that_hold_them(tables: Tables) -> None:
    table = group_of(tables["diagnostics"], ("twin1", "sound", ""))
    assert value_of(table, "none", "attention_entropy", "block 1") == pytest.approx(0.92)
    assert value_of(table, "none", "attention_entropy", "block 1", "sd") == pytest.approx(0.01)
    assert value_of(table, "none", "attention_entropy", "block 1", "reference") == 1
    assert value_of(table, "none", "attention_entropy", "block 1", "runs") == 3  # no deviation seeds
    assert value_of(table, "rope", "attention_entropy", "block 1", "runs") == 1
    assert np.isnan(value_of(table, "rope", "attention_entropy", "block 1", "sd"))
    assert value_of(table, "abs", "position_from_end", "encoded items") == pytest.approx(0.8)
    assert value_of(table, "abs", "position_from_end", "encoded items", "reference") == pytest.approx(-0.02)
    assert value_of(table, "abs", "angle_spread", column="reference") == 6
    assert value_of(table, "abs", "gradient_variation") == pytest.approx(0.5)
    assert np.isnan(value_of(table, "abs", "position_from_begin", "items"))  # not defined in any run


def test_histories_from_short_to_long(tables: Tables) -> None:
    ties = tables["diagnostics"][tables["diagnostics"]["measure"] == "full_ties"]
    assert list(dict.fromkeys(ties["place"])) == ["history of 2", "history of 3-5", "history of 11-20"]


def test_no_spread_where_the_study_shows_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = made_up.make_study(report={"stability": False}, deviation_seeds=[])
    made_up.write_study(study, made_up.plain_score)
    assert build_tables(study)["diagnostics"]["sd"].isna().all()


def test_nothing_comes_of_nothing() -> None:
    assert list(measures({})) == []


def test_page_and_figure(tables: Tables) -> None:
    header, rows = diagnostics.rows(tables)
    assert len(rows) == 6
    said = dict(zip(header, rows[1], strict=True))
    assert said["encoding"] == "abs"
    assert said["entropy by block"] == "0.92 / 0.50"
    assert said["encoded items"] == "0.80 (chance -0.02)"
    assert said["spread of angles (at start)"] == "3.00 (6.00)"
    assert "halves' overlap" not in header  # no concatenation here
    assert sections.diagnostics(tables).blocks[-1].rows == rows
    figure, data = diagnostics.draw(tables)
    assert len(figure.axes) == 6
    assert data is tables["diagnostics"]


def test_the_picture_of_attention(tables: Tables) -> None:
    """Means over blocks and runs: of an item's own weight 1 with none, else 1.5 and half of the seeds' hundredths."""
    figure, data = attention.draw(tables)
    assert [panel.get_xlabel() for panel in figure.axes] == list(attention.PANELS.values()) * 2
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["under 1 d", "a year or more"]
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers[:6] == ["1.00", "1.00", "0.62", "1.51", "1.00", "0.62"]
    assert set(data["bin"]) == {"0", "1", "2", "under 1 day", "a year or more"}
    said = attention.caption(tables)
    assert said.startswith("Attention depends most on the steps between two items with rope (standard deviation 0.45; ")
    assert said.endswith(
        "none: 0.22) and on the time between two items with none (standard deviation 0.00; none: 0.00)."
    )
    assert attention.caption(Tables(tables.inputs, {"diagnostics": tables["diagnostics"][:0]})) == attention.NOTHING
