"""Verdicts on claims about the level of the metrics: C1, C4, C7."""

import pandas as pd

from posrec.analysis.claims.evidence import Evidence, Row
from posrec.analysis.claims.verdict import (
    CONTRADICTED,
    OPEN,
    SUPPORTED,
    Verdict,
    cannot_reach,
    lacking,
    too_few_for_levels,
)
from posrec.analysis.stats.multiplicity import holm
from posrec.analysis.stats.stability import ALPHA

TEST = "sign flips of differences paired by seed"
ROTATORY = {"rotatory", "rotatory_con"}


def encoding_matters(evidence: Evidence, protocol: str) -> Verdict:
    """C1: some encoding's level differs from that of `none` by what matters.

    Contradicted where every simultaneous interval is within the smallest difference that matters.
    """
    return _differs(evidence, evidence.against_none().dropna(subset=["p"]), either_way=True)


def position_adds_to_time(evidence: Evidence, protocol: str) -> Verdict:
    """C7: with the context fed, and where `none` is blind to order, some encoding is ahead of `none`."""
    cells = [cell for cell in evidence.inputs.study.cells if cell.protocol.name == protocol]
    if any(cell.switches.targets == "all" for cell in cells):
        return Verdict(
            OPEN,
            "Where every step is a target, none learns order from the mask (or copies its targets): only one target "
            "per sample (sound_last) leaves it blind to order.",
        )
    if not all(cell.model.context for cell in cells):
        fed = [label for label, values in evidence.settings.items() if values.get("context", True)]
        evidence = _with_settings(evidence, fed)
    return _differs(evidence, evidence.against_none().dropna(subset=["p"]), either_way=False)


def _with_settings(evidence: Evidence, labels: list[str]) -> Evidence:
    kept = evidence.comparisons[evidence.comparisons["settings"].isin(labels)]
    return Evidence(evidence.inputs, evidence.datasets, kept, evidence.correlation)


def _differs(evidence: Evidence, tests: pd.DataFrame, either_way: bool) -> Verdict:
    if tests.empty:
        return lacking("`none` beside another encoding, both with finished runs")
    matters = evidence.inputs.study.settings.report.smallest_difference
    tests = tests.assign(adjusted=holm(tests["p"].to_numpy(float)))
    size = tests["difference_points"].abs() if either_way else tests["difference_points"]
    found = tests[(tests["adjusted"] <= ALPHA) & (size >= matters)]
    largest = tests if found.empty else found
    shown = largest.iloc[
        int((largest["difference_points"].abs() if either_way else largest["difference_points"]).argmax())
    ]
    within = tests["difference_high_points"] <= matters
    if either_way:
        within &= tests["difference_low_points"] >= -matters
    if len(found):
        return _verdict(SUPPORTED, f"{_named(shown)}; {len(found)} of {len(tests)} comparisons show it.", shown, tests)
    if within.all():
        reason = f"No interval reaches {matters:g} points, the smallest difference that matters here."
        return _verdict(CONTRADICTED, reason, shown, tests)
    if cannot_reach(tests, "smallest_p"):
        return _verdict(OPEN, too_few_for_levels(tests), shown, tests)
    return _verdict(OPEN, _still_open(tests, matters, shown), shown, tests)


def _still_open(tests: pd.DataFrame, matters: float, largest: Row) -> str:
    """Why differences are neither shown nor ruled out although there are enough seeds."""
    apart = int((tests["adjusted"] <= ALPHA).sum())
    shown = "No difference is significant (after Holm)"
    if apart:
        shown = f"{apart} of {len(tests)} differences are significant (after Holm), none of them what the claim needs"
    within = f"yet some intervals contain {matters:g} points, the smallest that matters"
    return f"{shown}, {within}; largest: {_named(largest)}."


def rotatory_is_best(evidence: Evidence, protocol: str) -> Verdict:
    """C4: on data sets of low deviation one of the two beats every other encoding.

    Supported where one beats each other (the largest p of its comparisons, Holm over data sets and the two);
    contradicted where another encoding beats both.
    """
    low = _low_deviation(evidence)
    tests = evidence.between(ROTATORY).dropna(subset=["p"])
    tests = tests[tests["dataset"].isin(low)]
    if tests.empty:
        return lacking("a rotatory encoding beside others on data sets of low deviation (a study needs two or more)")
    shown = tests.iloc[int(tests["difference_points"].argmin())]
    best = _beats_all(tests)
    if len(best) and (best["adjusted"] <= ALPHA).any():
        winner = best.iloc[int(best["adjusted"].argmin())]
        return _verdict(SUPPORTED, f"{winner['encoding']} beats every other on {winner['dataset']}.", winner, tests)
    beaten = tests.assign(adjusted=holm(tests["p"].to_numpy(float)))
    beaten = beaten[(beaten["adjusted"] <= ALPHA) & (beaten["difference_points"] < 0)]
    for key, rows in beaten.groupby(["dataset", "settings", "against"], sort=False):
        if set(rows["encoding"]) == set(tests["encoding"]):
            reason = f"{key[2]} beats both on {key[0]}: {_named(rows.iloc[0])}."
            return _verdict(CONTRADICTED, reason, rows.iloc[0], tests)
    if cannot_reach(tests, "smallest_p"):
        return _verdict(OPEN, too_few_for_levels(tests), shown, tests)
    return _verdict(OPEN, f"Neither beats all others, and none beats both; worst: {_named(shown)}.", shown, tests)


def _low_deviation(evidence: Evidence) -> set[str]:
    """Data sets whose deviation is below the median; empty for fewer than two."""
    known = evidence.datasets.dropna(subset=["deviation_points"])
    if known["dataset"].nunique() < 2:
        return set()
    return set(known.loc[known["deviation_points"] < known["deviation_points"].median(), "dataset"])


def _beats_all(tests: pd.DataFrame) -> pd.DataFrame:
    """Where an encoding leads every other: its hardest comparison, whose p is that of beating all of them."""
    worst = []
    for _, rows in tests.groupby(["dataset", "settings", "encoding"], sort=False):
        if (rows["difference_points"] > 0).all():
            worst.append(rows.iloc[int(rows["p"].argmax())])
    table = pd.DataFrame(worst)
    groups = tests.groupby(["dataset", "settings", "encoding"]).ngroups
    return table.assign(adjusted=(table["p"] * groups).clip(upper=1)) if len(table) else table


def _named(row: Row) -> str:
    where = f"{row['dataset']}{', ' + row['settings'] if row['settings'] else ''}"
    return f"{row['encoding']} {row['difference_points']:+.2f} points against {row['against']} on {where}"


def _verdict(verdict: str, reason: str, row: Row, tests: pd.DataFrame) -> Verdict:
    return Verdict(
        verdict,
        reason,
        estimate=float(row["difference_points"]),
        low=float(row["difference_low_points"]),
        high=float(row["difference_high_points"]),
        unit="points of NDCG@10",
        test=TEST,
        p=float(row["adjusted"]) if "adjusted" in row else float(row["p"]),
        smallest_p=float(min(1.0, len(tests) * tests["smallest_p"].min())),
        tests=len(tests),
    )
