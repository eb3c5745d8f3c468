"""Simulated words of the one rule, for benchmarks.verdicts: four encodings against none, one family a data set."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks import verdict_worlds as worlds
from benchmarks.verdict_worlds import ENCODINGS, RATIO, Job, Shape, Truth
from posrec.analysis.stats.spreads import FEWEST
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, Margin, Word
from posrec.analysis.tables import duels
from posrec.analysis.tables.duels import Design, Duel, Found, Health, Side

SEEDS = (3, 5, 6, 10, 20, 30)
STUDIES, MORE = 60, 200  # each of two families
LOOKS = (5, 8, 12, 18, 25)
DRAWS = 999  # random patterns behind each interval; the report takes more
IN, OUT = 0.98, 1.02  # of a margin
NAMES = {
    "level": {AHEAD: "wrong ahead", BEHIND: "wrong behind", EQUIVALENT: "wrong equivalent"},
    "spread": {AHEAD: "wrong less steady", BEHIND: "wrong steadier", EQUIVALENT: "wrong alike"},
}
AT_MARGIN = Truth(
    "at the margin",
    {"abs": IN, "abs_con": -IN, "rmha4": OUT, "rotatory": -OUT},
    {"abs": IN * RATIO, "abs_con": 1 / (IN * RATIO), "rmha4": OUT * RATIO, "rotatory": 1 / (OUT * RATIO)},
)
FAR = Truth("far beyond the margin", {"rotatory": 5.0}, {"rmha4": 1 / 4.5})  # 2 sd beyond it; three times it
BUT_NONE = {"none": 0.0}  # the rate of all others is under ""
COLLAPSE = "all but none collapse in"
SHAPES = (
    *(Shape(name, name) for name in worlds.SHAPES),
    Shape("normal, seeds share half of their variance", shared=0.5),
    Shape("normal, abs and abs_con lognormal", other="lognormal"),
    Shape("lognormal, abs and abs_con normal", "lognormal", other="normal"),
    *(Shape(f"normal, {COLLAPSE} {100 * rate:g} %", collapse={"": rate} | BUT_NONE) for rate in (0.02, 0.05, 0.15)),
    Shape(f"exponential, {COLLAPSE} 5 %", "exponential", collapse={"": 0.05} | BUT_NONE),
    Shape("normal, none collapses in 15 %", collapse={"none": 0.15}),
    Shape("normal, all fail in 15 %", fail={"": 0.15}),
    Shape("normal, abs lacks a third of the seeds", fewer=True),
)
DEPENDENT = Shape("normal, two data sets that correlate by .9", together=0.9)


LEVEL = replace(AT_MARGIN, name="levels at the margin", spreads={})
SPREAD = replace(AT_MARGIN, name="spreads at the margin", levels={})
BOTH = replace(AT_MARGIN, name="levels and spreads at the margin")
PLAIN = SHAPES[: len(worlds.SHAPES)]
LOOKED = f", looks at {', '.join(map(str, LOOKS))}"


def jobs() -> list[Job]:
    """All jobs of this file."""
    cells = [(LEVEL, shape, n) for shape in SHAPES for n in SEEDS]
    cells += [(SPREAD, shape, n) for shape in SHAPES for n in SEEDS if n >= FEWEST]
    cells += [(BOTH, shape, n) for shape in PLAIN for n in (10, 30)]
    found = [
        Job(*_names(truth, shape), n, partial(families, truth, shape, n), STUDIES, MORE) for truth, shape, n in cells
    ]
    found += [
        Job(*_names(FAR, shape), n, partial(families, FAR, shape, n), STUDIES, STUDIES)
        for shape in PLAIN
        for n in (10, 20, 30)
    ]
    once = partial(one_family, LEVEL, DEPENDENT)
    found += [Job(*_names(LEVEL, DEPENDENT), n, partial(once, n), STUDIES, MORE) for n in (10, 20)]
    found += [
        Job(truth.name + LOOKED, shape.name, LOOKS[-1], partial(looked, truth, shape), 100, 400)
        for truth in (LEVEL, SPREAD)
        for shape in PLAIN
    ]
    among = "an effect of 3 sd among 63"
    return [*found, *(Job(among, name, 10, partial(sixty_three, name), 50, 200) for name in worlds.SHAPES)]


def _names(truth: Truth, shape: Shape) -> tuple[str, str]:
    return truth.name, shape.name


def design(looks: tuple[int, ...] = ()) -> Design:
    """The design of every made-up study: the default margins, without a floor."""
    return Design(Margin(floor=0.0), looks, DRAWS)


def compared(cells: list[dict[str, Side]]) -> list[list[Duel]]:
    """Each encoding against none, by data set."""
    margins = [duels.margin_of(sides["none"], design().margin) for sides in cells]
    return [
        [Duel((str(number),), sides[name], sides["none"], margin) for name in ENCODINGS[1:]]
        for number, (sides, margin) in enumerate(zip(cells, margins, strict=True))
    ]


def families(truth: Truth, shape: Shape, n: int, generator: np.random.Generator) -> Iterator[tuple[str, float]]:
    """What the families of two data sets say: 1 where a word is wrong, intervals hold, or a word is found."""
    for family in compared(worlds.sides(truth, shape, n, generator)):
        yield from _judged(truth, shape, [family])


def one_family(truth: Truth, shape: Shape, n: int, generator: np.random.Generator) -> Iterator[tuple[str, float]]:
    """The same with both data sets as one family, as claims see them."""
    yield from _judged(truth, shape, compared(worlds.sides(truth, shape, n, generator)))


def _judged(truth: Truth, shape: Shape, blocks: list[list[Duel]]) -> Iterator[tuple[str, float]]:
    family = [duel for block in blocks for duel in block]
    if truth.levels:
        found = duels.levels(family, design())
        yield from said("level", truth, shape, family, [found])
        yield from _level_intervals(truth, family, found)
    if truth.spreads:
        found = duels.spread_ratios(family, design())
        yield from said("spread", truth, shape, family, [found])
        yield from _spread_intervals(truth, family, found)


def said(
    kind: str, truth: Truth, shape: Shape, family: list[Duel], looks: Iterable[list[Found]]
) -> Iterator[tuple[str, float]]:
    """Whether any word is wrong at any look, by word; of a truth far beyond the margin, whether it is found."""
    wrong = dict.fromkeys(NAMES[kind].values(), False)
    far = False
    for found in looks:
        for duel, one in zip(family, found, strict=True):
            if one.word in NAMES[kind]:
                wrong[NAMES[kind][one.word]] |= _is_wrong(kind, one.word, truth, shape, duel.first.name)
                far |= one.word in (AHEAD, BEHIND) and duel.first.name in (*FAR.levels, *FAR.spreads)
    if truth is FAR:
        yield (f"{kind}: found", float(far))
    else:
        yield from ((f"{kind}: {name}", float(value)) for name, value in wrong.items())


def _is_wrong(kind: str, word: Word, truth: Truth, shape: Shape, name: str) -> bool:
    rates = shape.bad_rate(name) - shape.bad_rate("none")
    if kind == "level":
        return worlds.wrong_level(word, truth.level(name, "none"), rates)
    return worlds.wrong_spread(word, truth.ratio(name, "none"), rates)


def _level_intervals(truth: Truth, family: list[Duel], found: list[Found]) -> Iterator[tuple[str, float]]:
    true = [100 * worlds.LEVEL * truth.level(duel.first.name, "none") for duel in family]
    shown = [(one.low, value, one.high) for one, value in zip(found, true, strict=True) if np.isfinite(one.low)]
    if shown:
        yield "level: all intervals hold", float(all(low <= value <= high for low, value, high in shown))


def _spread_intervals(truth: Truth, family: list[Duel], found: list[Found]) -> Iterator[tuple[str, float]]:
    for duel, one in zip(family, found, strict=True):
        if np.isfinite(one.low):
            yield (
                "spread: interval of a ratio holds",
                float(one.low <= truth.ratio(duel.first.name, "none") <= one.high),
            )


def looked(truth: Truth, shape: Shape, generator: np.random.Generator) -> Iterator[tuple[str, float]]:
    """A study that adds seeds and is looked at: whether any word is wrong at any of the looks."""
    of = design(LOOKS)
    for family in compared(worlds.sides(truth, shape, LOOKS[-1], generator)):
        if truth.levels:  # a word once given stays, so the last look has them all
            yield from said("level", truth, shape, family, [duels.levels(family, of)])
        else:
            at = [[_until(duel, seeds) for duel in family] for seeds in LOOKS]
            yield from said("spread", truth, shape, family, [duels.spread_ratios(each, of) for each in at])


def _until(duel: Duel, seeds: int) -> Duel:
    first, second = (
        replace(
            side,
            scores=side.scores[side.scores.index < seeds],
            trained=side.trained[side.trained.index < seeds],
            health=replace(side.health, planned=seeds),
        )
        for side in (duel.first, duel.second)
    )
    return Duel(duel.block, first, second, duel.margin)


def sixty_three(shape: str, generator: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Seven data sets of ten encodings; one is 3 standard deviations of the scores ahead. No margin to speak of."""
    scores = worlds.SHAPES[shape](generator, (7, 10, 10))
    scores[0, 1] += 3.0
    family = []
    for block, cells in enumerate(scores):
        none, *others = (_cell(f"{block} {place}", own) for place, own in enumerate(cells))
        family += [Duel((str(block),), other, none, 1e-9) for other in others]
    found = duels.levels(family, design())
    yield "level: ahead found", float(found[0].word == AHEAD)
    yield "level: p of max-T at most 5 %", float(found[0].p <= 0.05)
    yield "level: wrong ahead or behind", float(any(one.word in (AHEAD, BEHIND) for one in found[1:]))


def _cell(name: str, scores: np.ndarray) -> Side:
    return Side(name, pd.Series(scores), pd.Series([name] * len(scores)), Health(len(scores), 0, 0, 0))
