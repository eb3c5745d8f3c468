"""Which claims of arXiv 2405.10436 these results support, contradict, or cannot decide.

Each claim is judged for each protocol of the study, over all of its data sets and settings. Every verdict other than
"not decidable" rests on a test whose error rate was measured (docs/measured/statistics-checked.md), with Holm over all
tests that the verdict looks at.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import pandas as pd

from posrec.analysis.claims import levels, settings, spread
from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED, Verdict
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import IDENTITY
from posrec.analysis.tables.reading import Row, Shown, between, number, without_idle

COLUMNS = {
    "protocol": IDENTITY["protocol"],
    "claim": "claim of the paper, C1 to C9",
    "statement": "what it says",
    "verdict": f"{SUPPORTED}, {CONTRADICTED} or {OPEN}",
    "estimate": "the value that the verdict shows",
    "low": "lower bound of the estimate",
    "high": "upper bound of the estimate",
    "unit": "unit of the estimate",
    "test": "how it was tested",
    "p": "two-sided p after Holm over all tests that the verdict looks at",
    "smallest_p": "smallest p after Holm that this many data sets or seeds can reach",
    "tests": "number of tests that Holm counts",
    "reason": "why the verdict is what it is",
}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and how it is judged."""

    name: str
    statement: str
    judge: Callable[[Evidence, str], Verdict]


CLAIMS = (
    Claim("C1", "The encoding changes Hit@10 and NDCG@10", levels.encoding_matters),
    Claim("C2", "The encoding changes the spread over seeds", spread.encoding_matters),
    Claim("C3", "RMHA-4 is the steadiest, above all where the deviation is high", spread.rmha4_is_steadiest),
    Claim("C4", "Rotatory (or with concatenation) is best where the deviation is low", levels.rotatory_is_best),
    Claim("C5", "Concatenated encodings are steadier than added ones", spread.concatenated_are_steadier),
    Claim("C6", "Deviation, more than sparsity, says which encoding works", settings.deviation_decides),
    Claim("C7", "Positions add information that time does not hold", levels.position_adds_to_time),
    Claim("C8", "Leaky ReLU and SiLU differ little in spread", settings.activations_are_alike),
    Claim("C9", "Longer training keeps the order of the encodings", settings.longer_training_keeps_order),
)


def build(tables: Tables) -> pd.DataFrame:
    """The verdicts of a study; columns: COLUMNS."""
    return claim_table(Evidence(tables.inputs, tables["datasets"], tables["comparisons"], tables["correlation"]))


def claim_table(evidence: Evidence) -> pd.DataFrame:
    """One row per claim and protocol; columns: COLUMNS. Empty where the study shows no stability."""
    if not evidence.inputs.spread:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [
        {"protocol": name, "claim": claim.name, "statement": claim.statement}
        | asdict(claim.judge(evidence.of(name), name))
        for name in (protocol.name for protocol in evidence.inputs.study.protocols)
        for claim in CLAIMS
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"tests": "Int64"})


def shown(tables: Tables) -> Shown:
    """The verdicts, one row per claim and protocol; the protocol only where there are several."""
    header = ("claim", "statement", "protocol", "verdict", "estimate", "p", "why")
    ordered = tables["claims"].sort_values("claim", kind="stable")
    rows = tuple(_shown_row(row) for _, row in ordered.iterrows())
    return without_idle((header, rows), len(tables.inputs.study.settings.protocols) > 1)


def _shown_row(row: Row) -> tuple[str, ...]:
    said = (row[name] for name in ("claim", "statement", "protocol", "verdict"))
    return (*said, _estimate(row), number(row["p"], 3), row["reason"])


def _estimate(row: Row) -> str:
    if pd.isna(row["estimate"]):
        return ""
    return f"{number(row['estimate'])} {between(row['low'], row['high'])} {row['unit']}".replace("  ", " ")
