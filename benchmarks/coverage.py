"""How often the intervals of a spread hold the true one, and how often the tests err: simulated studies.

    python -m benchmarks.coverage

writes docs/statistics-checked.md and docs/statistics-checked.csv. Everything is seeded: the same numbers each time. A
study is n seeds of one cell, or of two; a cell's scores are normal, fall into two equal modes, or are normal with 15 %
of the runs collapsed to chance.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from posrec.analysis import intervals, paired, permutation, resampling, spread_tests, stability
from posrec.files import write_text

SEEDS = (3, 5, 10, 20, 30)
STUDIES = 2_000
DATASETS = (5, 6, 7, 8)
RANK = "coverage of a rank correlation (n: data sets)"
PARTIAL = "false positives over data sets (n: data sets)"
ALPHA = 0.05
LEVEL_SHIFT = 3.0  # standard deviations between the levels of two cells
RATIOS = (1.5, 2.0, 3.0)
DOCS = Path("docs")

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Standard normal scores."""
    return generator.standard_normal(size)


def two_modes(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Two equal modes, six of their own standard deviations apart."""
    return generator.standard_normal(size) + 6 * generator.integers(0, 2, size)


def collapsed(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Normal scores; 15 % of the runs lie ten standard deviations below, at chance."""
    return generator.standard_normal(size) - 10 * (generator.random(size) < 0.15)


SHAPES: dict[str, Draw] = {"normal": normal, "two modes": two_modes, "15 % collapsed": collapsed}
TRUE_DEVIATION = {"normal": 1.0, "two modes": np.sqrt(10.0), "15 % collapsed": np.sqrt(1 + 100 * 0.15 * 0.85)}


def covers(shape: str, n: int, method: str) -> float:
    """Share of studies whose 95 % interval of the standard deviation holds the true one; none is a miss."""
    interval = resampling.bca_deviation_interval if method == "BCa" else stability.deviation_interval
    found = [interval(sample) for sample in _samples(shape, n)]
    return float(np.mean([x is not None and x[0] <= TRUE_DEVIATION[shape] <= x[1] for x in found]))


def covers_ratio(shape: str, n: int) -> float:
    """The same for the BCa interval of the log ratio of two equal spreads."""
    pairs = zip(_samples(shape, n), _samples(shape, n, other=True), strict=True)
    found = [resampling.bca_log_ratio_interval(first, second) for first, second in pairs]
    return float(np.mean([x is not None and x[0] <= 0 <= x[1] for x in found]))


def rejects(test: str, shape: str, n: int, ratio: float = 1.0, shift: float = 0.0) -> float:
    """Share of studies in which a test says p <= 5 %: of a false positive where the ratio is 1 (paired: no shift)."""
    first, second = _samples(shape, n), shift + ratio * _samples(shape, n, other=True)
    p = [TESTS[test](a, b) for a, b in zip(first, second, strict=True)]
    return float(np.mean([value is not None and value <= ALPHA for value in p]))


def _samples(shape: str, n: int, other: bool = False) -> np.ndarray:
    return SHAPES[shape](np.random.default_rng([n, list(SHAPES).index(shape), other]), (STUDIES, n))


def _log_ratio_p(first: np.ndarray, second: np.ndarray) -> float | None:
    result = spread_tests.log_ratio_test(first, second)
    return None if result is None else result.p


TESTS: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {
    "Brown-Forsythe": spread_tests.brown_forsythe,
    "log ratio, permuted": _log_ratio_p,
    "sign flips": lambda first, second: paired.sign_flip_p(first - second),
    "signed ranks": lambda first, second: paired.signed_rank_p(first - second),
    "gap": lambda first, second: spread_tests.gap_p(first),
}


def partial_rejects(datasets: int, together: float) -> float:
    """Share of studies in which the partial rank correlation says p <= 5 % although x and y only share `given`.

    together: correlation of each with it. A test that is refused counts as not significant.
    """
    generator = np.random.default_rng([datasets, int(100 * together)])
    given, first, second = generator.standard_normal((3, STUDIES, datasets))
    own = np.sqrt(1 - together**2)
    first, second = together * given + own * first, together * given + own * second
    tests = [permutation.partial_spearman(x, y, z) for x, y, z in zip(first, second, given, strict=True)]
    return float(np.mean([test is not None and test.p <= ALPHA for test in tests]))


def covers_rank(datasets: int, pearson: float) -> float:
    """Share of studies whose interval of Spearman's rho holds the true one, 6 / pi asin(r / 2); none is a miss."""
    generator = np.random.default_rng([datasets, int(100 * pearson)])
    first, second = generator.standard_normal((2, STUDIES, datasets))
    second = pearson * first + np.sqrt(1 - pearson**2) * second
    true = 6 / np.pi * np.arcsin(pearson / 2)
    rhos = [float(stats.spearmanr(x, y).statistic) for x, y in zip(first, second, strict=True)]
    found = [intervals.rank_correlation_interval(rho, datasets, 4) for rho in rhos]
    return float(np.mean([x is not None and x[0] <= true <= x[1] for x in found]))


def measure() -> pd.DataFrame:
    """Every method at every n and shape; columns: what, method, shape, n, share."""
    rows = list(tqdm(_rows(), desc="coverage", unit="figure", total=_count()))
    return pd.DataFrame(rows, columns=["what", "method", "shape", "n", "share"])


def _jobs() -> Iterator[tuple[str, str, str, int, Callable[[], float]]]:
    for shape in SHAPES:
        for n in SEEDS:
            for method in ("exact", "BCa"):
                yield "coverage of the standard deviation", method, shape, n, _bound(covers, shape, n, method)
            yield "coverage of the log ratio", "BCa", shape, n, _bound(covers_ratio, shape, n)
            for test in TESTS:
                if test != "gap" or shape == "normal":
                    yield "false positives", test, shape, n, _bound(rejects, test, shape, n)
            for test in ("Brown-Forsythe", "log ratio, permuted"):
                what = "false positives, levels differ"
                yield what, test, shape, n, _bound(rejects, test, shape, n, 1.0, LEVEL_SHIFT)
                for ratio in RATIOS:
                    job = _bound(rejects, test, shape, n, ratio, LEVEL_SHIFT)
                    yield f"power at ratio {ratio:g}", test, shape, n, job
    for together in (0.0, 0.5, 0.8, 0.95):
        for n in DATASETS:
            shape = f"predictors correlated by {together:g}"
            yield PARTIAL, "partial rank correlation", shape, n, _bound(partial_rejects, n, together)
    for pearson in (0.0, 0.5, 0.8, 0.95):
        for n in (*DATASETS, 10, 12):
            shape = f"scores correlated by {pearson:g}"
            yield RANK, "Fisher's z", shape, n, _bound(covers_rank, n, pearson)
    for n in SEEDS:
        yield "power, two modes", "gap", "two modes", n, _bound(rejects, "gap", "two modes", n)


def _bound(function: Callable[..., float], *arguments: object) -> Callable[[], float]:
    return lambda: function(*arguments)


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

Written by `python -m benchmarks.coverage`; don't edit. Simulated studies with a known truth: how often a 95 % interval
holds it, how often a test at 5 % errs, and what it sees. Figures are percentages of {STUDIES:,} studies, certain to 2.2
points or better; n is the number of seeds of a cell. *Two modes*: half of the runs lie six standard deviations higher.
*15 % collapsed*: so many runs lie ten standard deviations below the others. *Levels differ*: by three standard
deviations, with equal spreads. An interval that doesn't exist (three equal scores, say) counts as a miss, a test that
doesn't exist as not significant."""


def main() -> None:
    """Measure, and write both files."""
    table = measure()
    write_text(DOCS / "statistics-checked.csv", table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    write_text(DOCS / "statistics-checked.md", page(table))


if __name__ == "__main__":
    main()
