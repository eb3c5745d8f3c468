"""What the published table of arXiv 2405.10436 says of spreads by itself, with its own numbers of runs.

    python -m benchmarks.published

writes docs/measured/published.md from src/posrec/analysis/tables/published.csv.
"""

from pathlib import Path

import pandas as pd

from posrec.analysis.tables.published import TIE_SUSPECT, published_cells
from posrec.analysis.tables.reanalysis import METHOD, METRICS, found, reanalysis, rows_below
from posrec.files import write_text

PAGE = Path("docs/measured/published.md")


def page() -> str:
    """The page of docs."""
    cells = published_cells()
    suspect = cells[cells["tie_suspect"] == "yes"]
    known = int(cells["runs"].notna().sum())
    parts = [
        "# The published figures, looked at again\n",
        "Written by `python -m benchmarks.published`; don't edit. "
        f"{len(cells)} cells of arXiv 2405.10436 could be read from its authors' repository; {known} of them say over "
        "how many runs. Source of each: the last column of `src/posrec/analysis/tables/published.csv`.\n",
        "## Ties\n",
        f"{len(suspect)} cells have NDCG@10 of at least {TIE_SUSPECT:g} times Hit@10. A random order gives 0.45, "
        "trained models 0.50 to 0.70: such a ratio says that the positive won ties. By data set: "
        + ", ".join(f"{name} {count}" for name, count in suspect["dataset"].value_counts(sort=False).items())
        + ".\n",
        "## Spreads\n",
        f"{METHOD}\n",
    ]
    for metric, title in METRICS.items():
        parts.append(_spreads(reanalysis(metric), title))
    return "\n".join(parts)


def _spreads(tests: pd.DataFrame, title: str) -> str:
    header, rows = rows_below(tests)
    lines = [f"**{title}**: {found(tests)}\n", f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def main() -> None:
    """Write the page."""
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
