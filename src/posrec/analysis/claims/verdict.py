"""A verdict, and the one order in which every claim is decided."""

from dataclasses import dataclass, replace

from posrec.analysis.claims.evidence import Case
from posrec.analysis.stats.threeway import OPEN as OPEN_WORD
from posrec.analysis.tables.reading import listing

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "not decidable with these data"
MOST_NAMED = 3


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


def decide(figures: Verdict, supports: str, contradicts: str, otherwise: str) -> Verdict:
    """The order for every claim: evidence on both sides leaves it open, on one side decides it, on none leaves it open.

    supports, contradicts: what is shown for and against the claim, in words; empty where nothing is.
    """
    if supports and contradicts:
        return figures.judged(OPEN, f"Both occur: {supports} {contradicts}")
    if supports:
        return figures.judged(SUPPORTED, supports)
    if contradicts:
        return figures.judged(CONTRADICTED, contradicts)
    return figures.judged(OPEN, otherwise)


def figures_of(case: Case, test: str, unit: str) -> Verdict:
    """A case's figures, still without a verdict."""
    found = case.found
    high = found.high if found.high < float("inf") else None
    numbers = (found.estimate, found.low, high, found.p, found.smallest_p)
    estimate, low, top, p, smallest = (None if value is None or value != value else value for value in numbers)
    return Verdict(OPEN, "", estimate, low, top, unit, test, p, smallest, found.comparisons)


def open_cases(cases: list[Case]) -> str:
    """How many comparisons of a family are open, and what withheld clearer words."""
    undecided = [case for case in cases if case.found.word == OPEN_WORD]
    reasons = list(dict.fromkeys(case.found.why for case in undecided if case.found.why))
    named = f" Withheld: {listing(reasons[:MOST_NAMED])}{' and more' if len(reasons) > MOST_NAMED else ''}."
    return f"{len(undecided)} of {len(cases)} comparisons are open.{named if reasons else ''}"
