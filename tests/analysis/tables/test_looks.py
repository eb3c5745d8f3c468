"""Studies that add seeds in declared looks, and looks that nobody declared."""

from pathlib import Path

import numpy as np

from posrec.analysis.report import summary
from posrec.analysis.stats import sequential
from posrec.analysis.tables import build, looks
from posrec.analysis.topics import wording
from posrec.commands import provenance
from posrec.study.study import Cell
from tests.analysis import made_up

PLAN = [5, 8, 12]


def _score(cell: Cell, seed: int) -> float:
    level = {"none": 0.1, "abs": 0.1, "rope": 0.13}[cell.encoding]
    return level + 0.002 * float(np.random.default_rng([seed, len(cell.encoding)]).standard_normal())


def _study(now: int) -> build.Tables:
    study = made_up.make_study(seeds={"looks": PLAN, "now": now}, deviation_seeds=[101, 102, 103])
    made_up.write_study(study, _score)
    return build.build_tables(study)


def test_a_look_is_judged_at_its_nominal_level(here: Path) -> None:
    """At 8 of 12 seeds two comparisons with none are at the level that O'Brien and Fleming's spending leaves."""
    tables = _study(8)
    rows = tables["comparisons"].query("against == 'none'").set_index("encoding")
    assert rows.loc["rope", "level"] == "ahead"
    assert rows.loc["rope", "decided_at"] in (5, 8)
    assert rows.loc["abs", "decided_at"] == 0
    assert rows["p"].isna().all()  # a p of fixed seeds isn't one of several looks
    wide = rows.loc["abs", "difference_high_points"] - rows.loc["abs", "difference_low_points"]
    plain = made_up.make_study(seeds=list(range(1, 9)), deviation_seeds=[101, 102, 103])
    made_up.write_study(plain, _score)
    fixed = build.build_tables(plain)["comparisons"].query("against == 'none'").set_index("encoding").loc["abs"]
    assert wide > fixed["difference_high_points"] - fixed["difference_low_points"]


def test_a_word_once_given_stays(here: Path) -> None:
    first, second = _study(5), _study(12)
    early = first["comparisons"].query("level == 'ahead'")
    late = second["comparisons"].set_index(["encoding", "against"])
    assert len(early)
    for _, row in early.iterrows():
        assert late.loc[(row["encoding"], row["against"]), "level"] == "ahead"
        assert late.loc[(row["encoding"], row["against"]), "decided_at"] == 5


def test_the_report_says_which_look_it_is_and_what_was_spent(here: Path) -> None:
    tables = _study(8)
    spent = 100 * sequential.spent(8 / 12, 0.05)
    text = f", look 2 of 3 (at 5, 8 and 12 seeds); {spent:.2g} % of the error of 5 % is spent (O'Brien-Fleming)"
    assert wording.look(tables.inputs.study) == text
    assert any(sentence.startswith(f"8 seeds per cell{text}: ") for sentence in summary.summary(tables))


def test_undeclared_looks_show_in_the_provenance(here: Path) -> None:
    declared = made_up.make_study(seeds={"looks": PLAN}, deviation_seeds=[101, 102, 103])
    assert looks.note(declared) == "not recorded"
    for number in (5, 5, 7, 8):
        study = made_up.make_study(seeds=list(range(1, number + 1)), deviation_seeds=[101, 102, 103])
        looks.record(study)
    assert looks.taken(study) == [5, 7, 8]
    assert looks.note(study) == "at 5, 7, 8 seeds, none declared: their error isn't counted"
    assert looks.note(declared).endswith("; not declared: 7, whose error isn't counted")
    assert "not declared: 7" in provenance.render(declared)
