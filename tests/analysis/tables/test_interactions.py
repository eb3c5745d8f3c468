"""What a setting does to leads: by hand, on made-up runs."""

from pathlib import Path

import numpy as np
import pytest

from posrec.analysis.tables import build
from posrec.study.study import Cell
from tests.analysis import made_up

LEADS = {("leaky", 0.1): 0.0, ("leaky", 1.0): 0.0, ("silu", 0.1): 0.02, ("silu", 1.0): 0.0}  # of rope


def _score(cell: Cell, seed: int) -> float:
    lead = LEADS[cell.model.activation, float(cell.model.upper_bound or 0)] if cell.encoding == "rope" else 0.0
    noise = np.random.default_rng([seed, len(cell.encoding), len(cell.model.activation)]).standard_normal()
    return 0.2 + lead + 0.0005 * float(noise)


def test_a_setting_that_makes_a_lead(here: Path) -> None:
    """rope leads by two points with silu and a bound of 0.1, and nowhere else."""
    model = {"dimension": 8, "heads": 2, "activation": ["leaky", "silu"], "upper_bound": [0.1, 1]}
    study = made_up.make_study(encodings=["none", "rope"], seeds=list(range(101, 126)), model=model)
    made_up.write_study(study, _score)
    tables = build.build_tables(study)
    table = tables["interactions"]
    assert list(table["comparisons"]) == [2, 2, 2, 2]  # two values of the other setting: a family a setting
    found = table.set_index(["setting", "value", "others"])
    silu = found.loc[("activation", "silu", "upper_bound=0.1")]
    assert (silu["change"], silu["against"], silu["pairs"]) == ("raises", "leaky", 25)
    assert silu["change_points"] == pytest.approx(2, abs=0.1)
    assert silu["change_points"] == pytest.approx(silu["lead_points"] - silu["lead_against_points"])
    assert found.loc[("activation", "silu", "upper_bound=1"), "change"] == "leaves"
    assert found.loc[("upper_bound", "1", "activation=silu"), "change"] == "lowers"
    assert found.loc[("upper_bound", "1", "activation=leaky"), "change"] == "leaves"
    header, rows = build.registry.table_module("interactions").shown(tables)
    assert len(rows) == 4
    assert all(len(row) == len(header) for row in rows)
