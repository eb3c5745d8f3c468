"""What the verdicts on the claims are based on: families of comparisons, each judged by the one rule (`tables.duels`).

Positional encodings alone count as such: no capacity control and no encoding of time. Where a study has the capacity
control of an encoding, what the encoding does must also hold against that control.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from posrec.analysis.stats import maxt
from posrec.analysis.stats.threeway import Word
from posrec.analysis.tables import duels
from posrec.analysis.tables.duels import Duel, Found, Side
from posrec.analysis.tables.load import PRIMARY, Inputs
from posrec.study.encodings import family_of
from posrec.study.variation import settings_label, settings_of, varied_settings

POSITIONS = ("added", "concatenated", "relative", "rotary", "kernel")  # families
CONTROLS = {
    "added": "added_control",
    "concatenated": "con_control",
    "rotary": "rotary_control",
    "kernel": "kernel_control",
}
Group = tuple[str, str]  # data set, settings
Judge = Callable[[list[Duel], duels.Design], list[Found]]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """One comparison of a claim: where, which two encodings (or settings), and what it says."""

    group: Group
    duel: Duel
    found: Found

    @property
    def word(self) -> Word:
        """The word of the rule."""
        return self.found.word

    @property
    def where(self) -> str:
        """Data set and settings in words."""
        return ", ".join(part for part in self.group if part)


@dataclass(frozen=True)
class Evidence:
    """A study's runs and tables for one protocol after `of`.

    datasets, cells: these tables; independent: data sets that share no interactions; draws: see `duels.Design`.
    """

    inputs: Inputs
    datasets: pd.DataFrame
    cells: pd.DataFrame
    independent: tuple[str, ...]
    draws: int = maxt.DRAWS

    def of(self, protocol: str) -> "Evidence":
        """The same for one protocol alone."""
        datasets, cells = (table[table["protocol"] == protocol] for table in (self.datasets, self.cells))
        runs = self.inputs.runs
        kept = replace(self.inputs, runs=runs[(runs["role"] == "scoring") & (runs["protocol"] == protocol)])
        return Evidence(kept, datasets, cells, self.independent, self.draws)

    @cached_property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings behind each label."""
        cells = self.inputs.study.cells
        varied = varied_settings(cells)
        return {settings_label(cell, varied): {name: settings_of(cell)[name] for name in varied} for cell in cells}

    def differing_in(self, name: str) -> Iterator[Pair]:
        """Pairs of labels of settings that differ in `name` alone, in the order of the study."""
        labels = list(self.settings.items())
        for number, (label, values) in enumerate(labels):
            for other, others in labels[number + 1 :]:
                if [key for key in values if values[key] != others[key]] == [name]:
                    yield label, other

    @cached_property
    def design(self) -> duels.Design:
        """Margin and looks."""
        return replace(duels.design(self.inputs.study.settings), draws=self.draws)

    @cached_property
    def positions(self) -> list[str]:
        """The positional encodings of the study: no controls, no encodings of time."""
        return [name for name in self.inputs.study.settings.encodings if family_of(name) in POSITIONS]

    def groups(self, metric: str = PRIMARY) -> dict[Group, dict[str, Side]]:
        """Encoding -> cell, by data set and settings."""
        if metric not in self._groups:
            self._groups[metric] = self._cells(metric)
        return self._groups[metric]

    @cached_property
    def _groups(self) -> dict[str, dict[Group, dict[str, Side]]]:
        return {}

    def _cells(self, metric: str) -> dict[Group, dict[str, Side]]:
        found: dict[Group, dict[str, Side]] = {}
        for (dataset, label, name), runs in self.inputs.runs.groupby(["dataset", "settings", "encoding"], sort=False):
            found.setdefault((str(dataset), str(label)), {})[str(name)] = duels.side(runs, metric)
        return found

    def high_deviation(self) -> dict[Group, bool]:
        """Whether a data set's deviation is at or above the median of the data sets with the same settings."""
        known = self.datasets.dropna(subset=["deviation_points"])
        found: dict[Group, bool] = {}
        for label, rows in known.groupby("settings", sort=False):
            middle = rows["deviation_points"].median()
            named = zip(rows["dataset"], rows["deviation_points"] >= middle, strict=True)
            found |= {(str(dataset), str(label)): bool(high) for dataset, high in named}
        return found

    def family(self, pairs: Iterable[Pair], judge: Judge, metric: str = PRIMARY, within: Any = None) -> list[Case]:
        """All comparisons of these pairs of encodings, over all data sets and settings, judged as one family.

        within: the groups to look at; None: all.
        """
        wanted = list(pairs)
        chosen: list[tuple[Group, Duel]] = []
        for group, sides in self.groups(metric).items():
            if within is None or group in within:
                reference = sides.get("none") or next(iter(sides.values()))
                margin = duels.margin_of(reference, self.design.margin)
                here = [(a, b) for a, b in wanted if a in sides and b in sides]
                chosen += [(group, Duel(group, sides[a], sides[b], margin)) for a, b in here]
        return judged(chosen, judge, self.design)

    def against_none(self, judge: Judge, metric: str = PRIMARY, within: Any = None) -> list[Case]:
        """Every positional encoding against `none`; a word that doesn't hold against the capacity control is withheld.

        Both comparisons have to say so, so that neither family's error grows.
        """
        cases = self.family([(name, "none") for name in self.positions], judge, metric, within)
        controlled = [(name, control) for name in self.positions if (control := control_of(name))]
        beside = {(case.group, case.duel.first.name): case for case in self.family(controlled, judge, metric, within)}
        return [_beside(case, beside.get((case.group, case.duel.first.name))) for case in cases]


def control_of(encoding: str) -> str:
    """The capacity control of an encoding: what it adds beside positions; empty where it adds nothing else.

    >>> control_of("abs_con"), control_of("rmha4"), control_of("alibi")
    ('con_control', 'rmha_control', '')
    """
    if encoding.startswith("rmha"):
        return "rmha_control"
    return CONTROLS.get(family_of(encoding), "")


def _beside(case: Case, control: Case | None) -> Case:
    if control is None or case.word in ("open", "equivalent") or control.word == case.word:
        return case
    why = f"{case.duel.first.name} isn't shown to differ from its capacity control {control.duel.second.name} as well"
    return replace(case, found=replace(case.found, word="open", why=why))


def judged(chosen: list[tuple[Group, Duel]], judge: Judge, design: duels.Design) -> list[Case]:
    """Comparisons as one family."""
    found = judge([duel for _, duel in chosen], design)
    return [Case(group, duel, each) for (group, duel), each in zip(chosen, found, strict=True)]
