"""The re-analysis of the published spreads as sentences and rows, for the report and docs/measured/published.md."""

import pandas as pd

from posrec.analysis.claims.evidence import ALPHA

METRICS = {"hit10": "Hit@10", "ndcg10": "NDCG@10"}
HEADER = (
    *("data set", "activation", "upper bound", "norm order", "encoding", "runs", "sd", "sd of none", "ratio"),
    *("p (Holm)", "ties", "one run"),
)
METHOD = (
    "Each encoding's standard deviation over seeds against that of none in the same cell (data set, activation, "
    "upper bound, norm order), where both say their runs: an F test, Holm over all. Only means and standard deviations "
    "are published, and an F test holds for normal scores alone: where 15 % of the runs collapse it errs in 18 to "
    "46 % of studies (docs/measured/statistics-checked.md). So the last column says where one run at chance, or one "
    "that wins every tie, would alone make the spread of one of the two: there the test decides nothing. "
    "What is not found is not known."
)


def reanalysis_found(tests: pd.DataFrame) -> str:
    """How many of the published differences in spread are told from noise, from the rows of `published.reanalysis`."""
    found = tests[tests["p_holm"] <= ALPHA]
    left = found[found["one_run"] == "no"]
    steadier = int((left["ratio"] < 1).sum())
    doubt = f"One run could alone make {'each' if left.empty else len(found) - len(left)} of these"
    return (
        f"of {len(tests)} comparisons {int((tests['p'] <= ALPHA).sum())} are below 5 % one by one, and {len(found)} "
        f"after Holm. {doubt}"
        + ("." if left.empty else f"; in {steadier} of the other {len(left)} the encoding is steadier than none.")
    )


def reanalysis_rows(tests: pd.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and rows of the differences below 5 % after Holm, the clearest first."""
    rows = []
    for _, row in tests[tests["p_holm"] <= ALPHA].sort_values("p_holm").iterrows():
        bound, order = ("none" if pd.isna(row[name]) else f"{row[name]:g}" for name in ("upper_bound", "norm_order"))
        cell = (row["dataset"], row["activation"], bound, order, row["encoding"], f"{row['runs']} / {row['none_runs']}")
        figures = (f"{row['sd']:.2f}", f"{row['none_sd']:.2f}", f"{row['ratio']:.2f}", f"{row['p_holm']:.3f}")
        doubts = ("suspect" if row["tie_suspect"] == "yes" else "", "suffices" if row["one_run"] == "yes" else "")
        rows.append((*(str(part) for part in cell), *figures, *doubts))
    return HEADER, tuple(rows)
