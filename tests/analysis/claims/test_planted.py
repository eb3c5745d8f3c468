"""Verdicts on simulated scores with a known truth: right at the stated power, and not above their error rate."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from posrec.analysis.claims import levels
from posrec.analysis.claims import spread as claims_on_spread
from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.claims.verdict import OPEN, SUPPORTED
from posrec.analysis.stats import reach, stability
from posrec.analysis.tables.load import RUN_COLUMNS, Inputs
from tests.analysis.made_up import make_study


def _studies(number: int, seeds: int, ratio: float = 1.0) -> Iterator[Evidence]:
    """Studies of `none` and `rope`, normal scores around one level, the spread of rope `ratio` times that of none."""
    generator = np.random.default_rng([seeds, int(100 * ratio)])
    study = make_study(encodings=["none", "rope"], seeds=list(range(1, seeds + 1)), deviation_seeds=[101, 102, 103])
    for _ in range(number):
        drawn = 0.1 + 0.01 * generator.standard_normal((seeds, 2)) * [1, ratio]
        yield _evidence(Inputs(study, _runs(drawn), {}, {}))


def _runs(scores: np.ndarray) -> pd.DataFrame:
    rows = [
        {"encoding": name, "seed": seed, "full_ndcg10": value, "full_hit10": value}
        for seed, pair in enumerate(scores, 1)
        for name, value in zip(("none", "rope"), pair, strict=True)
    ]
    same = {"dataset": "twin1", "protocol": "sound", "settings": "", "role": "scoring", "status": "finished"}
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS)).assign(**same, collapsed=False, still_rising=False)


def _evidence(inputs: Inputs) -> Evidence:
    empty = pd.DataFrame(columns=["protocol"])
    return Evidence(inputs, empty, empty, ()).of("sound")


def test_nothing_planted_is_seldom_supported() -> None:
    """At 10 seeds and 5 %: of 200 studies at most 13 (6.5 %) say so."""
    found = list(_studies(200, 10))
    spread = sum(claims_on_spread.encoding_matters(one, "sound").verdict == SUPPORTED for one in found)
    level = sum(levels.encoding_matters(one, "sound").verdict == SUPPORTED for one in found)
    assert spread <= 13
    assert level <= 13


def test_a_planted_difference_is_found_with_the_stated_power() -> None:
    """A spread 3.5 times as large at 25 seeds; the share of 60 studies is within three standard errors of the power."""
    verdicts = [claims_on_spread.encoding_matters(one, "sound") for one in _studies(60, 25, ratio=3.5)]
    stated = reach.spread_power(25, 3.5, 1.5)
    share = np.mean([verdict.verdict == SUPPORTED for verdict in verdicts])
    assert abs(share - stated) <= 3 * np.sqrt(stated * (1 - stated) / 60) + 0.02
    assert all(verdict.estimate is None or verdict.estimate > 1 for verdict in verdicts if verdict.verdict == SUPPORTED)


@pytest.mark.parametrize("seeds", [3, 5])
def test_few_seeds_cannot_decide(seeds: int) -> None:
    for one in _studies(10, seeds, ratio=2.0):
        verdict = claims_on_spread.encoding_matters(one, "sound")
        assert verdict.verdict == OPEN
        assert "seeds cannot decide stability" in verdict.reason


def test_the_exact_interval_of_a_spread_at_twenty_seeds() -> None:
    """.76 to 1.46 times the spread."""
    assert [round(bound, 2) for bound in stability.deviation_factors(20)] == [0.76, 1.46]
