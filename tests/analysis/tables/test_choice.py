"""Choices over data sets, from made-up runs with a known answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from posrec.analysis.stats import meta
from posrec.analysis.tables import build
from posrec.analysis.tables.choice import NEW, OVERALL
from posrec.study.study import Cell
from tests.analysis import made_up

SEEDS = list(range(1, 11))


def _score(cell: Cell, seed: int) -> float:
    """rope is 20 % ahead of none everywhere, abs is equal to rope within a thousandth."""
    number = int(cell.dataset[-1])
    level = {"none": 0.1, "abs": 0.1201, "rope": 0.12}[cell.encoding] * number
    key = [seed, number, len(cell.encoding)]
    return level + 0.0005 * float(np.random.default_rng(key).standard_normal())


def _choice(number: int, **changes: Any) -> pd.DataFrame:
    study = made_up.make_study(number, seeds=SEEDS, deviation_seeds=[101, 102, 103], **changes)
    made_up.write_study(study, _score)
    return build.build_tables(study)["choice"].set_index(["where", "encoding"])


def test_probabilities_and_losses(here: Path) -> None:
    found = _choice(3)
    for where in ("twin1", "twin2", "twin3", OVERALL, NEW):
        rows = found.loc[where]
        assert rows["best"].sum() == pytest.approx(1)
        assert rows.loc["none", "within"] == 0
        assert rows.loc["none", "loss_percent"] == pytest.approx(20, abs=1)
        assert rows.loc["abs", "within"] > 0.9  # within 2 % of the best, whichever that is
    assert found.loc[(OVERALL, "rope"), "sources"] == 3
    assert found.loc[("twin2", "rope"), "lead_percent"] == pytest.approx(20, abs=0.5)


def test_the_pooled_lead_is_that_of_the_random_effects_model(here: Path) -> None:
    row = _choice(3).loc[(NEW, "rope")]
    leads, errors = [], []
    for number in (1, 2, 3):
        none, rope = (np.array([_score(_cell(name, number), seed) for seed in SEEDS]) for name in ("none", "rope"))
        differences = 100 * (rope - none) / none.mean()
        leads.append(differences.mean())
        errors.append(differences.std(ddof=1) / 10**0.5)
    expected = meta.pooled(np.array(leads), np.array(errors), ["a", "b", "c"])
    assert row["lead_percent"] == pytest.approx(expected.mean)
    assert (row["lead_low_percent"], row["lead_high_percent"]) == pytest.approx((expected.low, expected.high))
    assert row["new_low_percent"] <= row["lead_low_percent"]


def _cell(encoding: str, number: int) -> Cell:
    study = made_up.make_study(3)
    return next(cell for cell in study.cells if (cell.encoding, cell.dataset) == (encoding, f"twin{number}"))


def test_two_sources_say_nothing_of_a_new_one(here: Path) -> None:
    assert set(_choice(2).index.get_level_values("where")) == {"twin1", "twin2"}


def test_an_encoding_that_loses_runs_is_left_out(here: Path) -> None:
    study = made_up.make_study(seeds=SEEDS, deviation_seeds=[101, 102, 103])
    made_up.write_study(study, _score)
    rope = next(cell for cell in study.cells if cell.encoding == "rope")
    for seed in (1, 2):
        made_up.write_run(study, rope, seed, made_up.failed_record(study, rope, seed))
    assert set(build.build_tables(study)["choice"]["encoding"]) == {"none", "abs"}
    assert _choice(1, report={"stability": False}).empty
