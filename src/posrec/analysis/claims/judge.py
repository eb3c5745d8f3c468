"""Which claims of arXiv 2405.10436 these results support, contradict, or cannot decide.

Each claim is judged for each protocol of the study, over all of its data sets and settings as one family. CLAIMS has
each rule in words and code. Every claim is decided in one order (`verdict.decide`): evidence for and against leaves it
open, one of them decides it. Words come from the one rule for comparisons (`tables.duels`), whose error rates were
measured (docs/measured/verdicts-coverage.md).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import pandas as pd

from posrec.analysis.claims import levels, reach, settings, spread
from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED, Verdict
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.independent import independent_names
from posrec.analysis.tables.load import IDENTITY
from posrec.analysis.tables.reading import Row, Shown, between, number, without_idle

COLUMNS = {
    "protocol": IDENTITY["protocol"],
    "claim": "claim of the paper, C1 to C9",
    "statement": "what it says",
    "rule": "when it counts as supported or contradicted; else it isn't decidable",
    "verdict": f"{SUPPORTED}, {CONTRADICTED} or {OPEN}",
    "estimate": "the value that the verdict shows",
    "low": "lower bound of the estimate",
    "high": "upper bound of the estimate",
    "unit": "unit of the estimate",
    "test": "how it was tested",
    "p": "two-sided p of the shown comparison, adjusted over the family; verdicts are read from intervals",
    "smallest_p": "smallest p that this many data sets or seeds can reach",
    "tests": "comparisons of the family",
    "reason": "why the verdict is what it is",
}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, the rule that decides it in words, and the code of that rule."""

    name: str
    statement: str
    rule: str
    judge: Callable[[Evidence, str], Verdict]


CLAIMS = (
    Claim(
        "C1",
        "The encoding changes Hit@10 and NDCG@10",
        "Supported: some positional encoding is ahead of none, or behind, in both metrics, and against its capacity "
        "control as well. Contradicted: each is equivalent to none in both.",
        levels.encoding_matters,
    ),
    Claim(
        "C2",
        "The encoding changes the spread over seeds",
        "Supported: the spread of some positional encoding differs from that of none by more than the margin's ratio, "
        "and from its capacity control's as well. Contradicted: each is alike.",
        spread.encoding_matters,
    ),
    Claim(
        "C3",
        "RMHA-4 is the steadiest, above all where the deviation is high",
        "On data sets of high deviation. Supported: on one of them rmha4 is steadier than none and every other "
        "positional encoding. Contradicted: on one of them another is steadier than rmha4.",
        spread.rmha4_is_steadiest,
    ),
    Claim(
        "C4",
        "Rotatory (or with concatenation) is best where the deviation is low",
        "On data sets of low deviation. Supported: on one of them one of the two is ahead of none and every other "
        "positional encoding. Contradicted: on one of them another is ahead of both.",
        levels.rotatory_is_best,
    ),
    Claim(
        "C5",
        "Concatenated encodings are steadier than added ones",
        "Supported: more than half of the pairs are steadier concatenated, and none less steady. Contradicted: the "
        "reverse.",
        spread.concatenated_are_steadier,
    ),
    Claim(
        "C6",
        "Deviation, more than sparsity, says which encoding works",
        "Over independent data sets. Supported: deviation given sparsity explains more of the advantages over none "
        "than sparsity given deviation (one contrast of both). Contradicted: less.",
        settings.deviation_decides,
    ),
    Claim(
        "C7",
        "Positions add information that time does not hold",
        "Where none is blind to order and the context is fed. Supported: some positional encoding is ahead of none, "
        "and of its capacity control. Contradicted: each is equivalent to none or behind.",
        levels.position_adds_to_time,
    ),
    Claim(
        "C8",
        "Leaky ReLU and SiLU differ little in spread",
        "Supported: with every encoding the two spreads are alike. Contradicted: with some they differ by more than "
        "the margin's ratio.",
        settings.activations_are_alike,
    ),
    Claim(
        "C9",
        "Longer training keeps the order of the encodings",
        "Supported: on every data set the order with fewer epochs correlates with that with more, on other seeds. "
        "Contradicted: two encodings change places, each time by more than the margin.",
        settings.longer_training_keeps_order,
    ),
)

NAMES = frozenset(claim.name for claim in CLAIMS)


def build(tables: Tables) -> pd.DataFrame:
    """The verdicts of a study; columns: COLUMNS."""
    return claim_table(evidence_of(tables))


def evidence_of(tables: Tables) -> Evidence:
    """What the claims of a study are judged by."""
    independent = tuple(independent_names(tables))
    return Evidence(tables.inputs, tables["datasets"], tables["cells"], independent)


def claim_table(evidence: Evidence) -> pd.DataFrame:
    """One row per claim and protocol; columns: COLUMNS. Empty where the study shows no stability."""
    if not evidence.inputs.spread:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [
        {"protocol": name, "claim": claim.name, "statement": claim.statement, "rule": claim.rule}
        | asdict(claim.judge(evidence.of(name), name))
        for name in (protocol.name for protocol in evidence.inputs.study.protocols)
        for claim in CLAIMS
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"tests": "Int64"})


def asked(tables: Tables) -> tuple[Shown, list[str]]:
    """The verdicts on the claims that the study has comparisons for, and the names of the other claims.

    One row per claim and protocol. Where a claim is open, `takes` says how many seeds would give a power of 80 %.
    """
    study = tables.inputs.study
    relative = reach.deviation(study)[0]
    known = {one.family.name.split()[0]: one for one in reach.reaches(study, relative, lambda name: name[:2] in NAMES)}
    header = ("claim", "statement", "protocol", "verdict", "takes", "estimate", "p", "why")
    ordered = tables["claims"].sort_values("claim", kind="stable")
    rows = tuple(_asked_row(row, known[row["claim"]]) for _, row in ordered.iterrows() if row["claim"] in known)
    shown = without_idle((header, rows), len(study.settings.protocols) > 1)
    return shown, [claim.name for claim in CLAIMS if claim.name not in known]


def _asked_row(row: Row, found: reach.Reach) -> tuple[str, ...]:
    said = (row[name] for name in ("claim", "statement", "protocol", "verdict"))
    takes = _takes(found) if row["verdict"] == OPEN else ""
    return (*said, takes, _estimate(row), number(row["p"], 3), row["reason"])


def _takes(found: reach.Reach) -> str:
    """What an open claim would take, in words."""
    if found.power is None:
        return "other or more data sets"
    if found.seeds_needed is None:
        return "more than a thousand seeds"
    if found.seeds_needed <= found.family.seeds:
        return "a larger effect: the seeds are enough for twice the margin"
    return f"would take {found.seeds_needed} seeds"


def _estimate(row: Row) -> str:
    if pd.isna(row["estimate"]):
        return ""
    return f"{number(row['estimate'])} {between(row['low'], row['high'])} {row['unit']}".replace("  ", " ")
