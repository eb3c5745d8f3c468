"""Verdicts on made-up results with a known truth: planted differences are found, and nothing where nothing is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posrec.analysis.claims.judge import claim_table, evidence_of
from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED
from posrec.analysis.tables import build
from posrec.study.study import Cell
from tests.analysis import made_up

Spread = Callable[[Cell], float]


def _scores(level: Spread, spread: Spread, salt: int = 0) -> made_up.Score:
    """Normal scores with a level and a spread for each cell, in fractions."""

    def score(cell: Cell, seed: int) -> float:
        encodings = ["none", "abs", "abs_con", "learnt", "rope", "rmha4", "rotatory", "rotatory_con"]
        key = [salt, seed, encodings.index(cell.encoding), int(cell.dataset.removeprefix("twin"))]
        extra = [int(cell.model.activation == "silu"), cell.training.epochs, len(cell.protocol.name)]
        return level(cell) + spread(cell) * float(np.random.default_rng([*key, *extra]).standard_normal())

    return score


def _built(score: made_up.Score, seeds: int = 25, number: int = 1, **changes: Any) -> build.Tables:
    study = made_up.make_study(number, seeds=list(range(100, 100 + seeds)), **changes)
    made_up.write_study(study, score)
    return build.build_tables(study)


def _verdicts(built: build.Tables) -> dict[str, str]:
    return dict(zip(built["claims"]["claim"], built["claims"]["verdict"], strict=True))


def test_every_claim_is_judged_once(here: Path) -> None:
    built = _built(_scores(lambda cell: 0.2, lambda cell: 0.01), seeds=3)
    assert list(built["claims"]["claim"]) == [f"C{n}" for n in range(1, 10)]
    assert (built["claims"]["reason"].str.len() > 10).all()


def test_three_seeds_cannot_decide_stability(here: Path) -> None:
    built = _built(_scores(lambda cell: 0.2, lambda cell: 0.05 if cell.encoding == "rope" else 0.001), seeds=3)
    row = built["claims"].set_index("claim").loc["C2"]
    assert row["verdict"] == OPEN
    assert "Three seeds cannot decide stability: no interval is valid at n = 3." in row["reason"]
    assert np.isnan(row["low"])
    assert built["claims"].set_index("claim").loc["C1", "smallest_p"] == 0.25


def test_a_planted_difference_of_spread_is_found(here: Path) -> None:
    built = _built(_scores(lambda cell: 0.2, lambda cell: 0.05 if cell.encoding == "rope" else 0.01))
    row = built["claims"].set_index("claim").loc["C2"]
    assert row["verdict"] == SUPPORTED
    assert row["estimate"] == pytest.approx(5, rel=0.6)
    assert 1.5 < row["low"] < row["estimate"] < row["high"]


def test_a_planted_difference_of_level_is_found(here: Path) -> None:
    built = _built(_scores(lambda cell: 0.25 if cell.encoding == "rope" else 0.2, lambda cell: 0.01))
    row = built["claims"].set_index("claim").loc["C1"]
    assert row["verdict"] == SUPPORTED
    assert row["estimate"] == pytest.approx(5, abs=1)
    assert _verdicts(built)["C2"] == OPEN


def test_levels_that_hardly_differ_contradict_c1(here: Path) -> None:
    built = _built(_scores(lambda cell: 0.2, lambda cell: 0.0005), report={"margin": {"floor": 0.5}})
    assert _verdicts(built)["C1"] == CONTRADICTED


def test_nothing_is_supported_more_often_than_its_error_rate(here: Path) -> None:
    """Forty studies in which no encoding differs: at 5 % two are expected for each claim; seven have p = .003."""
    built = _built(
        _scores(lambda cell: 0.2, lambda cell: 0.01), seeds=10, encodings=["none", "abs", "abs_con", "rmha4"]
    )
    generator, evidence = np.random.default_rng(6), evidence_of(built)
    wrong = dict.fromkeys(("C1", "C2", "C3", "C5"), 0)
    for _ in range(40):
        runs = built["runs"].assign(full_ndcg10=generator.normal(0.2, 0.01, len(built["runs"])))
        runs = runs.assign(full_hit10=runs["full_ndcg10"])
        claims = claim_table(replace(evidence, inputs=replace(built.inputs, runs=runs)))
        verdicts = claims.set_index("claim")["verdict"]
        for claim in wrong:
            wrong[claim] += verdicts[claim] != OPEN
    assert max(wrong.values()) <= 6


def test_rmha4_is_steadiest_or_not(here: Path) -> None:
    encodings = ["none", "abs", "rmha4"]
    spreads = {"none": 0.05, "abs": 0.04, "rmha4": 0.005}
    steady = _built(_scores(lambda cell: 0.2, lambda cell: spreads[cell.encoding]), encodings=encodings)
    assert _verdicts(steady)["C3"] == SUPPORTED
    spreads["rmha4"] = 0.3
    unsteady = _built(_scores(lambda cell: 0.2, lambda cell: spreads[cell.encoding]), encodings=encodings)
    assert _verdicts(unsteady)["C3"] == CONTRADICTED


def test_concatenated_against_added(here: Path) -> None:
    encodings = ["none", "abs", "abs_con"]
    spreads = {"none": 0.01, "abs": 0.05, "abs_con": 0.005}
    built = _built(_scores(lambda cell: 0.2, lambda cell: spreads[cell.encoding]), encodings=encodings)
    assert _verdicts(built)["C5"] == SUPPORTED
    spreads |= {"abs": 0.005, "abs_con": 0.05}
    built = _built(_scores(lambda cell: 0.2, lambda cell: spreads[cell.encoding]), encodings=encodings)
    assert _verdicts(built)["C5"] == CONTRADICTED


def test_rotatory_where_the_deviation_is_low(here: Path) -> None:
    encodings = ["none", "abs", "rotatory"]
    deviation = {"twin1": 0.001, "twin2": 0.02}
    best = _scores(
        lambda cell: 0.3 if cell.encoding == "rotatory" and cell.dataset == "twin1" else 0.2,
        lambda cell: deviation[cell.dataset],
    )
    assert _verdicts(_built(best, number=2, encodings=encodings))["C4"] == SUPPORTED
    worst = _scores(lambda cell: 0.1 if cell.encoding == "rotatory" else 0.2, lambda cell: deviation[cell.dataset])
    assert _verdicts(_built(worst, number=2, encodings=encodings))["C4"] == CONTRADICTED


def test_position_beside_time_needs_a_protocol_that_is_blind_to_order(here: Path) -> None:
    score = _scores(lambda cell: 0.25 if cell.encoding == "rope" else 0.2, lambda cell: 0.01)
    model = {"dimension": 8, "heads": 2, "context": True}  # the claim is about position beside time
    built = _built(score, protocols=["sound", "sound_last"], model=model)
    claims = built["claims"][built["claims"]["claim"] == "C7"].set_index("protocol")
    assert claims.loc["sound", "verdict"] == OPEN
    assert "blind to order" in claims.loc["sound", "reason"]
    assert claims.loc["sound_last", "verdict"] == SUPPORTED


def test_activations_need_cells_that_differ_in_them_alone(here: Path) -> None:
    score = _scores(lambda cell: 0.2, lambda cell: 0.05 if cell.model.activation == "silu" else 0.005)
    model = {"dimension": 8, "heads": 2, "activation": ["leaky", "silu"]}
    assert _verdicts(_built(score, model=model))["C8"] == CONTRADICTED
    assert "lacks cells that differ" in _built(score)["claims"].set_index("claim").loc["C8", "reason"]


def test_longer_training_and_the_order_of_encodings(here: Path) -> None:
    encodings = ["none", "abs", "learnt", "rope", "rmha4", "rotatory"]
    kept = _scores(lambda cell: 0.1 + 0.05 * encodings.index(cell.encoding), lambda cell: 0.002)
    training = {"epochs": [5, 10]}
    assert _verdicts(_built(kept, encodings=encodings, training=training))["C9"] == SUPPORTED
    turn = {5: 1, 10: -1}
    turned_over = _scores(
        lambda cell: 0.3 + 0.03 * turn[cell.training.epochs] * encodings.index(cell.encoding), lambda cell: 0.002
    )
    assert _verdicts(_built(turned_over, encodings=encodings, training=training))["C9"] == CONTRADICTED


def test_without_stability_no_claim_is_judged(here: Path) -> None:
    built = _built(
        _scores(lambda cell: 0.2, lambda cell: 0.01), seeds=2, deviation_seeds=[], report={"stability": False}
    )
    assert built["claims"].empty
    assert built["comparisons"].empty


def test_equal_scores_give_no_test_of_spread(here: Path) -> None:
    built = _built(_scores(lambda cell: 0.2, lambda cell: 0.0), seeds=5)
    assert built["comparisons"]["spread_p"].isna().all()
    assert _verdicts(built)["C2"] == OPEN
