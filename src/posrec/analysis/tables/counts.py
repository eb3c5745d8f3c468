"""A study's data sets beside the counts that others report of them, from the committed known_counts.csv.

A difference is not an error here: the raw files may be another version. What a study declares (`expect`) is checked
when the data are prepared, and a difference is an error there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.reading import Shown
from posrec.study.settings.dataset import DatasetSettings

KNOWN = Path(__file__).parent / "known_counts.csv"
COUNTS = ("users", "items", "interactions")
COLUMNS = {
    "dataset": "data set of this study",
    "of": "what the known counts are of",
    "counted_by": "who reports them",
    **{name: f"{name} here, after preparation" for name in COUNTS},
    **{f"known_{name}": f"{name} as reported; empty: not reported" for name in COUNTS},
    "equal": "whether every reported count is found here",
}


def build(tables: Tables) -> pd.DataFrame:
    """One row per data set and report of its counts; columns: COLUMNS."""
    study = tables.inputs.study
    known = pd.read_csv(KNOWN, dtype=dict.fromkeys((*COUNTS, "k_core"), "Int64")).to_dict("records")
    rows = []
    for name, dataset in study.settings.datasets.items():
        paper = study.settings.report.published.get(name)
        for report in known:
            if (paper is not None and report["paper"] == paper) or _is_of(report, dataset):
                rows.append(_row(name, tables.inputs.cards[name], report))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({column: "Int64" for name in COUNTS for column in (name, f"known_{name}")})


def _is_of(report: Mapping[Any, Any], dataset: DatasetSettings) -> bool:
    """Whether a report is of this source, prepared as reported: whole, repeats kept, the same k-core."""
    whole = dataset.subset is None and dataset.repeats == "all" and dataset.bad_lines == 0
    sources = "" if pd.isna(report["sources"]) else report["sources"]
    return whole and dataset.source in sources.split() and dataset.k_core == report["k_core"]


def _row(name: str, card: Mapping[str, Any], report: Mapping[Any, Any]) -> dict[str, Any]:
    reported = [count for count in COUNTS if not pd.isna(report[count])]
    return {
        "dataset": name,
        "of": report["of"],
        "counted_by": report["counted_by"],
        **{count: card[count] for count in COUNTS},
        **{f"known_{count}": report[count] for count in COUNTS},
        "equal": "yes" if all(card[count] == report[count] for count in reported) else "no",
    }


def shown(tables: Tables) -> Shown:
    """Counts here, and the distance to the reported ones."""
    header = ("data set", "counts of", *COUNTS, "equal", "reported by")
    rows = []
    for row in tables["counts"].to_dict("records"):
        counts = (_compared(row[name], row[f"known_{name}"]) for name in COUNTS)
        rows.append((tables.inputs.label(row["dataset"]), row["of"], *counts, row["equal"], row["counted_by"]))
    return header, tuple(rows)


def _compared(here: Any, reported: Any) -> str:
    if pd.isna(reported):
        return f"{here:,} (not reported)"
    return f"{here:,}" if here == reported else f"{here:,} (reported {reported:,}: {here - reported:+,})"
