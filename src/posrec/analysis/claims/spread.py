"""Verdicts on claims about the spread over seeds: C2, C3, C5. `judge.CLAIMS` says each rule in words.

The word "behind" of a ratio of spreads is steadier, "ahead" less steady.
"""

import math

from posrec.analysis.claims.evidence import Case, Evidence, Group
from posrec.analysis.claims.verdict import Verdict, decide, figures_of, lacking, open_cases
from posrec.analysis.stats.spreads import FEWEST
from posrec.analysis.stats.stability import count_word
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT
from posrec.analysis.tables.duels import spread_ratios

TEST = "intervals of the ratio by permutations, simultaneous by Sidak, against the margin (shown: for this ratio alone)"
UNIT = "ratio of spreads"
ADDED_OF = {
    "abs_con": "abs",
    "learnt_con": "learnt",
    "rotatory_con": "rotatory",
    "rotatory_unit_con": "rotatory_unit",
}


def encoding_matters(evidence: Evidence, protocol: str) -> Verdict:
    """C2."""
    cases = evidence.against_none(spread_ratios)
    if not cases:
        return lacking("`none` beside a positional encoding")
    found = [case for case in cases if case.word in (AHEAD, BEHIND)]
    supports = f"{named(most_different(found))}; {len(found)} of {len(cases)} show it." if found else ""
    alike = all(case.word == EQUIVALENT for case in cases)
    contradicts = "Every spread is alike that of none, within the margin." if alike else ""
    return _decided(cases, most_different(found or cases), supports, contradicts)


def rmha4_is_steadiest(evidence: Evidence, protocol: str) -> Verdict:
    """C3, on data sets of high deviation (a single data set counts as one)."""
    high = {group for group, above in evidence.high_deviation().items() if above}
    others = [name for name in ("none", *evidence.positions) if name != "rmha4"]
    cases = evidence.family([("rmha4", other) for other in others], spread_ratios, within=high)
    if not cases:
        return lacking("rmha4 beside another encoding on a data set of known, high deviation")
    steadier = [rows for rows in _by_group(cases).values() if all(case.word == BEHIND for case in rows)]
    beaten = [case for case in cases if case.word == AHEAD]
    hardest = max(steadier[0], key=lambda case: case.found.estimate) if steadier else None
    supports = f"On {hardest.where} it is steadier than each other; hardest: {named(hardest)}." if hardest else ""
    contradicts = f"{beaten[0].duel.second.name} is steadier: {named(beaten[0])}." if beaten else ""
    return _decided(cases, hardest or most_different(beaten or cases), supports, contradicts)


def concatenated_are_steadier(evidence: Evidence, protocol: str) -> Verdict:
    """C5: most comparisons have to show it, none the opposite."""
    cases = evidence.family(ADDED_OF.items(), spread_ratios)
    if not cases:
        return lacking("an encoding both added and concatenated")
    steadier = [case for case in cases if case.word == BEHIND]
    less = [case for case in cases if case.word == AHEAD]
    most = len(cases) / 2
    what = {
        "steadier": f"{len(steadier)} of {len(cases)} concatenated ones are steadier",
        "less": f"{len(less)} of {len(cases)} concatenated ones are less steady",
    }
    supports = f"{what['steadier']}: {named(most_different(steadier))}." if steadier else ""
    contradicts = f"{what['less']}: {named(most_different(less))}." if less else ""
    if not (steadier and less):  # one side alone has to be most of them
        supports = supports if len(steadier) > most else ""
        contradicts = contradicts if len(less) > most else ""
    return _decided(cases, most_different(steadier + less or cases), supports, contradicts)


def _decided(cases: list[Case], shown: Case, supports: str, contradicts: str) -> Verdict:
    otherwise = f"{open_cases(cases)} {few_seeds(cases)}".strip()
    return decide(figures_of(shown, TEST, UNIT), supports, contradicts, otherwise)


def few_seeds(cases: list[Case]) -> str:
    """Says that spreads have no interval, where that is so."""
    seeds = max(case.found.pairs for case in cases)
    word = count_word(seeds).capitalize()
    return f"{word} seeds cannot decide stability: no interval is valid at n = {seeds}." if seeds < FEWEST else ""


def _by_group(cases: list[Case]) -> dict[Group, list[Case]]:
    found: dict[Group, list[Case]] = {}
    for case in cases:
        found.setdefault(case.group, []).append(case)
    return found


def most_different(cases: list[Case]) -> Case:
    """The case whose ratio is farthest from 1."""
    return max(cases, key=lambda case: abs(math.log(case.found.estimate)) if case.found.estimate > 0 else -1.0)


def named(case: Case) -> str:
    """A case in words."""
    one, two = case.duel.first.name, case.duel.second.name
    return f"spread of {one} {case.found.estimate:.2f} times that of {two} on {case.where}"
