"""The pipeline finds what was planted: order through encodings alone, time through the context alone.

The set-up is that of benchmarks/planted.py. Its seeds, measured once (docs/measured/planted.csv), say how many new ones
find the planted effects, and how far chance alone carries an effect that is none.
"""

from pathlib import Path

import pandas as pd
import pytest
from benchmarks import planted

MEASURED = planted.differences(pd.read_csv(Path(__file__).parents[2] / "docs/measured/planted.csv"))
SEEDS = (1, 2, 3, 4)
EFFECTS = [name for name in planted.DIFFERENCES if name not in planted.GOES_AWAY]


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    """The differences of NDCG@10 by seed."""
    return planted.differences(pd.DataFrame([planted.measure(seed) for seed in SEEDS]))


def test_there_are_as_many_seeds_as_the_measured_effects_need() -> None:
    assert len(SEEDS) == max(planted.seeds_needed(MEASURED[name]) for name in EFFECTS)
    assert not set(SEEDS) & set(planted.SEEDS)


@pytest.mark.parametrize("name", EFFECTS)
def test_what_was_planted_is_found(found: pd.DataFrame, name: str) -> None:
    """Order: an encoding beats none. Season: context beats no context. A paired test over seeds, one-sided."""
    assert planted.p_value(found[name]) < planted.ALPHA


@pytest.mark.parametrize("name", planted.GOES_AWAY)
def test_what_was_not_planted_is_not_found(found: pd.DataFrame, name: str) -> None:
    """Shuffled histories take away what the encoding added; where time alone counts, an encoding adds nothing."""
    bound = planted.chance_bound(MEASURED[name], len(SEEDS))
    assert found[name].mean() < bound < MEASURED[planted.GOES_AWAY[name]].mean()
