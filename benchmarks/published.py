"""What the published table of arXiv 2405.10436 says of spreads by itself, with its own numbers of runs.

    python -m benchmarks.published

writes docs/published.md from src/posrec/analysis/published.csv.
"""

from pathlib import Path

import pandas as pd

from posrec.analysis.evidence import ALPHA
from posrec.analysis.published import TIE_SUSPECT, published_cells, reanalysis
from posrec.files import write_text

PAGE = Path("docs/published.md")
HEADER = ("data set", "activation", "upper bound", "norm order", "encoding", "runs", "sd", "sd of none", "ratio")
METRICS = {"hit10": "Hit@10", "ndcg10": "NDCG@10"}


def page() -> str:
    """The page of docs."""
    cells = published_cells()
    suspect = cells[cells["tie_suspect"] == "yes"]
    known = int(cells["runs"].notna().sum())
    parts = [
        "# The published figures, looked at again\n",
        "Written by `python -m benchmarks.published`; don't edit. "
        f"{len(cells)} cells of arXiv 2405.10436 could be read from its authors' repository; {known} of them say over "
        "how many runs. Source of each: the last column of `src/posrec/analysis/published.csv`.\n",
        "## Ties\n",
        f"{len(suspect)} cells have NDCG@10 of at least {TIE_SUSPECT:g} times Hit@10. A random order gives 0.45, "
        "trained models 0.50 to 0.70: such a ratio says that the positive won ties. By data set: "
        + ", ".join(f"{name} {count}" for name, count in suspect["dataset"].value_counts(sort=False).items())
        + ".\n",
        "## Spreads\n",
        "Each encoding's standard deviation over seeds against that of `none` in the same cell (data set, activation, "
        "upper bound, norm order), where both say their runs: an F test for normal scores, Holm over all. Scores that "
        "collapse are not normal, and then the test errs more often than it says: read what it finds with care, and "
        "what it doesn't find as not known.\n",
    ]
    for metric, title in METRICS.items():
        parts.append(_spreads(reanalysis(metric), title))
    return "\n".join(parts)


def _spreads(tests: pd.DataFrame, title: str) -> str:
    found = tests[tests["p_holm"] <= ALPHA]
    steadier = int((found["ratio"] < 1).sum())
    lines = [
        f"**{title}**: of {len(tests)} comparisons {int((tests['p'] <= ALPHA).sum())} are below 5 % one by one, and "
        f"{len(found)} after Holm. In {steadier} of these the encoding is steadier than `none`, in "
        f"{len(found) - steadier} less steady.\n",
        f"| {' | '.join(HEADER)} | p (Holm) | ties |",
        "|---" * (len(HEADER) + 2) + "|",
    ]
    for _, row in found.sort_values("p_holm").iterrows():
        bound, order = ("none" if pd.isna(row[name]) else f"{row[name]:g}" for name in ("upper_bound", "norm_order"))
        lines.append(
            f"| {row['dataset']} | {row['activation']} | {bound} | {order} | {row['encoding']} | "
            f"{row['runs']} / {row['none_runs']} | {row['sd']:.2f} | {row['none_sd']:.2f} | {row['ratio']:.2f} | "
            f"{row['p_holm']:.3f} | {'suspect' if row['tie_suspect'] == 'yes' else ''} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
