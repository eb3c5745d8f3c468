"""The measurements of the encodings: their cost, on tiny work, and the page of planted gaps, on made-up levels."""

import numpy as np
import pandas as pd
import pytest
from benchmarks import encodings, planted_gaps
from benchmarks.speed_reference import Work, make_data

from posrec.study import study
from tests.pages import table_rows


def test_the_cost_of_an_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encodings.LENGTHS, 6, Work(40, 50, 5, 0, 0, 8, 2, 1, 6, 12))
    none = encodings.Side("none", encodings.LENGTHS[6], make_data(encodings.LENGTHS[6]))
    rows = [encodings.measure(name, 6, none) for name in ("none", "learnt")]
    assert [row["learnt"] for row in rows] == [0, 7 * 8]
    assert all(row[name] > 0 for row in rows for name in ("step s", "step ratio", "request ms", "request ratio"))
    cells = table_rows(encodings.page(pd.DataFrame(rows)))
    assert cells[-1].startswith("| `learnt` | 56 |")


def levels(wrong: float) -> pd.DataFrame:
    """Twelve seeds in which the right family leads by 5 points, and the wrong one by `wrong`."""
    rng = np.random.default_rng(0)
    cells = [(cell.dataset, cell.encoding) for cell in study.from_dict(planted_gaps.raw_study(1)).cells]
    assert len(cells) == 12
    right = {("gap", planted_gaps.TIME), ("order", planted_gaps.ORDER), ("both", planted_gaps.BOTH)}
    lead = {cell: 0.05 if cell in right else 0.0 if cell[1] == planted_gaps.NONE else wrong for cell in cells}
    rows = {f"{world} {name}": lead[world, name] + rng.normal(0.2, 0.004, 12) for world, name in cells}
    known = {f"{world} {name}": [0.5] * 12 for world in planted_gaps.WORLDS for name in ("knowing_all",)}
    blind = {f"{w} blind_to_{name}": [0.3] * 12 for w in planted_gaps.WORLDS for name in ("order", "time")}
    return pd.DataFrame({"seed": planted_gaps.SEEDS, **rows, **known, **blind})


@pytest.mark.parametrize(("wrong", "shown"), [(0.0, 6), (0.03, 4)])
def test_the_page_says_what_is_shown(wrong: float, shown: int) -> None:
    """A wrong family that gains more than half of the right one's lead is not equivalent to none."""
    rows = [line for line in table_rows(planted_gaps.page(levels(wrong))) if line.endswith((" yes |", " not shown |"))]
    assert len(rows) == 6
    assert sum(line.endswith(" yes |") for line in rows) == shown
