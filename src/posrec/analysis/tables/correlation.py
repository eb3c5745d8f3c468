"""Does what works follow from a data set's deviation, or from its sparsity? Rank tests over data sets.

Holm over the encodings, not max-T: the data sets are the units and there are no seeds to be blocks. Reordering the data
sets for all encodings together would gain next to nothing where they are few: a rank correlation can't pass 1, each
encoding has orders of its own that reach it, so the smallest p is multiplied by the number of encodings all the same.
No claim reads these p: C6 is one contrast (`stats.predictors`).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats import intervals, permutation
from posrec.analysis.stats.multiplicity import holm
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, IDENTITY
from posrec.analysis.tables.reading import Row, Shown, between, number, text

PREDICTORS = {"deviation": "deviation_points", "sparsity": "sparsity"}
OUTCOMES = {"advantage": "advantage_points", "log spread ratio": "log_sd_ratio"}
CHOICES = {"best": "best_family", "steadiest": "steadiest_family"}
NEEDS = "needs four that differ, and deviation and sparsity that do not go together (rank correlation up to 0.7)"
COLUMNS = {
    "protocol": IDENTITY["protocol"],
    "settings": IDENTITY["settings"],
    "test": "spearman; partial: spearman with the other predictor held constant; family: does the predictor differ by "
    "family of the choice?",
    "predictor": "deviation or sparsity of the data set",
    "outcome": "advantage over none, log spread ratio to none, or the family of the best / steadiest encoding",
    "encoding": IDENTITY["encoding"],
    "datasets": "data sets in the test",
    "statistic": "spearman: rho; family: between-family sum of squares of the ranks",
    "low": "lower 95 % bound of rho (Fisher's z with the error of Bonett and Wright, from eight data sets on)",
    "high": "upper 95 % bound of rho",
    "leave_one_out_low": "lowest rho when one data set is left out",
    "leave_one_out_high": "highest rho when one data set is left out",
    "p": "two-sided permutation p",
    "p_method": "exact: all orders; Monte Carlo: random orders with a fixed seed",
    "orders": "orders counted",
    "p_holm": "p after Holm over the tests of one predictor and outcome",
    "tests": "number of tests that Holm counts",
    "smallest_p": "smallest p that this many data sets can reach",
    "smallest_p_holm": "the same after Holm, where it is the smallest of the tests",
    "decidable": "no: even the clearest outcome stays above 5 %",
    "note": "why there is no test, or what it cannot show",
}


def build(tables: Tables) -> pd.DataFrame:
    """The rank tests over all data sets of a study; columns: COLUMNS."""
    return correlation_table(tables["cells"], tables["datasets"])


def points(cells: pd.DataFrame, datasets: pd.DataFrame) -> pd.DataFrame:
    """What the correlations are over: one row per cell with an encoding other than `none`, and its data set's "
    "figures."""
    others = cells[(cells["kind"] == "encoding") & (cells["encoding"] != "none")]
    known = datasets[[*GROUP, "simulated", "density", *PREDICTORS.values()]]
    merged = others[[*GROUP, "encoding", "family", *OUTCOMES.values()]].merge(known, on=GROUP, how="left", sort=False)
    return merged.reset_index(drop=True)


def correlation_table(cells: pd.DataFrame, datasets: pd.DataFrame) -> pd.DataFrame:
    """All tests, grouped by protocol and settings; columns: COLUMNS.

    Spearman by encoding (Holm over the encodings of one predictor and outcome), the same with the other predictor held
    constant, and the predictor's difference between the families of the best and of the steadiest encoding.
    """
    over = points(cells, datasets)
    rows: list[dict[str, Any]] = []
    for key, group in datasets.groupby(["protocol", "settings"], sort=False):
        same = over[(over["protocol"] == key[0]) & (over["settings"] == key[1])]
        for tests in (*_spearman_families(same), *_partial_families(same), *_choice_tests(group)):
            rows += [{"protocol": key[0], "settings": key[1], **row} for row in _with_holm(tests)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(("datasets", "orders", "tests"), "Int64"))


def _spearman_families(over: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    for outcome, column in OUTCOMES.items():
        for predictor, source in PREDICTORS.items():
            yield [
                _spearman_row(
                    predictor, outcome, str(encoding), runs[source].to_numpy(float), runs[column].to_numpy(float)
                )
                for encoding, runs in over.groupby("encoding", sort=False)
            ]


def _spearman_row(predictor: str, outcome: str, encoding: str, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    row = {"test": "spearman", "predictor": predictor, "outcome": outcome, "encoding": encoding, "datasets": len(x)}
    test = permutation.spearman(x, y)
    if test is None:
        return {**row, "note": _no_test(len(x), predictor, f"the {outcome} of {encoding}")}
    low, high = intervals.rank_correlation_interval(test.statistic, len(x)) or (None, None)
    return {**row, **_figures(test), "low": low, "high": high, **_leave_one_out(x, y)}


def _partial_families(over: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """The same with the other predictor held constant: deviation given sparsity, and the reverse."""
    for outcome, column in OUTCOMES.items():
        for predictor, source in PREDICTORS.items():
            other = next(name for name in PREDICTORS if name != predictor)
            yield [
                _partial_row(predictor, other, outcome, str(encoding), runs[[source, column, PREDICTORS[other]]])
                for encoding, runs in over.groupby("encoding", sort=False)
            ]


def _partial_row(predictor: str, other: str, outcome: str, encoding: str, runs: pd.DataFrame) -> dict[str, Any]:
    known = runs.astype(float).dropna().to_numpy()
    row = {"test": "partial", "predictor": predictor, "outcome": outcome, "encoding": encoding, "datasets": len(known)}
    test = permutation.partial_spearman(*known.T)
    if test is None:
        return {**row, "note": f"{len(known)} data sets: a partial correlation (given {other}) {NEEDS}"}
    return {**row, **_figures(test)}


def _leave_one_out(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Range of rho when any one data set is left out."""
    tests = [permutation.spearman(np.delete(x, i), np.delete(y, i)) for i in range(len(x))]
    rhos = [test.statistic for test in tests if test is not None]
    return {"leave_one_out_low": min(rhos), "leave_one_out_high": max(rhos)} if rhos else {}


def _choice_tests(datasets: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    for choice, family in CHOICES.items():
        for predictor, source in PREDICTORS.items():
            known = datasets.dropna(subset=[family, source])
            yield [_choice_row(choice, predictor, [str(name) for name in known[family]], known[source].to_numpy(float))]


def _choice_row(choice: str, predictor: str, families: list[str], x: np.ndarray) -> dict[str, Any]:
    outcome = f"family of the {choice} encoding"
    row = {"test": "family", "predictor": predictor, "outcome": outcome, "datasets": len(x)}
    test = permutation.between_groups(x, families)
    if test is not None:
        return {**row, **_figures(test)}
    if len(x) > 2 and len(set(families)) == 1:
        return {**row, "note": f"the {outcome} is '{families[0]}' on every data set: nothing to compare"}
    return {**row, "note": _no_test(len(x), predictor, f"the {outcome}")}


def _no_test(n: int, predictor: str, outcome: str) -> str:
    if n < 3:
        return (
            f"{n} data set{'s' if n != 1 else ''} with both the {predictor} and {outcome}: a rank test needs at least 3"
        )
    return f"the {predictor} or {outcome} is the same on all {n} data sets: nothing to rank"


def _figures(test: permutation.Test) -> dict[str, Any]:
    method = "exact" if test.exact else "Monte Carlo"
    figures = {"statistic": test.statistic, "p": test.p, "p_method": method, "orders": test.orders}
    return {**figures, "smallest_p": test.smallest_p}


def _with_holm(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tested = [row for row in rows if "p" in row]
    if tested:
        adjusted = holm(np.array([row["p"] for row in tested]))
        for row, p_holm in zip(tested, adjusted, strict=True):
            smallest = min(1.0, len(tested) * row["smallest_p"])
            row |= {"p_holm": float(p_holm), "tests": len(tested), "smallest_p_holm": smallest}
            row |= {"decidable": "yes" if smallest <= ALPHA else "no", "note": _reach(row, smallest)}
    return [{"decidable": "no", **row} for row in rows]


def _reach(row: dict[str, Any], smallest: float) -> str:
    if smallest <= ALPHA:
        return ""
    grouped = " in these families" if row["test"] == "family" else ""
    reach = f"{row['datasets']} data sets{grouped} allow no p below {row['smallest_p']:.3g}"
    if row["smallest_p"] <= ALPHA:
        reach += f", and Holm over {row['tests']} tests makes that {smallest:.3g}"
    return f"{reach}: this design cannot decide at 5 %"


def shown(tables: Tables) -> Shown:
    """The tests over data sets."""
    return shown_tests(tables["correlation"])


def shown_tests(tests: pd.DataFrame) -> Shown:
    """Statistic, interval and p of the rows of a table with these COLUMNS."""
    header = ("protocol", "settings", "test", "predictor", "outcome", "encoding", "data sets", "statistic")
    more = ("one left out", "p", "p (Holm)", "smallest p", "decidable", "note")
    return (*header, *more), tuple(_shown_row(row) for _, row in tests.iterrows())


def _shown_row(row: Row) -> tuple[str, ...]:
    return (
        *(row[name] for name in ("protocol", "settings", "test", "predictor", "outcome")),
        text(row["encoding"]),
        str(row["datasets"]),
        f"{number(row['statistic'])} {between(row['low'], row['high'])}".strip(),
        between(row["leave_one_out_low"], row["leave_one_out_high"]),
        *(number(row[name], 4) for name in ("p", "p_holm", "smallest_p")),
        row["decidable"],
        text(row["note"]),
    )
