"""Verdicts on claims about the spread over seeds: C2, C3, C5."""

import numpy as np
import pandas as pd

from posrec.analysis.claims.evidence import Evidence, Row
from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED, Verdict, lacking, power_note
from posrec.analysis.stats.intervals import BCA_FROM
from posrec.analysis.stats.multiplicity import holm
from posrec.analysis.stats.stability import ALPHA

TEST = "permutation of the median-centred scores, log ratio of standard deviations"
ADDED_OF = {"abs_con": "abs", "learnt_con": "learnt", "rotatory_con": "rotatory"}


def encoding_matters(evidence: Evidence, protocol: str) -> Verdict:
    """C2: some encoding's spread differs from that of `none`.

    Contradicted where every ratio's interval is within the smallest ratio that matters, with enough seeds for it.
    """
    tests = _tested(evidence.against_none())
    if tests.empty:
        return lacking("`none` beside another encoding, both with three finished runs")
    found = tests[tests["adjusted"] <= ALPHA]
    shown = _most_different(tests if found.empty else found)
    if len(found):
        return _verdict(SUPPORTED, f"{_named(shown)}; {len(found)} of {len(tests)} comparisons show it.", shown, tests)
    if _alike(evidence, tests):
        ratio = evidence.inputs.study.settings.report.smallest_ratio
        reason = f"No interval reaches a ratio of {ratio:g}, the smallest that matters here."
        return _verdict(CONTRADICTED, reason, shown, tests)
    return _verdict(OPEN, f"No test is below 5 % after Holm. {power_note(tests)}", shown, tests)


def rmha4_is_steadiest(evidence: Evidence, protocol: str) -> Verdict:
    """C3: on some data set of high deviation, rmha4 is steadier than every other encoding.

    That is the largest p of its comparisons there, times the number of data sets and settings. Contradicted where some
    encoding is steadier than rmha4 (Holm over all comparisons).
    """
    tests = _tested(evidence.between({"rmha4"}))
    if tests.empty:
        return lacking("rmha4 beside another encoding, both with three finished runs")
    steadier = tests[(tests["adjusted"] <= ALPHA) & (tests["sd_ratio"] > 1)]
    if len(steadier):
        shown = steadier.iloc[int(steadier["adjusted"].argmin())]
        return _verdict(CONTRADICTED, f"{shown['against']} is steadier: {_named(shown)}.", shown, tests)
    best = _steadier_than_all(tests[tests["dataset"].isin(_high_deviation(evidence))])
    if best is not None and best["adjusted"] <= ALPHA:
        reason = f"On {best['dataset']} it is steadier than each other encoding; hardest: {_named(best)}."
        return _verdict(SUPPORTED, reason, best, tests)
    reason = f"It cannot be distinguished from all others on any data set of high deviation. {power_note(tests)}"
    return _verdict(OPEN, reason, _most_different(tests), tests)


def concatenated_are_steadier(evidence: Evidence, protocol: str) -> Verdict:
    """C5: a concatenated encoding is steadier than the added one, and no added one is steadier."""
    pairs = [evidence.between({con}, {added}) for con, added in ADDED_OF.items()]
    tests = _tested(pd.concat(pairs))
    if tests.empty:
        return lacking("an encoding both added and concatenated, with three finished runs each")
    found = tests[tests["adjusted"] <= ALPHA]
    shown = _most_different(tests if found.empty else found)
    if found.empty:
        return _verdict(OPEN, f"No test is below 5 % after Holm. {power_note(tests)}", shown, tests)
    steadier = int((found["sd_ratio"] < 1).sum())
    if 0 < steadier < len(found):
        reason = f"Both occur: {steadier} concatenated ones are steadier, {len(found) - steadier} less steady."
        return _verdict(OPEN, reason, shown, tests)
    reason = f"{_named(shown)}; {len(found)} of {len(tests)} comparisons show it, none the opposite."
    return _verdict(SUPPORTED if steadier else CONTRADICTED, reason, shown, tests)


def _tested(tests: pd.DataFrame) -> pd.DataFrame:
    tested = tests.dropna(subset=["spread_p"])
    return tested.assign(adjusted=holm(tested["spread_p"].to_numpy(float)))


def _most_different(tests: pd.DataFrame) -> Row:
    row: Row = tests.iloc[int(np.log(tests["sd_ratio"]).abs().argmax())]
    return row


def _alike(evidence: Evidence, tests: pd.DataFrame) -> bool:
    ratio = evidence.inputs.study.settings.report.smallest_ratio
    known = tests.dropna(subset=["sd_ratio_low"])
    enough = len(known) == len(tests) and tests["seeds"].min() >= BCA_FROM
    return bool(enough and (known["sd_ratio_low"] >= 1 / ratio).all() and (known["sd_ratio_high"] <= ratio).all())


def _high_deviation(evidence: Evidence) -> set[str]:
    """Data sets whose deviation is at least the median: the one there is, for a single one."""
    known = evidence.datasets.dropna(subset=["deviation_points"])
    return set(known.loc[known["deviation_points"] >= known["deviation_points"].median(), "dataset"])


def _steadier_than_all(tests: pd.DataFrame) -> "Row | None":
    """The hardest comparison of the clearest data set where every other encoding spreads more."""
    groups = tests.groupby(["dataset", "settings"], sort=False)
    worst = [rows.iloc[int(rows["spread_p"].argmax())] for _, rows in groups if (rows["sd_ratio"] < 1).all()]
    if not worst:
        return None
    best: Row = min(worst, key=lambda row: float(row["spread_p"])).copy()
    best["adjusted"] = min(1.0, float(best["spread_p"]) * groups.ngroups)
    return best


def _named(row: Row) -> str:
    where = f"{row['dataset']}{', ' + row['settings'] if row['settings'] else ''}"
    return f"standard deviation of {row['encoding']} {row['sd_ratio']:.2f} times that of {row['against']} on {where}"


def _verdict(verdict: str, reason: str, row: Row, tests: pd.DataFrame) -> Verdict:
    return Verdict(
        verdict,
        reason,
        estimate=float(row["sd_ratio"]),
        low=float(row["sd_ratio_low"]),
        high=float(row["sd_ratio_high"]),
        unit="ratio of standard deviations",
        test=TEST,
        p=float(row["adjusted"]),
        tests=len(tests),
    )
