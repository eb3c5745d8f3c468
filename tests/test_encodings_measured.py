"""The measurements of the encodings: their cost, on tiny work, and the page of planted gaps, on made-up levels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks import encodings, planted, planted_gaps
from benchmarks.speed_reference import Work, make_data

from posrec.analysis.costs import FILE, cost_of
from posrec.study import study
from posrec.study.encodings import built_in_forms
from tests.pages import DOCS, table_rows


def test_the_cost_of_an_encoding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(encodings.LENGTHS, 6, Work(40, 50, 5, 0, 0, 8, 2, 1, 6, 12))
    none = encodings.Side("none", encodings.LENGTHS[6], make_data(encodings.LENGTHS[6]))
    rows = [encodings.measure(name, 6, none) for name in ("none", "learnt")]
    assert [row["learnt"] for row in rows] == [0, 7 * 8]
    assert all(row[name] > 0 for row in rows for name in ("step s", "step ratio", "request ms", "request ratio"))
    file = tmp_path / "costs.csv"
    encodings.write_files(pd.DataFrame(rows[1:]), file, tmp_path)
    encodings.write_files(pd.DataFrame([{**rows[1], "learnt": 7}, rows[0]]), file, tmp_path)
    assert list(pd.read_csv(file)["learnt"]) == [0, 7]
    cells = table_rows((tmp_path / "encodings-cost.md").read_text())
    assert [cell.split(" ms ")[0].rpartition("|")[0] for cell in cells[-2:]] == ["| `none` | 0 ", "| `learnt` | 7 "]


def test_every_form_of_every_encoding_has_a_cost() -> None:
    """Where one is missing: `python -m benchmarks.encodings NAME`."""
    for name in built_in_forms():
        costs = [cost_of(name, length) for length in encodings.LENGTHS]
        assert [cost and cost.length for cost in costs] == list(encodings.LENGTHS), name
        assert all(cost and 0.5 < cost.step < 50 and 0.5 < cost.request < 50 for cost in costs), name
    assert table_rows((DOCS / "measured" / "encodings-cost.md").read_text()) == table_rows(
        encodings.page(pd.read_csv(FILE))
    )


def test_the_nearest_length_and_form_count() -> None:
    assert [cost.length for n in (1, 99, 101, 1000) if (cost := cost_of("rope", n))] == [50, 50, 200, 200]
    assert cost_of("rmha7", 50) == cost_of("rmha4", 50)
    assert cost_of("kernel-form=full", 50) != cost_of("kernel", 50)


def levels(wrong: float) -> pd.DataFrame:
    """Twelve seeds in which the right family leads by 5 points, and the wrong one by `wrong`."""
    rng = np.random.default_rng(0)
    cells = [(cell.dataset, cell.encoding) for cell in study.from_dict(planted_gaps.raw_study(1)).cells]
    assert cells == planted_gaps.cells()
    assert len(cells) == 9
    right = {("gap", planted_gaps.TIME), ("order", planted_gaps.ORDER), ("both", planted_gaps.BOTH)}
    lead = {cell: 0.05 if cell in right else 0.0 if cell[1] == planted_gaps.NONE else wrong for cell in cells}
    rows = {f"{world} {name}": lead[world, name] + rng.normal(0.2, 0.004, 12) for world, name in cells}
    known = {f"{world} {name}": [0.5] * 12 for world in planted_gaps.WORLDS for name in ("knowing_all",)}
    blind = {f"{w} blind_to_{name}": [0.3] * 12 for w in planted_gaps.WORLDS for name in ("order", "time")}
    return pd.DataFrame({"seed": planted_gaps.SEEDS, **rows, **known, **blind})


def test_a_measurement_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seeds: list[int] = []

    def levels_of(raw: dict[str, Any], seed: int) -> dict[str, float]:
        seeds.append(seed)
        return {"seed": seed, "gap none": 0.25 + raw["training"]["epochs"]}

    monkeypatch.setattr(planted, "levels_of", levels_of)
    first = planted.measured(planted_gaps.raw_study, [1, 2])
    again = planted.measured(planted_gaps.raw_study, [1, 2, 3])
    pd.testing.assert_frame_equal(again[:2], first)
    assert seeds == [1, 2, 3]
    monkeypatch.setitem(planted_gaps.TRAINING, "epochs", 7)
    assert planted.measured(planted_gaps.raw_study, [3])["gap none"].tolist() == [7.25]


@pytest.mark.parametrize(("wrong", "shown"), [(0.0, 6), (0.03, 4)])
def test_the_page_says_what_is_shown(wrong: float, shown: int) -> None:
    """A wrong family that gains more than half of the right one's lead is not equivalent to none."""
    rows = [line for line in table_rows(planted_gaps.page(levels(wrong))) if line.endswith((" yes |", " not shown |"))]
    assert len(rows) == 6
    assert sum(line.endswith(" yes |") for line in rows) == shown
