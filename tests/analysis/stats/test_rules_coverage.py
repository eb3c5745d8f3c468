"""The committed table of simulated rules, and a small simulation of each."""

import itertools
from pathlib import Path

import pandas as pd
import pytest
from benchmarks import rules_coverage, rules_designs

CSV = Path(__file__).parents[3] / rules_coverage.CSV
CHANCE = 0.01  # of a share that a new run may move: 1.0 standard errors at 5 % of 500 studies


def test_no_rule_misses_its_bound() -> None:
    table = pd.read_csv(CSV, keep_default_na=False)
    assert {"level", "guarded", "spread, unpaired", "spread, paired", "rates"} <= set(
        table["what"].str.split(":").str[0]
    )
    assert rules_coverage.outside(table, CHANCE).empty


def test_rows_outside_their_bounds_are_found() -> None:
    rows = [
        ("a", "x", 5, 0.06, "<= 0.05"),
        ("b", "x", 5, 0.9, ">= 0.93"),
        ("c", "x", 5, 0.9, ""),
        ("d", "x", 5, 0.05, "<= 0.05"),
    ]
    table = pd.DataFrame(rows, columns=["what", "shape", "n", "share", "bound"])
    assert rules_coverage.outside(table)["what"].tolist() == ["a", "b"]
    assert rules_coverage.outside(table, 0.05).empty


@pytest.mark.parametrize("part", ["levels", "collapses", "spread_rules"])
def test_simulations_run(part: str) -> None:
    rows = list(itertools.islice(getattr(rules_coverage, part)(4), 20))
    assert len(rows) == 20
    assert all(0 <= share <= 1 for _, _, _, share, _ in rows)


def test_designs_run() -> None:
    assert all(share >= 0 for _, _, _, share, _ in itertools.islice(rules_designs.rows(1), 10))
