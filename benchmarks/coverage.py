"""Coverage of intervals of a spread, and error rates of tests, in simulated studies.

    python -m benchmarks.coverage

writes docs/measured/statistics-checked.md and .csv, and the power curves, docs/measured/power.svg. Everything is
seeded: the numbers are the same each time. A study is n seeds of one cell, or of two; a cell's scores are normal, fall
into two equal modes, or are normal with 15 % of the runs collapsed to chance. Tests over data sets: over_datasets.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from benchmarks import over_datasets, power_curves
from benchmarks.over_datasets import Job
from posrec.analysis.stats import paired, resampling, spread_tests, stability
from posrec.analysis.stats.stability import ALPHA
from posrec.files import write_text

SEEDS = (3, 5, 10, 20, 30)
STUDIES = 2_000
FEWER = 500  # of those that take long: users resampled inside seeds, thresholds, ranks of encodings
USERS = 50  # of a study whose users are resampled
COLLAPSED = 0.15  # share of the runs
LEVEL_SHIFT = 3.0  # standard deviations between the levels of two cells
RATIOS = (1.5, 2.0, 3.0)
DOCS = Path("docs/measured")

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Standard normal scores."""
    return generator.standard_normal(size)


def two_modes(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Two equal modes, six of their own standard deviations apart."""
    return generator.standard_normal(size) + 6 * generator.integers(0, 2, size)


def collapsed(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Normal scores; 15 % of the runs are ten standard deviations below, at chance."""
    return generator.standard_normal(size) - 10 * (generator.random(size) < COLLAPSED)


SHAPES: dict[str, Draw] = {"normal": normal, "two modes": two_modes, "15 % collapsed": collapsed}
TRUE_DEVIATION = {"normal": 1.0, "two modes": np.sqrt(10.0), "15 % collapsed": np.sqrt(1 + 100 * 0.15 * 0.85)}
TRUE_MEAN = {"normal": 0.0, "two modes": 3.0, "15 % collapsed": -10 * COLLAPSED}
LOWEST = -5.0  # a score below it has collapsed


def covers(shape: str, n: int, method: str) -> float:
    """Share of studies whose 95 % interval of the standard deviation holds the true one; none is a miss."""
    interval = resampling.bca_deviation_interval if method == "BCa" else stability.deviation_interval
    return _share_holding(map(interval, _samples(shape, n)), TRUE_DEVIATION[shape])


def covers_unseen(n: int) -> float:
    """The same for the exact interval of the studies in which runs may collapse and none did."""
    samples = _samples("15 % collapsed", n)
    unseen = samples[samples.min(axis=1) > LOWEST]
    return _share_holding(map(stability.deviation_interval, unseen), TRUE_DEVIATION["15 % collapsed"])


def covers_mean(shape: str, n: int) -> float:
    """The same for Student's interval of the mean."""
    return _share_holding(map(stability.mean_interval, _samples(shape, n)), TRUE_MEAN[shape])


def covers_rate(n: int) -> float:
    """The same for Wilson's interval of the share of runs that collapse."""
    counts = (_samples("15 % collapsed", n) <= LOWEST).sum(axis=1)
    return _share_holding((stability.wilson_interval(int(count), n) for count in counts), COLLAPSED)


def covers_ratio(shape: str, n: int) -> float:
    """The same for the BCa interval of the log ratio of two equal spreads."""
    return _share_holding(map(resampling.bca_log_ratio_interval, *_pairs(shape, n)), 0.0)


def covers_share(shape: str, n: int) -> float:
    """The same for the F interval of a share of variance: two cells of one spread, so the true share is 1."""
    found = map(spread_tests.variance_share, *_pairs(shape, n))
    return _share_holding((share and share.interval for share in found), 1.0)


def covers_lead(n: int) -> float:
    """The same for the mean difference of two equal normal cells; users inside seeds add three times the spread."""
    first, second = (cells[:FEWER, :, None] for cells in _pairs("normal", n))
    users = 3 * np.random.default_rng([n, 3]).standard_normal((FEWER, n, USERS))
    return _share_holding(map(resampling.two_level_interval, first - second + users), 0.0)


def _share_holding(found: Iterator[stability.Interval | None], true: float) -> float:
    return float(np.mean([x is not None and x[0] <= true <= x[1] for x in found]))


def rejects(test: str, shape: str, n: int, ratio: float = 1.0, shift: float = 0.0) -> float:
    """Share of studies in which a test says p <= 5 %: of a false positive where the ratio is 1 (paired: no shift)."""
    first, second = _pairs(shape, n)
    second = shift + ratio * second
    p = [TESTS[test](a, b) for a, b in zip(first, second, strict=True)]
    return float(np.mean([value is not None and value <= ALPHA for value in p]))


def _samples(shape: str, n: int, other: bool = False) -> np.ndarray:
    return SHAPES[shape](np.random.default_rng([n, list(SHAPES).index(shape), other]), (STUDIES, n))


def _pairs(shape: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    return _samples(shape, n), _samples(shape, n, other=True)


def _log_ratio_p(first: np.ndarray, second: np.ndarray) -> float | None:
    result = spread_tests.log_ratio_test(first, second)
    return None if result is None else result.p


def _student_p(first: np.ndarray, second: np.ndarray) -> float:
    return float(stats.ttest_rel(first, second).pvalue)


def _f_p(first: np.ndarray, second: np.ndarray) -> float:
    below = stats.f.cdf(np.var(first, ddof=1) / np.var(second, ddof=1), len(first) - 1, len(second) - 1)
    return float(2 * min(below, 1 - below))


TESTS: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {
    "Brown-Forsythe": spread_tests.brown_forsythe,
    "log ratio, permuted": _log_ratio_p,
    "sign flips": lambda first, second: paired.sign_flip_p(first - second),
    "signed ranks": lambda first, second: paired.signed_rank_p(first - second),
    "Student's t, paired": _student_p,
    "F (published spreads)": _f_p,
    "gap": lambda first, second: spread_tests.gap_p(first),
}


def measure() -> pd.DataFrame:
    """Every method at every n and shape; columns: what, method, shape, n, share."""
    rows = list(tqdm(_rows(), desc="coverage", unit="figure", total=_count()))
    return pd.DataFrame(rows, columns=["what", "method", "shape", "n", "share"])


def _jobs() -> Iterator[Job]:
    for shape in SHAPES:
        for n in SEEDS:
            yield from _intervals(shape, n)
            yield from _tests(shape, n)
    for n in SEEDS:
        what, shape = "coverage of the standard deviation", "15 % collapsed"
        yield what, "exact, where no run collapsed", shape, n, partial(covers_unseen, n)
        yield "coverage of the collapse rate", "Wilson", shape, n, partial(covers_rate, n)
        yield "power, two modes", "gap", "two modes", n, partial(rejects, "gap", "two modes", n)
    yield from over_datasets.jobs(STUDIES, FEWER)


def _intervals(shape: str, n: int) -> Iterator[Job]:
    for method in ("exact", "BCa"):
        yield "coverage of the standard deviation", method, shape, n, partial(covers, shape, n, method)
    yield "coverage of the log ratio", "BCa", shape, n, partial(covers_ratio, shape, n)
    yield "coverage of a share of variance", "F", shape, n, partial(covers_share, shape, n)
    yield "coverage of the mean", "Student's t", shape, n, partial(covers_mean, shape, n)
    if shape == "normal":  # seconds a study
        yield "coverage of a lead", "two-level bootstrap", shape, n, partial(covers_lead, n)


def _tests(shape: str, n: int) -> Iterator[Job]:
    for test in TESTS:
        if test != "gap" or shape == "normal":
            yield "false positives", test, shape, n, partial(rejects, test, shape, n)
    for test in ("Brown-Forsythe", "log ratio, permuted"):
        what = "false positives, levels differ"
        yield what, test, shape, n, partial(rejects, test, shape, n, 1.0, LEVEL_SHIFT)
        for ratio in RATIOS:
            job = partial(rejects, test, shape, n, ratio, LEVEL_SHIFT)
            yield f"power at ratio {ratio:g}", test, shape, n, job


@cache
def _count() -> int:
    return sum(1 for _ in _jobs())


def _rows() -> Iterator[tuple[str, str, str, int, float]]:
    for what, method, shape, n, job in _jobs():
        yield what, method, shape, n, job()


def page(table: pd.DataFrame) -> str:
    """The page of docs: a table for each thing measured, shapes and methods by n."""
    parts = [HEAD]
    for what, rows in table.groupby("what", sort=False):
        wide = rows.pivot_table(index=["method", "shape"], columns="n", values="share", sort=False)
        lines = [
            f"\n## {str(what).capitalize()}\n",
            "| method | shape | " + " | ".join(f"n = {n}" for n in wide) + " |",
        ]
        lines.append("|---|---|" + "---|" * len(wide.columns))
        for (method, shape), values in wide.iterrows():
            lines.append(f"| {method} | {shape} | " + " | ".join(f"{100 * v:.1f}" for v in values) + " |")
        parts.append("\n".join(lines))
    return "\n".join(parts) + "\n"


HEAD = f"""# The statistics, checked by simulation

Written by `python -m benchmarks.coverage`; don't edit. Simulated studies with a known truth: the coverage of 95 %
intervals, the error rate of tests at 5 %, and their power. Figures are percentages of {STUDIES:,} studies, accurate to
2.2 points or better (lead, thresholds and ranks of encodings: {FEWER} studies, 4.5 points). n is the number of seeds
per cell.

- *Two modes*: half of the runs are six standard deviations higher.
- *15 % collapsed*: 15 % of the runs are ten standard deviations below the others.
- *Levels differ*: by three standard deviations, with equal spreads.
- An interval that is not defined (for example, of three equal scores) counts as a miss; a test that is not defined
  counts as not significant.

Consequences for the report:

- If some runs of a cell collapse, it shows an interval of the standard deviation only from twenty seeds on, and then a
  bootstrap interval. If runs collapse so rarely that none of the seeds did, no method can detect it: the exact interval
  is shown and is far too narrow. The upper bound of the collapse rate says how often that may happen.
- It shows an interval of a ratio of spreads from six seeds on, or from twenty if some runs collapse, and an interval of
  a lead over users from ten seeds on. A share of variance uses the interval of the ratio if some runs collapse.
- Verdicts use rules of their own ([verdicts-coverage.md](verdicts-coverage.md)). The F test is used only for published
  spreads, of which only means and standard deviations are known; the report states where it fails.

![Power by number of seeds](power.svg)

The curves show the share of studies in which a test finds that one spread is 1.5, 2 or 3 times the other (levels differ
too). The grey line is 80 %."""


def main() -> None:
    """Measure, and write both files."""
    table = measure()
    write_text(DOCS / "statistics-checked.csv", table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    write_text(DOCS / "statistics-checked.md", page(table))
    power_curves.draw(table, DOCS / "power")


if __name__ == "__main__":
    main()
