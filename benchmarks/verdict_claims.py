"""Simulated claims, for benchmarks.verdicts: whole tables of runs through `claims.judge`, and how often it errs."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from benchmarks import verdict_worlds as worlds
from benchmarks.verdict_words import BUT_NONE, DEPENDENT, DRAWS, IN, OUT
from benchmarks.verdict_worlds import DATASETS, DEVIATION, LEVEL, MEAN, RATIO, Job, Shape, Truth
from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.claims.judge import CLAIMS
from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED
from posrec.analysis.tables.load import Inputs
from posrec.study.study import Study

STUDIES, MORE = 30, 100
S, C = SUPPORTED, CONTRADICTED
EITHER = (S, C)
JUDGES = {claim.name: claim.judge for claim in CLAIMS}
Wrong = dict[str, tuple[str, ...]]  # claim -> the verdicts that its truth makes wrong
LEVELS_AND_SPREADS: Wrong = {"C1": (S,), "C2": (S,), "C3": EITHER, "C4": EITHER, "C5": EITHER, "C7": (S,)}
TRUTHS: tuple[tuple[Truth, Wrong], ...] = (
    (Truth("claims: all equal"), LEVELS_AND_SPREADS),
    (
        Truth(
            "claims: what they say holds by just less than the margin",
            {"abs": -IN, "rotatory": IN},
            {"abs": IN * RATIO, "rmha4": 1 / (IN * RATIO), "rotatory": 1 / (IN * RATIO)},
        ),
        LEVELS_AND_SPREADS,
    ),
    (
        Truth(
            "claims: the opposite holds by just less than the margin",
            {"abs": IN},
            {"rmha4": IN * RATIO, "abs_con": IN * RATIO},
        ),
        LEVELS_AND_SPREADS,
    ),
    (
        Truth("claims: one encoding is just beyond the margin", {"abs": OUT}, {"abs": OUT * RATIO}),
        {"C1": (C,), "C2": (C,), "C5": (C,), "C7": (C,)},
    ),
)
FAR = Truth("claims: what they say holds far beyond the margin", {"rotatory": 5.0}, {"abs": 4.5, "rmha4": 1 / 4.5})
SHAPES = (
    Shape("normal"),
    Shape("lognormal", "lognormal"),
    Shape("normal, all but none collapse in 5 %", collapse={"": 0.05} | BUT_NONE),
    DEPENDENT,
)


def jobs() -> list[Job]:
    """All jobs of this file."""
    found = [
        Job(truth.name, shape.name, n, partial(judged, truth, wrong, shape, n), STUDIES, MORE)
        for truth, wrong in TRUTHS
        for shape in SHAPES
        for n in ((30,) if "C3" not in wrong else (10, 30))
        if n == 30 or shape in SHAPES[:2]
    ]
    found += [Job(FAR.name, shape.name, 30, partial(judged, FAR, {}, shape, 30), STUDIES, STUDIES) for shape in SHAPES]
    for ratio, name in ((IN, "just less"), (OUT, "just more")):
        truth = f"activations: spreads differ by {name} than the margin"
        found += [Job(truth, "normal", n, partial(activations, ratio * RATIO, n), STUDIES, MORE) for n in (10, 30)]
    for correlation in (0.7, 0.9):
        shape = f"normal, few and many epochs of a seed correlate by {correlation:g}"
        found += [
            Job(truth, shape, n, partial(epochs, distance, correlation, n), STUDIES, MORE)
            for truth, distance in (("epochs: all equal", 0.0), ("epochs: places change by less than the margin", IN))
            for n in (20,)
        ]
    shapes = [(f"predictors correlate by {together:g}", together) for together in (0.0, 0.5)]
    return found + [
        Job(truth, shape, n, partial(predictors, weight, together, n), 200, 800)
        for truth, weight in (
            ("data sets: nothing decides", 0.0),
            ("data sets: both decide alike", 1.0),
        )
        for shape, together in shapes
        for n in (6, 9)
    ]


def judged(
    truth: Truth, wrong: Wrong, shape: Shape, n: int, generator: np.random.Generator
) -> Iterator[tuple[str, float]]:
    """Verdicts on C1 to C5 and C7 of one study: where they're wrong, or (without `wrong`) where they're found."""
    evidence = worlds.evidence(worlds.runs(truth, shape, n, generator), worlds.study(n), DRAWS)
    for claim in wrong or LEVELS_AND_SPREADS:
        verdict = JUDGES[claim](evidence, "sound_last").verdict
        if wrong:
            yield from ((f"{claim}: wrong {_short(one)}", float(verdict == one)) for one in wrong[claim])
        else:
            yield f"{claim}: found supported", float(verdict == S)


def _short(verdict: str) -> str:
    return "open" if verdict == OPEN else verdict


def _settings(few: np.ndarray, many: np.ndarray, varied: str, claim: str) -> str:
    """The verdict where two settings scored (data sets, encodings, n) each."""
    names = tuple(["none", "abs", "learnt", "rope", "rmha4", "rotatory", "alibi", "kernel", "abs_con"][: few.shape[1]])
    study = worlds.study(few.shape[2], (), names, varied)
    table = worlds.scored(np.stack([few, many]), names, tuple(_labels(study)))
    return JUDGES[claim](worlds.evidence(table, study, DRAWS), "sound_last").verdict


def _labels(study: Study) -> list[str]:
    return list(Evidence(Inputs(study, pd.DataFrame(), {}, {}), pd.DataFrame(), pd.DataFrame(), ()).settings)


def activations(ratio: float, n: int, generator: np.random.Generator) -> Iterator[tuple[str, float]]:
    """C8 on two encodings: with a ratio within the margin "contradicted" is wrong, beyond it "supported"."""
    few, many = MEAN + DEVIATION * generator.standard_normal((2, len(DATASETS), 2, n))
    wrong = C if ratio < RATIO else S
    verdict = _settings(few, MEAN + (many - MEAN) * ratio, "activation", "C8")
    yield f"C8: wrong {_short(wrong)}", float(verdict == wrong)


def epochs(distance: float, correlation: float, n: int, generator: np.random.Generator) -> Iterator[tuple[str, float]]:
    """C9 on nine encodings; of each two neighbours one is ahead by `distance` margins with few, the other with many."""
    few, other = generator.standard_normal((2, len(DATASETS), 9, n))
    many = correlation * few + (1 - correlation**2) ** 0.5 * other
    places = LEVEL * distance * (np.arange(9) % 2)[:, None]
    verdict = _settings(MEAN + DEVIATION * few + places, MEAN + DEVIATION * many - places, "epochs", "C9")
    yield from ((f"C9: wrong {one}", float(verdict == one)) for one in EITHER)


def predictors(weight: float, together: float, n: int, generator: np.random.Generator) -> Iterator[tuple[str, float]]:
    """C6 over n data sets: what works follows from neither predictor (weight 0), or from both alike."""
    deviation, other, *noise = generator.standard_normal((6, n))
    sparsity = together * deviation + (1 - together**2) ** 0.5 * other
    names = [f"set {number}" for number in range(n)]
    same = {"protocol": "sound_last", "settings": ""}
    datasets = pd.DataFrame({"dataset": names, "deviation_points": deviation, "sparsity": sparsity}).assign(**same)
    advantages = [weight * (deviation + sparsity) + one for one in noise]
    cells = pd.concat(
        pd.DataFrame({"dataset": names, "encoding": name, "advantage_points": values}).assign(**same)
        for name, values in zip(worlds.ENCODINGS[1:], advantages, strict=True)
    )
    evidence = Evidence(Inputs(worlds.study(3), pd.DataFrame(), {}, {}), datasets, cells, tuple(names))
    verdict = JUDGES["C6"](evidence, "sound_last").verdict
    yield from ((f"C6: wrong {one}", float(verdict == one)) for one in EITHER)
