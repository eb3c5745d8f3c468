"""A verdict and the words of its reason."""

from dataclasses import dataclass, replace

import pandas as pd

from posrec.analysis.stats import spread_tests
from posrec.analysis.stats.intervals import too_few_for_ratio
from posrec.analysis.stats.stability import ALPHA, count_word

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "not decidable with these data"


@dataclass(frozen=True)
class Verdict:
    """supported, contradicted or not decidable; the estimate with its interval, the test, and the reason in words."""

    verdict: str
    reason: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    test: str = ""
    p: float | None = None
    smallest_p: float | None = None
    tests: int | None = None

    def judged(self, verdict: str, reason: str) -> "Verdict":
        """The same figures with this verdict and reason."""
        return replace(self, verdict=verdict, reason=reason)


def lacking(what: str) -> Verdict:
    """The verdict of a study that lacks what the claim is about."""
    return Verdict(OPEN, f"This study lacks {what}.")


def cannot_reach(tests: pd.DataFrame, smallest: str) -> bool:
    """Whether not even the clearest outcome could bring a test below 5 % after Holm."""
    return bool(len(tests) * tests[smallest].min() > ALPHA)


def too_few_for_levels(tests: pd.DataFrame) -> str:
    """Why no test of levels could decide."""
    seeds, smallest = int(tests["pairs"].max()), float(tests["smallest_p"].min())
    return (
        f"{count_word(seeds).capitalize()} seeds allow no p below {smallest:.2g}, which is "
        f"{min(1, len(tests) * smallest):.2g} after Holm over {len(tests)} tests: no outcome could decide."
    )


def power_note(tests: pd.DataFrame) -> str:
    """Which differences in spread these seeds can detect."""
    seeds = int(tests["seeds"].min())
    needed = spread_tests.seeds_needed(2.0)
    power = f"a doubled spread is detected with {100 * spread_tests.power(seeds, 2.0):.0f} % power"
    enough = "" if needed is None or seeds >= needed else f"; {needed} seeds would detect it with 80 %"
    word = count_word(seeds).capitalize()
    cannot = " seeds cannot decide stability" if seeds < 10 else " seeds detect large differences only"
    few = too_few_for_ratio(seeds)
    return f"{word}{cannot}: before Holm, {power}{enough}." + (f" For the ratio, {few}." if few else "")
