"""Verdicts on claims that compare data sets or settings: C6, C8, C9."""

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd

from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED, Verdict, lacking, power_note
from posrec.analysis.stats import paired, permutation, spread_tests
from posrec.analysis.stats.intervals import BCA_FROM, ratio_interval
from posrec.analysis.stats.multiplicity import holm
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.tables.scores import POINTS, paired_differences, scores, some_collapsed

ACTIVATIONS = {"leaky", "silu"}


def deviation_decides(evidence: Evidence, protocol: str) -> Verdict:
    """C6: given sparsity, deviation goes with an encoding's advantage or spread, and sparsity given deviation not.

    Contradicted where it is the other way round.
    """
    partial = evidence.correlation[evidence.correlation["test"] == "partial"].dropna(subset=["p"])
    if partial.empty:
        return lacking("four data sets whose deviation and sparsity are not correlated, so that they can be separated")
    tests = partial.assign(adjusted=holm(partial["p"].to_numpy(float)))
    by_predictor = {name: tests[tests["predictor"] == name] for name in ("deviation", "sparsity")}
    below = {name: bool((rows["adjusted"] <= ALPHA).any()) for name, rows in by_predictor.items()}
    shown = by_predictor["deviation"].iloc[int(by_predictor["deviation"]["statistic"].abs().argmax())]
    smallest = float(min(1.0, len(tests) * tests["smallest_p"].min()))
    shown_as = Verdict(
        OPEN,
        "",
        estimate=float(shown["statistic"]),
        unit="partial rank correlation",
        test="permutation of ranks, cleared of the other predictor",
        p=float(shown["adjusted"]),
        smallest_p=smallest,
        tests=len(tests),
    )
    what = f"{shown['outcome']} of {shown['encoding']}"
    if below["deviation"] and not below["sparsity"]:
        return shown_as.judged(SUPPORTED, f"Deviation goes with the {what}, given sparsity; sparsity with none.")
    if below["sparsity"] and not below["deviation"]:
        return shown_as.judged(CONTRADICTED, "Sparsity goes with an outcome, given deviation; deviation with none.")
    if below["deviation"]:
        return shown_as.judged(OPEN, "Both go with an outcome, each given the other.")
    if smallest > ALPHA:
        datasets = int(tests["datasets"].max())
        reason = f"{datasets} data sets and {len(tests)} tests allow no p below {smallest:.2g} after Holm."
        return shown_as.judged(OPEN, reason)
    return shown_as.judged(OPEN, f"No test is below 5 % after Holm; largest: deviation with the {what}.")


def activations_are_alike(evidence: Evidence, protocol: str) -> Verdict:
    """C8: with leaky ReLU and SiLU, spreads differ by less than the smallest ratio that matters.

    Supported where every interval is within it and seeds are enough; contradicted where a test finds a difference.
    """
    rows = [
        _spread_row(runs, others, f"{dataset}, {encoding}")
        for a, b in evidence.differing_in("activation")
        if {evidence.settings[label]["activation"] for label in (a, b)} == ACTIVATIONS
        for dataset, encoding, runs, others in _same_runs(evidence, protocol, a, b)
    ]
    tests = pd.DataFrame([row for row in rows if row["spread_p"] is not None])
    if tests.empty:
        return lacking("cells that differ in the activation alone (leaky, silu), with three finished runs each")
    tests["adjusted"] = holm(tests["spread_p"].to_numpy(float))
    matters = evidence.inputs.study.settings.report.smallest_ratio
    shown = tests.iloc[int(np.log(tests["sd_ratio"]).abs().argmax())]
    shown_as = Verdict(
        OPEN,
        "",
        estimate=float(shown["sd_ratio"]),
        low=float(shown["low"]),
        high=float(shown["high"]),
        unit="ratio of standard deviations",
        test="permutation of the median-centred scores, log ratio of standard deviations",
        p=float(shown["adjusted"]),
        tests=len(tests),
    )
    if (tests["adjusted"] <= ALPHA).any():
        where = tests.iloc[int(tests["adjusted"].argmin())]["where"]
        return shown_as.judged(CONTRADICTED, f"They differ on {where}.")
    known = bool(tests["low"].notna().all() and tests["seeds"].min() >= BCA_FROM)
    if known and (tests["low"] >= 1 / matters).all() and (tests["high"] <= matters).all():
        return shown_as.judged(SUPPORTED, f"No interval reaches a ratio of {matters:g}.")
    return shown_as.judged(OPEN, f"No test is below 5 % after Holm, and intervals are wide. {power_note(tests)}")


def _spread_row(runs: pd.DataFrame, others: pd.DataFrame, where: str) -> dict[str, object]:
    first, second = scores(runs), scores(others)
    test = spread_tests.log_ratio_test(first, second)
    collapsed = some_collapsed(runs) or some_collapsed(others)
    low, high = ratio_interval(first, second, collapsed)[0] or (np.nan, np.nan)
    return {
        "where": where,
        "seeds": min(len(first), len(second)),
        "sd_ratio": np.nan if test is None else float(np.exp(test.log_ratio)),
        "low": low,
        "high": high,
        "spread_p": None if test is None else test.p,
    }


def _same_runs(
    evidence: Evidence, protocol: str, first: str, second: str
) -> Iterator[tuple[str, str, pd.DataFrame, pd.DataFrame]]:
    runs = evidence.inputs.runs
    runs = runs[(runs["role"] == "scoring") & (runs["protocol"] == protocol)]
    for (dataset, encoding), group in runs.groupby(["dataset", "encoding"], sort=False):
        of = [group[group["settings"] == label] for label in (first, second)]
        if all(len(part) for part in of):
            yield str(dataset), str(encoding), of[0], of[1]


def longer_training_keeps_order(evidence: Evidence, protocol: str) -> Verdict:
    """C9: the order of the encodings' means is the same for fewer and for more epochs.

    Supported where their rank correlation is positive and below 5 % (Holm over data sets); contradicted where two
    encodings change places between fewer and more epochs, both below 5 % (Holm over all such tests).
    """
    orders = [
        (dataset, cells)
        for first, second in evidence.differing_in("epochs")
        for dataset, cells in _by_dataset(evidence, protocol, first, second)
    ]
    if not orders:
        return lacking("cells that differ in the epochs alone, with at least three encodings")
    swapped = _swapped([cells for _, cells in orders])
    if swapped:
        return Verdict(CONTRADICTED, f"{swapped[0]} change places between fewer and more epochs.")
    rows = [(dataset, _rank_correlation(cells)) for dataset, cells in orders]
    tests = pd.DataFrame(
        [{"dataset": name, "rho": t.statistic, "p": t.p, "smallest_p": t.smallest_p} for name, t in rows if t]
    )
    if tests.empty:
        return lacking("three encodings that differ in level")
    tests["adjusted"] = holm(tests["p"].to_numpy(float))
    worst = tests.iloc[int(tests["rho"].argmin())]
    shown_as = Verdict(
        OPEN,
        "",
        estimate=float(worst["rho"]),
        unit="rank correlation of the means",
        test="permutation of ranks",
        p=float(worst["adjusted"]),
        smallest_p=float(min(1.0, len(tests) * tests["smallest_p"].min())),
        tests=len(tests),
    )
    if ((tests["adjusted"] <= ALPHA) & (tests["rho"] > 0)).all():
        return shown_as.judged(SUPPORTED, f"The order agrees on all {len(tests)}; least on {worst['dataset']}.")
    reason = f"No two encodings are shown to change places, nor is the order shown to stay on {worst['dataset']}."
    return shown_as.judged(OPEN, reason)


def _by_dataset(
    evidence: Evidence, protocol: str, first: str, second: str
) -> Iterator[tuple[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]]]:
    found: dict[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]] = {}
    for dataset, encoding, runs, others in _same_runs(evidence, protocol, first, second):
        if len(scores(runs)) and len(scores(others)):
            found.setdefault(dataset, {})[encoding] = (runs, others)
    yield from ((dataset, cells) for dataset, cells in found.items() if len(cells) > 2)


def _rank_correlation(cells: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> permutation.Test | None:
    means = np.array([[POINTS * scores(runs, PRIMARY).mean() for runs in pair] for pair in cells.values()])
    return permutation.spearman(means[:, 0], means[:, 1])


def _swapped(of_datasets: list[dict[str, tuple[pd.DataFrame, pd.DataFrame]]]) -> list[str]:
    """Pairs of encodings whose order is shown to change; each needs both of its tests."""
    found: list[tuple[str, float]] = []
    for cells in of_datasets:
        for one, other in itertools.combinations(cells, 2):
            differences = [paired_differences(a, b) for a, b in zip(cells[one], cells[other], strict=True)]
            p = [paired.sign_flip_p(values) for values in differences]
            if None in p or differences[0].mean() * differences[1].mean() >= 0:
                found.append((f"{one} and {other}", 1.0))
            else:
                found.append((f"{one} and {other}", max(value for value in p if value is not None)))
    adjusted = holm(np.array([p for _, p in found]))
    return [name for (name, _), value in zip(found, adjusted, strict=True) if value <= ALPHA]
