"""The re-analysis of the published spreads for reading: sentences and rows for the report and for docs/published.md."""

import pandas as pd

from posrec.analysis.evidence import ALPHA

METRICS = {"hit10": "Hit@10", "ndcg10": "NDCG@10"}
HEADER = (
    *("data set", "activation", "upper bound", "norm order", "encoding", "runs", "sd", "sd of none", "ratio"),
    *("p (Holm)", "ties"),
)
METHOD = (
    "Each encoding's standard deviation over seeds against that of none in the same cell (data set, activation, "
    "upper bound, norm order), where both say their runs: an F test for normal scores, Holm over all. Scores that "
    "collapse are not normal, and then the test errs more often than it says: read what it finds with care, and "
    "what it doesn't find as not known."
)


def reanalysis_found(tests: pd.DataFrame) -> str:
    """How many of the published differences in spread are told from noise, from the rows of `published.reanalysis`."""
    found = tests[tests["p_holm"] <= ALPHA]
    steadier = int((found["ratio"] < 1).sum())
    return (
        f"of {len(tests)} comparisons {int((tests['p'] <= ALPHA).sum())} are below 5 % one by one, and "
        f"{len(found)} after Holm. In {steadier} of these the encoding is steadier than none, in "
        f"{len(found) - steadier} less steady."
    )


def reanalysis_rows(tests: pd.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and rows of the differences below 5 % after Holm, the clearest first."""
    rows = []
    for _, row in tests[tests["p_holm"] <= ALPHA].sort_values("p_holm").iterrows():
        bound, order = ("none" if pd.isna(row[name]) else f"{row[name]:g}" for name in ("upper_bound", "norm_order"))
        cell = (row["dataset"], row["activation"], bound, order, row["encoding"], f"{row['runs']} / {row['none_runs']}")
        figures = (f"{row['sd']:.2f}", f"{row['none_sd']:.2f}", f"{row['ratio']:.2f}", f"{row['p_holm']:.3f}")
        rows.append((*(str(part) for part in cell), *figures, "suspect" if row["tie_suspect"] == "yes" else ""))
    return HEADER, tuple(rows)
