"""Which claims of arXiv 2405.10436 these results support, contradict, or cannot decide; the words follow the numbers.

Each claim is judged for each protocol of the study, over all of its data sets and settings. Every verdict other than
"not decidable" rests on a test whose error rate was measured (docs/measured/statistics-checked.md), with Holm over all
tests that the verdict looks at.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import pandas as pd

from posrec.analysis.claims import levels, settings, spread
from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.claims.verdict import Verdict

CLAIM_COLUMNS = [
    *("protocol", "claim", "statement", "verdict", "estimate", "low", "high", "unit"),
    *("test", "p", "smallest_p", "tests", "reason"),
]


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


def claim_table(evidence: Evidence) -> pd.DataFrame:
    """One row a claim and protocol; columns: CLAIM_COLUMNS. Empty where the study shows no stability."""
    if not evidence.inputs.spread:
        return pd.DataFrame(columns=CLAIM_COLUMNS)
    rows = [
        {"protocol": name, "claim": claim.name, "statement": claim.statement}
        | asdict(claim.judge(evidence.of(name), name))
        for name in (protocol.name for protocol in evidence.inputs.study.protocols)
        for claim in CLAIMS
    ]
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS).astype({"tests": "Int64"})
