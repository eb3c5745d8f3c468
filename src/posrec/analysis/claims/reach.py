"""What a study can decide before it is run: for each family of comparisons and each claim the smallest p, the power,
what it detects, and the seeds that it takes.

Powers are for a true difference of twice the margin, with normal scores whose seeds scatter as stated: as in the runs
that are there, else as assumed. A claim's family is all of its comparisons over data sets and settings.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from posrec.analysis.claims.evidence import POSITIONS
from posrec.analysis.claims.levels import ROTATORY
from posrec.analysis.claims.settings import ACTIVATIONS
from posrec.analysis.claims.spread import ADDED_OF
from posrec.analysis.registry import origin
from posrec.analysis.stats import outcomes, predictors, reach
from posrec.errors import DataError
from posrec.plan.run import PlannedRun, planned_runs
from posrec.store import results
from posrec.study.encodings import family_of
from posrec.study.settings.evaluation import MarginSettings
from posrec.study.study import Cell, Study
from posrec.study.variation import settings_of, varied_settings

ASSUMED = 0.08  # sd of paired differences over the mean of none: the median of docs/results/beauty
ENOUGH = 0.8
MOST_SEEDS = 400
AGAINST_NONE = "level of each against none, per data set"


@dataclass(frozen=True)
class Family:
    """A family of comparisons: what it is about, how many, with how many seeds, and of levels or spreads."""

    name: str
    comparisons: int
    seeds: int
    of: str  # level, lead (a difference of two levels), spread, ranks or predictors


@dataclass(frozen=True)
class Reach:
    """What a family can decide: smallest p, power for twice the margin (None: unknown), seeds for 80 % (None: none).

    detects: what has a power of 80 %: a difference over the mean of none, or a ratio of spreads; infinite for nothing.
    """

    family: Family
    smallest_p: float
    power: float | None
    seeds_needed: int | None
    detects: float = math.inf

    @property
    def decides(self) -> bool:
        """Whether the study can be expected to decide it."""
        return self.smallest_p <= 0.05 if self.power is None else self.power >= ENOUGH


def deviation(study: Study) -> tuple[float, str]:
    """Standard deviation of paired differences over the mean of `none`, and where it comes from."""
    found = _observed(study)
    if found:
        return float(np.median(found)), f"from the runs that are there (median of {len(found)} comparisons)"
    return ASSUMED, "assumed: the median of the committed study of Beauty"


def _observed(study: Study) -> list[float]:
    """The relative deviation of each encoding against `none`, where three seeds of both are there."""
    scores: dict[tuple[str, ...], dict[int, float]] = {}
    for run in planned_runs(study):
        value = _score(run)
        if value is not None:
            key = (run.cell.dataset, run.cell.protocol.name, str(settings_of(run.cell)), run.cell.encoding)
            scores.setdefault(key, {})[run.seed] = value
    found = []
    for (*group, encoding), own in scores.items():
        none = scores.get((*group, "none"), {})
        common = [seed for seed in own if seed in none]
        if encoding != "none" and len(common) > 2:
            differences = [own[seed] - none[seed] for seed in common]
            found.append(float(np.std(differences, ddof=1) / np.mean(list(none.values()))))
    return found


def _score(run: PlannedRun) -> float | None:
    """NDCG@10 on the full catalogue under the cell's first protocol; None where the run isn't there or has none."""
    try:
        block = results.read_content(run.path)["evaluations"][run.cell.protocol.name]
    except (DataError, KeyError, TypeError, OSError):
        return None
    return None if block["collapsed"] else float(block["full"]["NDCG@10"])


def families(study: Study) -> list[Family]:
    """The families that the study has comparisons for, over its first protocol."""
    protocol = study.protocols[0].name
    cells = [cell for cell in study.cells if protocol in {one.name for one in cell.protocols}]
    seeds, names = len(study.settings.seeds_of_all_looks), study.settings.encodings
    groups = {(cell.dataset, str(settings_of(cell))) for cell in cells}
    positions = [name for name in names if family_of(name) in POSITIONS]
    others, against_none = len(names) - 1, "none" in names
    found = [
        Family(AGAINST_NONE, others if against_none else 0, seeds, "level"),
        Family("level of two encodings, per data set", math.comb(others, 2) if against_none else 0, seeds, "level"),
        Family("spread of each against none, per data set", others if against_none else 0, seeds, "spread"),
        *(
            Family(f"leads with other values of {name}", others * pairs if against_none else 0, seeds, "lead")
            for name, pairs in _pairs_of_settings(cells).items()
        ),
    ]
    with_none = len(positions) * len(groups) if against_none else 0
    blind = all(cell.switches.targets != "all" for cell in cells)
    high = math.ceil(len({group[0] for group in groups}) / 2) * len(groups) // max(1, len(study.settings.datasets))
    found += [
        Family("C1 levels differ", with_none, seeds, "level"),
        Family("C2 spreads differ", with_none, seeds, "spread"),
        Family("C3 rmha4 is steadiest", high * (len(positions) if "rmha4" in positions else 0), seeds, "spread"),
        Family("C4 rotatory is best", (len(groups) - high) * _rotatory_pairs(positions), seeds, "level"),
        Family("C5 concatenated are steadier", len(groups) * _added_pairs(names), seeds, "spread"),
        Family("C6 deviation decides", _independent(study) if with_none else 0, seeds, "predictors"),
        Family("C7 position adds to time", with_none if blind else 0, seeds, "level"),
        Family("C8 activations alike", _activations(cells), seeds, "spread"),
        Family("C9 order stays", len(positions) + 1 if _several_epochs(cells) else 0, seeds, "ranks"),
    ]
    return [family for family in found if family.comparisons > 0]


def _pairs_of_settings(cells: list[Cell]) -> dict[str, int]:
    """How many pairs of settings differ in one value alone, over all data sets, by setting."""
    varied = varied_settings(cells)
    found = dict.fromkeys(varied, 0)
    for dataset in {cell.dataset for cell in cells}:
        known = {str(values): values for cell in cells if cell.dataset == dataset for values in [settings_of(cell)]}
        for one, other in itertools.combinations(known.values(), 2):
            differ = [name for name in varied if one[name] != other[name]]
            if len(differ) == 1:
                found[differ[0]] += 1
    return found


def _rotatory_pairs(positions: list[str]) -> int:
    """Comparisons of a rotatory encoding with none and every other position, in one group."""
    there = len(set(ROTATORY) & set(positions))
    return there * (len(positions) - there + 1)


def _added_pairs(names: list[str]) -> int:
    return sum(con in names and added in names for con, added in ADDED_OF.items())


def _independent(study: Study) -> int:
    """Independent data sets; none of a study of one, which doesn't ask about several."""
    found = len({origin(name, dataset) for name, dataset in study.settings.datasets.items()})
    return found if len(study.settings.datasets) > 1 else 0


def _activations(cells: list[Cell]) -> int:
    both = {cell.model.activation for cell in cells} >= ACTIVATIONS
    return sum(cell.model.activation == "leaky" for cell in cells) if both else 0


def _several_epochs(cells: list[Cell]) -> bool:
    return any(
        len({cell.training.epochs for cell in cells if cell.dataset == name}) > 1
        for name in {cell.dataset for cell in cells}
    )


def reaches(study: Study, relative: float, wanted: Callable[[str], bool] = bool) -> Iterator[Reach]:
    """What each family can decide. relative: sd of paired differences over the mean of none; wanted: of its name."""
    margin = study.settings.report.margin
    for family in filter(lambda family: wanted(family.name), families(study)):
        if family.of in ("level", "lead"):
            yield _level(family, margin.relative, relative * (math.sqrt(2) if family.of == "lead" else 1.0))
        elif family.of == "spread":
            yield _spread(family, margin)
        else:
            yield _ordered(family)


def _level(family: Family, margin: float, relative: float) -> Reach:
    power = reach.level_power(family.seeds, margin, relative, family.comparisons)
    needed = reach.level_seeds(margin, relative, family.comparisons)

    def of_times(times: float) -> float:
        return reach.level_power(family.seeds, margin, relative, family.comparisons, times)

    return Reach(family, reach.smallest_p(family.seeds), power, needed, margin * _smallest(of_times))


def _smallest(power: Callable[[float], float], highest: float = 1_000.0) -> float:
    """The smallest number of margins, from 1 on, that is detected with ENOUGH power; infinite above `highest`."""
    low, high = 1.0, 2.0
    while power(high) < ENOUGH:
        low, high = high, high * 2
        if high > highest:
            return math.inf
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= ENOUGH else (middle, high)
    return high


def _spread(family: Family, margin: MarginSettings) -> Reach:
    """A spread of twice the margin: its square. Below the seeds that show rates of bad runs alike, nothing is said."""
    alike, comparisons = seeds_for_alike(margin.rate), max(2, family.comparisons)

    def of_ratio(ratio: float) -> float:
        known = family.seeds >= alike
        return reach.spread_power(family.seeds, ratio, margin.ratio, comparisons) if known else 0.0

    needed = reach.spread_seeds(margin.ratio**2, margin.ratio, comparisons)
    needed = None if needed is None else max(needed, alike)
    detects = margin.ratio * _smallest(lambda times: of_ratio(margin.ratio * times))
    return Reach(family, reach.smallest_p(family.seeds), of_ratio(margin.ratio**2), needed, detects)


def _ordered(family: Family) -> Reach:
    """Claims that rank data sets or encodings: their p has a floor whatever the seeds, their power isn't computed."""
    count = family.comparisons
    smallest = 2.0 ** (1 - count) if family.of == "predictors" else 2 / math.factorial(min(count, 20))
    if family.of == "predictors" and count < predictors.SMALLEST:
        smallest = 1.0
    return Reach(family, smallest, None, None)


@cache
def seeds_for_alike(rate: float) -> int:
    """Seeds with which two encodings without a bad run are known to have alike rates of them.

    >>> seeds_for_alike(0.15)
    22
    """
    tried = (n for n in range(3, MOST_SEEDS) if _alike(n, rate))
    return next(tried, MOST_SEEDS)


def _alike(n: int, rate: float) -> bool:
    return outcomes.compare(outcomes.rate(0, n), outcomes.rate(0, n), rate).word == "alike"
