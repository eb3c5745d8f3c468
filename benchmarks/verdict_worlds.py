"""Made-up tables of runs with a known truth, for benchmarks.verdicts: levels, spreads, shapes, and runs that are lost.

Five encodings on two data sets. Scores of `none` have a mean of 0.2 and a standard deviation of 0.008; the margin of a
level, 2 % of that mean, is half of the deviation.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.stats.threeway import AHEAD, EQUIVALENT, OPEN, Margin, Word
from posrec.analysis.tables.duels import Health, Side
from posrec.analysis.tables.load import RUN_COLUMNS, Inputs
from posrec.analysis.tables.scores import POINTS
from posrec.study.encodings import family_of
from posrec.study.study import Study, from_dict

ENCODINGS = ("none", "abs", "abs_con", "rmha4", "rotatory")
DATASETS = ("one", "two")
MEAN, DEVIATION, CHANCE = 0.2, 0.008, 0.01
LEVEL = Margin().relative * MEAN  # the margin of a level
RATIO, RATE = Margin().ratio, Margin().rate
TWIN = {"users": 100, "items": 50, "mean_length": 6}
Row = tuple[str, str, str, int, int, float, str]  # rule, truth, shape, seeds, studies, share, bound
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

SHAPES: dict[str, Draw] = {  # mean 0, standard deviation 1
    "normal": lambda generator, size: generator.standard_normal(size),
    "t4": lambda generator, size: generator.standard_t(4, size) / 2**0.5,
    "exponential": lambda generator, size: generator.exponential(size=size) - 1,
    "lognormal": lambda generator, size: (np.exp(generator.standard_normal(size)) - np.exp(0.5)) / 2.1612,
}
DISTANCE = {"normal": 0.7979, "t4": 0.7071, "exponential": 0.6931, "lognormal": 0.5258}  # mean distance to the median


@dataclass(frozen=True)
class Job:
    """A truth, a shape and a number of seeds. once: what one study says, by rule: 1 where it's wrong, holds or finds.

    studies: how many are simulated; more: how many where a share comes close to its bound.
    """

    truth: str
    shape: str
    n: int
    once: Callable[[np.random.Generator], Iterable[tuple[str, float]]]
    studies: int
    more: int


def bound_of(rule: str) -> str:
    """What the share of a rule may be: a wrong word in 5 % of studies, an interval that holds in 93 % at least."""
    return "<= 0.05" if "wrong" in rule else ">= 0.93" if "hold" in rule else ""


@dataclass(frozen=True)
class Truth:
    """What is true of the encodings: levels above none in margins, spreads over that of none; 0 and 1 where unnamed."""

    name: str
    levels: Mapping[str, float] = field(default_factory=dict)
    spreads: Mapping[str, float] = field(default_factory=dict)

    def level(self, one: str, two: str) -> float:
        """Level of one above two, in margins."""
        return self.levels.get(one, 0.0) - self.levels.get(two, 0.0)

    def ratio(self, one: str, two: str) -> float:
        """Spread of one over that of two."""
        return self.spreads.get(one, 1.0) / self.spreads.get(two, 1.0)


@dataclass(frozen=True)
class Shape:
    """How runs scatter and which are lost.

    draw: name in SHAPES; other: that of abs and abs_con, where it's another of equal mean distance to the median;
    shared: correlation of the encodings of a seed; together: of the two data sets; collapse, fail: rates by encoding,
    all of them as ""; fewer: whether the last third of the seeds of abs was never run.
    """

    name: str
    draw: str = "normal"
    other: str = ""
    shared: float = 0.0
    together: float = 0.0
    collapse: Mapping[str, float] = field(default_factory=dict)
    fail: Mapping[str, float] = field(default_factory=dict)
    fewer: bool = False

    def bad_rate(self, encoding: str) -> float:
        """Rate of bad runs."""
        collapse, fail = (rates.get(encoding, rates.get("", 0.0)) for rates in (self.collapse, self.fail))
        return fail + (1 - fail) * collapse


@cache
def study(n: int, looks: tuple[int, ...] = (), encodings: tuple[str, ...] = ENCODINGS, varied: str = "") -> Study:
    """A study of two simulated data sets with n seeds and fed context, so that every claim applies.

    looks: those it declares, the last of them now; varied: "activation" or "epochs", each with two values.
    """
    model: dict[str, Any] = {"dimension": 8, "heads": 2, "context": True}
    return from_dict(
        {
            "study": "made-up",
            "datasets": {name: {"simulate": {**TWIN, "seed": 1}} for name in DATASETS},
            "encodings": list(encodings),
            "protocols": ["sound_last"],
            "model": model | ({"activation": ["leaky", "silu"]} if varied == "activation" else {}),
            "training": {"epochs": [5, 10]} if varied == "epochs" else {},
            "seeds": {"looks": list(looks), "now": n} if looks else list(range(n)),
            "deviation_seeds": [10_001, 10_002, 10_003],
            "report": {"margin": {"floor": 0}},
        }
    )


@cache
def _frame(n: int, encodings: tuple[str, ...], settings: tuple[str, ...]) -> pd.DataFrame:
    """Rows of all runs, without scores: settings, data sets, encodings, seeds."""
    rows = [
        {"settings": label, "dataset": dataset, "encoding": name, "family": family_of(name), "seed": seed}
        for label in settings
        for dataset in DATASETS
        for name in encodings
        for seed in range(n)
    ]
    same = {"protocol": "sound_last", "role": "scoring", "status": "finished", "failure": "", "collapsed": False}
    table = pd.DataFrame(rows, columns=list(RUN_COLUMNS)).assign(**same, still_rising=False)
    return table.assign(run_id=table["settings"] + table["dataset"] + table["encoding"])


def scored(scores: np.ndarray, encodings: tuple[str, ...], settings: tuple[str, ...] = ("",)) -> pd.DataFrame:
    """A table of runs that all finished, from (settings, data sets, encodings, seeds) scores."""
    values = scores.ravel()
    return _frame(scores.shape[-1], encodings, settings).assign(full_ndcg10=values, full_hit10=1.5 * values)


def noise(shape: Shape, n: int, generator: np.random.Generator, encodings: tuple[str, ...] = ENCODINGS) -> np.ndarray:
    """(data sets, encodings, n) of mean 0 and standard deviation 1, in the shape."""
    size = (len(DATASETS), len(encodings), n)
    found = SHAPES[shape.draw](generator, size)
    if shape.shared:
        common = SHAPES[shape.draw](generator, (len(DATASETS), 1, n))
        found = (1 - shape.shared) ** 0.5 * found + shape.shared**0.5 * common
    if shape.together:
        found[1] = (1 - shape.together**2) ** 0.5 * found[1] + shape.together * found[0]
    if shape.other:
        scale = DISTANCE[shape.draw] / DISTANCE[shape.other]
        found[:, 1:3] = scale * SHAPES[shape.other](generator, (len(DATASETS), 2, n))
    return found


def drawn(
    truth: Truth, shape: Shape, n: int, generator: np.random.Generator, encodings: tuple[str, ...] = ENCODINGS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(data sets, encodings, n) scores of one study, which runs failed, and which collapsed to chance."""
    levels = np.array([truth.level(name, "none") for name in encodings])[:, None]
    spreads = np.array([truth.ratio(name, "none") for name in encodings])[:, None]
    scores = MEAN + LEVEL * levels + DEVIATION * spreads * noise(shape, n, generator, encodings)
    failed, collapsed = (
        generator.random(scores.shape) < np.array([rates.get(name, rates.get("", 0.0)) for name in encodings])[:, None]
        for rates in (shape.fail, shape.collapse)
    )
    return np.where(failed, np.nan, np.where(collapsed, CHANCE, scores)), failed, collapsed & ~failed


def runs(
    truth: Truth, shape: Shape, n: int, generator: np.random.Generator, encodings: tuple[str, ...] = ENCODINGS
) -> pd.DataFrame:
    """The table of runs of one study."""
    scores, failed, collapsed = drawn(truth, shape, n, generator, encodings)
    status = np.where(failed.ravel(), "failed", "finished")
    table = scored(scores[None], encodings).assign(status=status, collapsed=collapsed.ravel())
    return table[(table["encoding"] != "abs") | (table["seed"] < _planned(shape, "abs", n))]


def _planned(shape: Shape, name: str, n: int) -> int:
    return n - n // 3 if shape.fewer and name == "abs" else n


def sides(truth: Truth, shape: Shape, n: int, generator: np.random.Generator) -> list[dict[str, Side]]:
    """The cells of one study by data set: those that `duels.side` makes of its table, at a tenth of the time."""
    found = zip(*drawn(truth, shape, n, generator), strict=True)
    return [
        {
            name: _side(f"{DATASETS[number]}{name}", name, *(part[place][: _planned(shape, name, n)] for part in parts))
            for place, name in enumerate(ENCODINGS)
        }
        for number, parts in enumerate(found)
    ]


def _side(trained: str, name: str, scores: np.ndarray, failed: np.ndarray, collapsed: np.ndarray) -> Side:
    healthy = np.flatnonzero(~failed & ~collapsed)
    seeds = pd.Index(healthy)
    health = Health(len(scores), int(failed.sum()), int(collapsed.sum()), 0)
    return Side(name, pd.Series(POINTS * scores[healthy], seeds), pd.Series([trained] * len(seeds), seeds), health)


def evidence(table: pd.DataFrame, of: Study, draws: int) -> Evidence:
    """What claims are judged by: the second data set has the higher deviation."""
    datasets = pd.DataFrame({"dataset": DATASETS, "deviation_points": [0.1, 0.9]})
    labels = pd.DataFrame({"settings": table["settings"].unique()})
    known = datasets.merge(labels, how="cross").assign(protocol="sound_last")
    return Evidence(Inputs(of, table, {}, {}), known, known, (), draws).of("sound_last")


def wrong_level(word: Word, difference: float, rates: float) -> bool:
    """Whether a word is wrong of a true difference in margins; rates: that of bad runs, first minus second."""
    if word == EQUIVALENT:
        return abs(difference) >= 1 or abs(rates) >= RATE
    signed = difference if word == AHEAD else -difference
    lost = -rates if word == AHEAD else rates
    return word != OPEN and signed <= 1 and lost <= RATE


def wrong_spread(word: Word, ratio: float, rates: float) -> bool:
    """The same for a true ratio of spreads; a steadier one must not lose more of its runs."""
    if word == EQUIVALENT:
        return not 1 / RATIO < ratio < RATIO or abs(rates) >= RATE
    signed, more = (ratio, -rates) if word == AHEAD else (1 / ratio, rates)
    return word != OPEN and (signed <= RATIO or more >= RATE)
