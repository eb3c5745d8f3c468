"""What a study can decide before it is run."""

from pathlib import Path

import pytest

from posrec.analysis.claims import reach
from posrec.analysis.stats import reach as powers
from posrec.commands.plan import print_reach
from tests.analysis import made_up

NINE = ["none", "abs", "abs_con", "learnt", "learnt_con", "rotatory", "rotatory_con", "rmha4", "con_control"]


def test_leads_with_other_values_of_a_setting() -> None:
    """Two data sets, two bounds, three activations: 2 x 3 pairs of bounds and 2 x 2 x 3 of activations, two leads."""
    model = {"dimension": 8, "heads": 2, "upper_bound": [0.1, 1], "activation": ["leaky", "silu", "relu"]}
    study = made_up.make_study(2, encodings=["none", "abs", "rope"], model=model)
    found = {family.name: family for family in reach.families(study) if family.of == "lead"}
    assert {name.split()[-1]: family.comparisons for name, family in found.items()} == {
        "upper_bound": 12,
        "activation": 24,
    }
    powers = {one.family.of: one.power for one in reach.reaches(study, 0.01) if one.family.comparisons == 24}
    assert powers["lead"] < 1


def test_families_by_hand() -> None:
    """Four data sets, eight encodings beside none, seven of them positions; two data sets are of high deviation."""
    study = made_up.make_study(4, encodings=NINE)
    found = {family.name.split()[0]: family for family in reach.families(study) if family.name.startswith("C")}
    counts = {name: family.comparisons for name, family in found.items()}
    # C3: two data sets, rmha4 against none and six others; C4: two, each rotatory against none and five others
    assert counts == {"C1": 28, "C2": 28, "C3": 14, "C4": 24, "C5": 12, "C6": 4}
    per_data_set = [family.comparisons for family in reach.families(study) if "per data set" in family.name]
    assert per_data_set == [8, 28, 8]


def test_powers_are_those_of_the_rules() -> None:
    study = made_up.make_study(encodings=["none", "rope"], seeds=list(range(1, 31)), deviation_seeds=[101, 102, 103])
    level, spread = (one for one in reach.reaches(study, 0.02) if "per data set" in one.family.name)
    assert level.smallest_p == 1e-4
    assert level.power == powers.level_power(30, 0.02, 0.02, 1)
    assert level.seeds_needed == 10  # a margin of one standard deviation
    assert powers.level_power(30, 0.02, 0.02, 1, level.detects / 0.02) == pytest.approx(0.8, abs=1e-3)
    assert spread.power == powers.spread_power(30, 2.25, 1.5, 2)  # a single one is judged as one of two
    assert spread.seeds_needed is not None
    assert powers.spread_power(spread.seeds_needed, 2.25, 1.5, 2) >= 0.8
    few = made_up.make_study(encodings=["none", "rope"], seeds=list(range(1, 22)), deviation_seeds=[101, 102, 103])
    assert next(one for one in reach.reaches(few, 0.02) if one.family.of == "spread").power == 0  # rates unknown


def test_the_scatter_of_seeds_is_that_of_the_runs_there(here: Path) -> None:
    study = made_up.make_study(encodings=["none", "rope"])
    assert reach.deviation(study)[0] == reach.ASSUMED
    made_up.write_study(study, lambda cell, seed: 0.1 if cell.encoding == "none" else 0.1 + 0.01 * seed)
    relative, source = reach.deviation(study)
    assert relative == pytest.approx(0.1)  # differences 1, 2, 3 points over 10
    assert "from the runs that are there" in source


def test_a_study_says_what_it_cannot_decide(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_reach(made_up.make_study(encodings=["none", "abs", "abs_con"]))
    said = capsys.readouterr().out
    assert "assumed: the median of the committed study of Beauty" in said
    assert "this study can't be expected to decide: level of each against none" in said
    assert "C5 concatenated are steadier" in said
    print_reach(made_up.make_study(report={"stability": False}))
    assert capsys.readouterr().out == ""
