"""The one rule for every comparison of two cells: ahead, behind, equivalent or open; and the same for their spreads.

Levels: one interval of the mean difference over paired seeds, simultaneous for a stated family, against the margin
(`stats.threeway`). Spreads: the interval of their ratio, simultaneous by Sidak, against the margin's ratio. Both are
those of healthy runs; then the rates of failed and collapsed runs, and runs still rising, may withhold the word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from posrec.analysis.stats import maxt, outcomes, paired_spread, sequential, simultaneous, spreads
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN, Margin, Word, ratio_verdict, verdict
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.tables.scores import POINTS
from posrec.study.settings.study import StudySettings

ALPHA = 0.05
STEADINESS: dict[Word, str] = {AHEAD: "less steady", BEHIND: "steadier", EQUIVALENT: "alike", OPEN: OPEN}
Looks = tuple[int, ...]


@dataclass(frozen=True)
class Health:
    """Runs of a cell: planned, failed, collapsed to chance, and still rising when their training ended."""

    planned: int
    failed: int
    collapsed: int
    rising: int

    @property
    def bad(self) -> int:
        """Runs without a usable model: an outcome, not a gap."""
        return self.failed + self.collapsed

    @property
    def healthy(self) -> int:
        """Runs that finished above chance."""
        return self.planned - self.bad


@dataclass(frozen=True)
class Side:
    """A cell in a comparison. scores: healthy runs in points, by seed; trained: run id of each, by seed."""

    name: str
    scores: "pd.Series[float]"
    trained: "pd.Series[str]"
    health: Health


@dataclass(frozen=True)
class Duel:
    """Two cells compared. block: comparisons of one block share their seeds; margin: of the level, in points."""

    block: tuple[str, ...]
    first: Side
    second: Side
    margin: float


@dataclass(frozen=True)
class Found:
    """What a comparison says: the word, why a clearer one was withheld, and the figures behind it.

    Levels in points, their bounds simultaneous; spreads as a ratio, their bounds of this comparison alone, while the
    word is read from simultaneous ones. NaN where the design allows no interval. p: adjusted over the family.
    comparisons: of the family. decided_at: seeds of the look at which a study with looks decided it, 0 if open.
    """

    word: Word
    why: str
    estimate: float
    low: float
    high: float
    p: float
    smallest_p: float
    pairs: int
    comparisons: int
    decided_at: int = 0


@dataclass(frozen=True)
class Design:
    """What was stated beforehand: the margin, and the looks (numbers of seeds) of a study that adds seeds."""

    margin: Margin
    looks: Looks = ()


def design(settings: StudySettings) -> Design:
    """The design of a study."""
    stated = settings.report.margin
    return Design(Margin(stated.relative, stated.floor / POINTS, stated.ratio, stated.rate), settings.looks)


def health(runs: pd.DataFrame) -> Health:
    """The outcomes of a cell's runs. Older run files don't say whether they were rising; those count as not."""
    failed = runs["status"] != "finished"
    collapsed = ~failed & runs["collapsed"].astype(bool)
    rising = runs["still_rising"].eq(True) if "still_rising" in runs else pd.Series(False, runs.index)
    return Health(len(runs), int(failed.sum()), int(collapsed.sum()), int((rising & ~failed & ~collapsed).sum()))


def side(runs: pd.DataFrame, column: str = PRIMARY, name: str = "") -> Side:
    """A cell from its runs; column: the metric."""
    kept = runs[(runs["status"] == "finished") & ~runs["collapsed"].astype(bool)].set_index("seed")
    named = name or str(runs["encoding"].iloc[0])
    return Side(named, POINTS * kept[column].astype(float), kept["run_id"].astype(str), health(runs))


def margin_of(reference: Side, margin: Margin) -> float:
    """The margin of a level in points, from the healthy runs of the reference (`none`)."""
    mean = float(reference.scores.mean()) if len(reference.scores) else 0.0
    return POINTS * margin.level(mean / POINTS)


def levels(duels: Sequence[Duel], of: Design) -> list[Found]:
    """The rule for levels, over one family: in the order of the duels."""
    if not duels:
        return []
    places, arrays = _arrays(duels)
    margins = np.array([duels[place].margin for place in places])
    shown, decided = _intervals(arrays, margins, of.looks)
    tested = maxt.step_down(arrays)
    p = np.full(len(places), np.nan) if of.looks else tested.p
    each = sequential.alone(ALPHA, len(duels))
    found: dict[int, Found] = {}
    for index, place in enumerate(places):
        word, seeds = decided[index] if of.looks else (verdict(shown.low[index], shown.high[index], margins[index]), 0)
        interval = float(shown.estimate[index]), float(shown.low[index]), float(shown.high[index])
        tests = float(p[index]), float(tested.smallest_p[index])
        raw = Found(word, "", *interval, *tests, int(shown.seeds[index]), len(duels), seeds)
        found[place] = _withheld(raw, duels[place], of.margin, each, spread=False)
    return [found[place] for place in range(len(duels))]


def _arrays(duels: Sequence[Duel]) -> tuple[list[int], list[np.ndarray]]:
    """Places of the duels by block, and the (S, m) differences of each block, NaN where a run isn't healthy."""
    blocks: dict[tuple[str, ...], list[int]] = {}
    for place, duel in enumerate(duels):
        blocks.setdefault(duel.block, []).append(place)
    arrays = []
    for places in blocks.values():
        columns = [duels[place].first.scores - duels[place].second.scores for place in places]
        arrays.append(pd.concat(columns, axis=1).sort_index().to_numpy(float))
    return [place for places in blocks.values() for place in places], [_some_rows(array) for array in arrays]


def _some_rows(array: np.ndarray) -> np.ndarray:
    return array if len(array) else np.full((1, array.shape[1]), np.nan)


def _intervals(
    arrays: Sequence[np.ndarray], margins: np.ndarray, looks: Looks
) -> tuple[simultaneous.Intervals, list[tuple[Word, int]]]:
    """Simultaneous intervals; in a study with looks the repeated ones of the latest, and what each look decided."""
    if not looks:
        return simultaneous.intervals(arrays, ALPHA), []
    followed = sequential.follow(arrays, margins, looks)
    level = followed[-1].nominal if followed else sequential.nominal(looks, ALPHA, len(margins))[0]
    shown = simultaneous.intervals_at(arrays, float(stats.norm.isf(level / 2)))
    if not followed:
        return shown, [(OPEN, 0)] * len(margins)
    return shown, list(zip(followed[-1].words, followed[-1].decided_at, strict=True))


def spread_ratios(duels: Sequence[Duel], of: Design) -> list[Found]:
    """The rule for spreads, over one family. "ahead" is the larger spread: the first is less steady.

    Paired where both sides score the same trainings (`stats.paired_spread`), else by permutations.
    """
    family = max(1, len(duels))
    each, alone = sequential.alone(ALPHA, family), ALPHA
    if of.looks:
        seeds = max((duel.first.health.planned for duel in duels), default=0)
        look = max(0, sum(number <= seeds for number in of.looks) - 1)
        each, alone = (sequential.nominal(of.looks, ALPHA, many)[look] for many in (family, 1))
    return [_spread(duel, of.margin, each, alone, len(duels)) for duel in duels]


def _spread(duel: Duel, margin: Margin, each: float, alone: float, family: int) -> Found:
    """The word by the family's level, and the interval of this comparison alone: few seeds have no other."""
    common = duel.first.scores.index.intersection(duel.second.scores.index)
    pairs = len(common) if _same_trainings(duel) else min(len(duel.first.scores), len(duel.second.scores))
    ratio, shown = (_ratio(duel, common, level) for level in (each, alone))
    if _same_trainings(duel) and duel.first.scores.sort_index().equals(duel.second.scores.sort_index()):
        return Found(
            EQUIVALENT, "", 1.0, 1.0, 1.0, 1.0, float("nan"), pairs, family
        )  # an evaluation that changes nothing
    if ratio is None or shown is None:
        nan = float("nan")
        return Found(OPEN, _no_interval(pairs), _plain_ratio(duel), nan, nan, nan, nan, pairs, family)
    adjusted = float(-np.expm1(family * np.log1p(-min(ratio.p, 1 - 1e-12))))
    word = ratio_verdict(ratio.low, ratio.high, margin.ratio)
    found = Found(word, "", ratio.ratio, shown.low, shown.high, adjusted, float("nan"), pairs, family)
    return _withheld(found, duel, margin, each, spread=True)


def _same_trainings(duel: Duel) -> bool:
    """Whether the two score the same trainings."""
    common = duel.first.trained.index.intersection(duel.second.trained.index)
    return len(common) > 0 and bool((duel.first.trained.loc[common] == duel.second.trained.loc[common]).all())


def _ratio(duel: Duel, common: "pd.Index[Any]", each: float) -> spreads.Ratio | None:
    first, second = duel.first.scores, duel.second.scores
    if _same_trainings(duel):
        return paired_spread.paired_ratio(first.loc[common].to_numpy(), second.loc[common].to_numpy(), each)
    return spreads.unpaired_ratio(first.to_numpy(), second.to_numpy(), each)


def _plain_ratio(duel: Duel) -> float:
    one, two = (spreads.spread(each.scores.to_numpy()) for each in (duel.first, duel.second))
    return one / two if one > 0 and two > 0 else float("nan")


def _no_interval(pairs: int) -> str:
    return f"no interval is valid at n = {pairs}" if pairs < spreads.FEWEST else "the scores don't vary"


def _withheld(found: Found, duel: Duel, margin: Margin, each: float, spread: bool) -> Found:
    """The word that the rates of bad runs, and runs still rising, leave.

    Of levels, rates alone decide where one encoding loses more of its runs by more than the margin of rates.
    """
    one, two = duel.first.health, duel.second.health
    rates = outcomes.compare(outcomes.rate(one.bad, one.planned), outcomes.rate(two.bad, two.planned), margin.rate)
    known = _same_trainings(duel) and one.bad == two.bad  # two evaluations of the same runs
    word, why = outcomes.guard(found.word, [] if known else [rates], margin.rate, spread)
    if word != OPEN:
        word, why = _converged(word, duel, margin.rate, spread)
    if word == OPEN and not spread and (by_rates := _by_rates(one, two, margin.rate, each)) != OPEN:
        word, why = by_rates, f"{_lost(duel.first)}, {_lost(duel.second)}"
    if word == OPEN and not why and one.bad + two.bad:
        why = f"{_lost(duel.first)}, {_lost(duel.second)}"
    return replace(found, word=word, why=why)


def _by_rates(one: Health, two: Health, tolerance: float, each: float) -> Word:
    """The three-way rule for rates of bad runs, with the family's interval; it never says "equivalent"."""
    first, second = outcomes.rate(one.bad, one.planned, 1 - each), outcomes.rate(two.bad, two.planned, 1 - each)
    found = outcomes.compare(first, second, tolerance)
    word = verdict(-found.high, -found.low, tolerance)  # fewer bad runs are better
    return word if word in (AHEAD, BEHIND) else OPEN


def _lost(side: Side) -> str:
    return f"{side.health.bad} of {side.health.planned} seeds of {side.name} are useless"


def _converged(word: Word, duel: Duel, limit: float, spread: bool) -> tuple[Word, str]:
    """Withhold a word that leans on runs still rising: of the one that is behind, which might catch up, or of both.

    limit: the largest share of a cell's healthy runs that may still rise.
    """
    sides = [duel.first, duel.second]
    if not spread and word in (AHEAD, BEHIND):
        sides = [duel.second if word == AHEAD else duel.first]
    for one in sides:
        if one.health.rising > limit * one.health.healthy:
            return OPEN, f"{one.health.rising} of {one.health.healthy} runs of {one.name} are still rising"
    return word, ""


def spread_columns(found: Found) -> dict[str, Any]:
    """What a table says of a comparison of spreads."""
    return {
        "spread_ratio": found.estimate,
        "spread_ratio_low": found.low,
        "spread_ratio_high": found.high if found.high < float("inf") else None,
        "spread": STEADINESS[found.word],
        "spread_why": found.why,
        "spread_p": found.p,
    }
