"""Verdicts on claims about the level of the metrics: C1, C4, C7. `judge.CLAIMS` says each rule in words."""

from posrec.analysis.claims.evidence import Case, Evidence, Group
from posrec.analysis.claims.verdict import OPEN, Verdict, decide, figures_of, lacking, open_cases
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT
from posrec.analysis.tables.duels import levels

TEST = "simultaneous intervals of differences paired by seed against the margin; p: max-T"
ROTATORY = ("rotatory", "rotatory_con")
METRICS = ("full_ndcg10", "full_hit10")
NONE_AND_ANOTHER = "`none` beside a positional encoding, both with three healthy runs of the same seeds"


def encoding_matters(evidence: Evidence, protocol: str) -> Verdict:
    """C1, on both metrics."""
    by_metric = [_tested(evidence.against_none(levels, metric)) for metric in METRICS]
    ndcg, hit = by_metric
    if not ndcg:
        return lacking(NONE_AND_ANOTHER)
    both = [one for one, other in zip(ndcg, hit, strict=True) if one.word == other.word and _moved(one)]
    shown = _largest(both or ndcg)
    supports = f"{_named(shown)}, and as clearly in Hit@10; {len(both)} of {len(ndcg)} show it." if both else ""
    alike = all(case.word == EQUIVALENT for cases in by_metric for case in cases)
    contradicts = "Every encoding is equivalent to none within the margin, in NDCG@10 and Hit@10." if alike else ""
    return decide(figures_of(shown, TEST, "points of NDCG@10"), supports, contradicts, _undecided(ndcg, shown))


def position_adds_to_time(evidence: Evidence, protocol: str) -> Verdict:
    """C7, where the context is fed and `none` is blind to order."""
    cells = [cell for cell in evidence.inputs.study.cells if cell.protocol.name == protocol]
    if any(cell.switches.targets == "all" for cell in cells):
        return Verdict(
            OPEN,
            "Where every step is a target, none learns order from the mask (or copies its targets): only one target "
            "per sample (sound_last) leaves it blind to order.",
        )
    cases = _tested(evidence.against_none(levels, within=_fed(evidence, any(cell.model.context for cell in cells))))
    if not cases:
        return lacking(f"{NONE_AND_ANOTHER}, with the context fed")
    ahead = [case for case in cases if case.word == AHEAD]
    supports = f"{_named(_highest(ahead))}; {len(ahead)} of {len(cases)} show it." if ahead else ""
    not_ahead = all(case.word in (EQUIVALENT, BEHIND) for case in cases)
    contradicts = "No encoding is ahead of none: each is equivalent or behind." if not_ahead else ""
    shown = _highest(ahead or cases)
    return decide(figures_of(shown, TEST, "points of NDCG@10"), supports, contradicts, _undecided(cases, shown))


def _fed(evidence: Evidence, some: bool) -> set[Group]:
    """The groups whose context is fed; some: whether it's fed anywhere."""
    by_label = evidence.settings
    return {group for group in evidence.groups() if some and by_label.get(group[1], {}).get("context", True)}


def rotatory_is_best(evidence: Evidence, protocol: str) -> Verdict:
    """C4, on data sets of low deviation."""
    low = {group for group, high in evidence.high_deviation().items() if not high}
    others = [name for name in ("none", *evidence.positions) if name not in ROTATORY]
    cases = _tested(evidence.family([(one, other) for one in ROTATORY for other in others], levels, within=low))
    if not cases:
        return lacking("a rotatory encoding beside others on data sets of low deviation (a study needs two or more)")
    best = [rows for rows in _by(cases, "first") if all(case.word == AHEAD for case in rows)]
    beaten = [rows for rows in _by(cases, "second") if all(case.word == BEHIND for case in rows)]
    supports = contradicts = ""
    if best:
        hardest = min(best[0], key=lambda case: case.found.estimate)
        supports = f"{hardest.duel.first.name} is ahead of every other on {hardest.where}; hardest: {_named(hardest)}."
    if beaten:
        first = beaten[0][0]
        contradicts = f"{first.duel.second.name} is ahead of them on {first.where}: {_named(first)}."
    shown = min(best[0] if best else beaten[0] if beaten else cases, key=lambda case: case.found.estimate)
    otherwise = f"Neither is ahead of all others, and none is ahead of both. {open_cases(cases)}"
    return decide(figures_of(shown, TEST, "points of NDCG@10"), supports, contradicts, otherwise)


def _tested(cases: list[Case]) -> list[Case]:
    """The cases of cells that were run at all: one without three healthy pairs stays, as open."""
    return [case for case in cases if case.duel.first.health.planned and case.duel.second.health.planned]


def _by(cases: list[Case], side: str) -> list[list[Case]]:
    """The cases by data set, settings and the encoding of one side."""
    found: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        found.setdefault((*case.group, getattr(case.duel, side).name), []).append(case)
    return list(found.values())


def _moved(case: Case) -> bool:
    return case.word in (AHEAD, BEHIND)


def _size(case: Case) -> float:
    return abs(case.found.estimate) if case.found.estimate == case.found.estimate else -1.0


def _largest(cases: list[Case]) -> Case:
    return max(cases, key=_size)


def _highest(cases: list[Case]) -> Case:
    return max(cases, key=lambda case: case.found.estimate if _size(case) >= 0 else -1e9)


def _named(case: Case) -> str:
    one, two, found = case.duel.first.name, case.duel.second.name, case.found
    if found.why:  # decided by the rates of bad runs
        return f"{one} against {two} on {case.where}: {found.why}"
    return f"{one} {found.estimate:+.2f} points against {two} on {case.where}, margin {case.duel.margin:.2f}"


def _undecided(cases: list[Case], shown: Case) -> str:
    return f"{open_cases(cases)} Largest: {_named(shown)}."
