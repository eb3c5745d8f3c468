"""Verdicts on claims that compare data sets or settings: C6, C8, C9. `judge.CLAIMS` says each rule in words."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from posrec.analysis.claims.evidence import Case, Evidence, Group, judged
from posrec.analysis.claims.spread import TEST as SPREAD_TEST
from posrec.analysis.claims.spread import UNIT, few_seeds, most_different, named
from posrec.analysis.claims.verdict import OPEN, Verdict, decide, figures_of, lacking, open_cases
from posrec.analysis.stats import permutation, predictors
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT
from posrec.analysis.tables.duels import Duel, Side, levels, margin_of, spread_ratios

ACTIVATIONS = {"leaky", "silu"}
MOST_NAMED = 3


def deviation_decides(evidence: Evidence, protocol: str) -> Verdict:
    """C6, by one contrast over independent data sets; the first settings of the study that have one."""
    for label in dict.fromkeys(evidence.datasets["settings"]):
        found = _contrast(evidence, str(label))
        if found is not None:
            return _which_predictor(found)
    return lacking(
        f"{predictors.SMALLEST} independent data sets with deviation, sparsity and the advantage of every positional "
        "encoding"
    )


def _contrast(evidence: Evidence, label: str) -> tuple[predictors.Contrast, int] | None:
    datasets = evidence.datasets[evidence.datasets["settings"] == label].set_index("dataset")
    datasets = datasets[datasets.index.isin(evidence.independent)][["deviation_points", "sparsity"]].astype(float)
    cells = evidence.cells[(evidence.cells["settings"] == label) & evidence.cells["encoding"].isin(evidence.positions)]
    if cells.empty or datasets.empty:
        return None
    wide = cells.pivot(index="dataset", columns="encoding", values="advantage_points").astype(float)
    known = datasets.join(wide, how="inner").dropna()
    deviation, sparsity = (known[name].to_numpy() for name in ("deviation_points", "sparsity"))
    contrast = predictors.contrast(deviation, sparsity, known[wide.columns].to_numpy())
    return (contrast, len(known)) if contrast is not None else None


def _which_predictor(found: tuple[predictors.Contrast, int]) -> Verdict:
    contrast, number = found
    shares = f"deviation explains {contrast.first:.2f} of the ranks of the advantage, sparsity {contrast.second:.2f}"
    figures = Verdict(
        *(OPEN, ""),
        estimate=contrast.difference,
        unit="difference of squared partial rank correlations",
        test="exchange of the two predictors' ranks within independent data sets",
        p=contrast.p,
        smallest_p=contrast.smallest_p,
        tests=1,
    )
    clear = contrast.p <= ALPHA
    supports = f"Each given the other, {shares}." if clear and contrast.difference > 0 else ""
    contradicts = f"Each given the other, {shares}." if clear and contrast.difference < 0 else ""
    return decide(figures, supports, contradicts, f"On {number} independent data sets {shares}: not distinguishable.")


def activations_are_alike(evidence: Evidence, protocol: str) -> Verdict:
    """C8, over all encodings and data sets as one family."""
    chosen = [
        (group, Duel(group, own, other, margin_of(own, evidence.design.margin)))
        for a, b in evidence.differing_in("activation")
        if {evidence.settings[label]["activation"] for label in (a, b)} == ACTIVATIONS
        for group, own, other in _same_cells(evidence, a, b)
    ]
    cases = judged(chosen, spread_ratios, evidence.design)
    if not cases:
        return lacking("cells that differ in the activation alone (leaky, silu)")
    found = [case for case in cases if case.word in (AHEAD, BEHIND)]
    contradicts = f"They differ by more than the margin: {named(most_different(found))}." if found else ""
    supports = "Every pair of spreads is alike, within the margin." if all(c.word == EQUIVALENT for c in cases) else ""
    figures = figures_of(most_different(found or cases), SPREAD_TEST, UNIT)
    return decide(figures, supports, contradicts, f"{open_cases(cases)} {few_seeds(cases)}".strip())


def _same_cells(evidence: Evidence, first: str, second: str) -> Iterator[tuple[Group, Side, Side]]:
    """Cells that differ in their settings alone, those without a position or with one."""
    groups = evidence.groups()
    for (dataset, label), sides in groups.items():
        others = groups.get((dataset, second), {})
        if label == first:
            for name in ("none", *evidence.positions):
                if name in sides and name in others:
                    yield (dataset, first), replace(sides[name], name=f"{name} {first}"), _named(others[name], second)


def _named(side: Side, label: str) -> Side:
    return replace(side, name=f"{side.name} {label}")


def longer_training_keeps_order(evidence: Evidence, protocol: str) -> Verdict:
    """C9: order by rank correlation on disjoint seeds; changes of place by the rule, over all pairs as one family."""
    orders = list(_orders(evidence))
    tests = [(dataset, test) for dataset, cells in orders if (test := _kept(cells)) is not None]
    if not tests:
        return lacking("cells that differ in the epochs alone, with at least three encodings that differ in level")
    worst = min(tests, key=lambda named: named[1].statistic)
    figures = Verdict(
        *(OPEN, ""),
        estimate=worst[1].statistic,
        unit="rank correlation of the means",
        test="permutation of ranks, fewer and more epochs on disjoint seeds; each data set has to show it",
        p=max(test.p for _, test in tests),
        smallest_p=max(test.smallest_p for _, test in tests),
        tests=len(tests),
    )
    kept = all(test.p <= ALPHA and test.statistic > 0 for _, test in tests)
    supports = f"The order agrees on all {len(tests)} data sets; least on {worst[0]}." if kept else ""
    swapped = _swapped(evidence, orders)
    contradicts = f"{'; '.join(swapped[:MOST_NAMED])} change places between fewer and more epochs." if swapped else ""
    otherwise = f"No two encodings are shown to change places, nor is the order shown to stay on {worst[0]}."
    return decide(figures, supports, contradicts, otherwise)


Both = dict[str, tuple[Side, Side]]  # encoding -> cell with fewer epochs, cell with more


def _orders(evidence: Evidence) -> Iterator[tuple[str, Both]]:
    """Data sets with three encodings or more whose cells differ in the epochs alone."""
    groups = evidence.groups()
    for first, second in evidence.differing_in("epochs"):
        for (dataset, label), sides in groups.items():
            others = groups.get((dataset, second), {})
            wanted = [name for name in ("none", *evidence.positions) if name in sides and name in others]
            if label == first and len(wanted) > 2:
                yield dataset, {name: (sides[name], others[name]) for name in wanted}


def _kept(cells: Both) -> permutation.Test | None:
    """Rank correlation of the means with fewer epochs, on every other seed, and with more, on the rest.

    Of one seed the short and the long training begin alike: on the same seeds their noise would agree.
    """
    means = []
    for few, many in cells.values():
        seeds = sorted(set(few.scores.index) | set(many.scores.index))
        halves = few.scores.reindex(seeds[::2]).dropna(), many.scores.reindex(seeds[1::2]).dropna()
        means.append([half.mean() if len(half) else np.nan for half in halves])
    known = pd.DataFrame(means).dropna().to_numpy(float)
    return permutation.spearman(known[:, 0], known[:, 1]) if len(known) > 2 else None


def _swapped(evidence: Evidence, orders: list[tuple[str, Both]]) -> list[str]:
    """Pairs of encodings of which one is ahead with fewer epochs and behind with more."""
    chosen: list[tuple[Group, Duel]] = []
    for number, (dataset, cells) in enumerate(orders):
        for one, other in itertools.combinations(cells, 2):
            for side, epochs in enumerate(("fewer", "more")):
                duel = (cells[one][side], cells[other][side])
                margin = margin_of(cells.get("none", cells[one])[side], evidence.design.margin)
                chosen.append(((dataset, f"{epochs} {number}"), Duel((dataset, str(number)), *duel, margin)))
    cases = judged(chosen, levels, evidence.design)
    pairs = zip(cases[::2], cases[1::2], strict=True)
    return [_pair(few) for few, more in pairs if {few.word, more.word} == {AHEAD, BEHIND}]


def _pair(case: Case) -> str:
    return f"{case.duel.first.name} and {case.duel.second.name} on {case.group[0]}"
