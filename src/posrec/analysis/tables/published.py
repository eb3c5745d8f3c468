"""The paper's published figures beside a study's own.

published.csv holds facts read from the tables of the authors' repository (researcher1741/Position_encoding_SRS) and of
a summary of arXiv 2405.10436: means and standard deviations over seeds in points, the number of runs where it is
printed. Hit@10 and NDCG@10 are theirs: sampled candidates, best of all looks at the test set, ties to the positive.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, IDENTITY
from posrec.analysis.tables.reading import MOST_ROWS, Row, Shown, number, text
from posrec.analysis.tables.scores import POINTS

TIE_SUSPECT = 0.75  # NDCG over Hit: converged runs have 0.50 to 0.70, a random order 0.45
COLUMNS = {
    **{name: IDENTITY[name] for name in (*GROUP, "encoding")},
    "published_dataset": "the paper's name of the data set",
    "published_activation": "activation of the published cell",
    "published_upper_bound": "upper bound (max_norm) of the published cell; empty: none",
    "published_runs": "runs of the published cell; empty where the paper does not print them",
    "published_hit10_points": "published mean Hit@10",
    "published_hit10_sd_points": "published standard deviation of Hit@10 over seeds",
    "published_ndcg10_points": "published mean NDCG@10",
    "published_ndcg10_sd_points": "published standard deviation of NDCG@10 over seeds",
    "tie_suspect": "yes: NDCG@10 is 0.75 of Hit@10 or more, so that the positive must have won ties",
    "label_suspect": "yes: the published row's label contradicts another",
    "hit10_difference_points": "our mean sampled Hit@10 minus the published",
    "ndcg10_difference_points": "our mean sampled NDCG@10 minus the published",
    "hit10_sd_ratio": "our standard deviation of sampled Hit@10 divided by the published",
}


def published_cells() -> pd.DataFrame:
    """The published cells, one row each, with `tie_suspect`: NDCG so close to Hit that the positive must have won "
    "ties."""
    table = pd.read_csv(Path(__file__).parent / "published.csv", keep_default_na=True)
    table["tie_suspect"] = np.where(table["ndcg10"] / table["hit10"] >= TIE_SUSPECT, "yes", "no")
    return table


def published_names() -> list[str]:
    """The data sets that have published figures."""
    return list(dict.fromkeys(published_cells()["dataset"]))


def build(tables: Tables) -> pd.DataFrame:
    """Published cells beside the study's cells of the same encoding; columns: COLUMNS.

    `report.published` says which data set of the study is which of the paper. Ours are sampled metrics too, but under
    the study's own protocol and candidates: a difference is not an error of either.
    """
    named = tables.inputs.study.settings.report.published
    usual = published_cells().query("head == 'carca' and training == 'usual'")
    rows: list[dict[str, Any]] = []
    for _, cell in tables["cells"].query("kind == 'encoding'").iterrows():
        same = usual[(usual["dataset"] == named.get(cell["dataset"])) & (usual["encoding"] == cell["encoding"])]
        rows += [_beside(cell, row) for _, row in same.iterrows()]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"published_runs": "Int64"})


def _beside(cell: Row, row: Row) -> dict[str, Any]:
    spread = cell["sampled_hit10_sd"]
    known: bool = pd.notna(spread) and pd.notna(row["hit10_sd"]) and row["hit10_sd"] > 0
    return {
        **{name: cell[name] for name in ("dataset", "protocol", "settings", "encoding")},
        "published_dataset": row["dataset"],
        "published_activation": row["activation"],
        "published_upper_bound": row["upper_bound"],
        "published_runs": row["runs"],
        **{f"published_{name}_points": row[name] for name in ("hit10", "hit10_sd", "ndcg10", "ndcg10_sd")},
        "tie_suspect": row["tie_suspect"],
        "label_suspect": row["label_suspect"],
        "hit10_difference_points": POINTS * cell["sampled_hit10_mean"] - row["hit10"],
        "ndcg10_difference_points": POINTS * cell["sampled_ndcg10_mean"] - row["ndcg10"],
        "hit10_sd_ratio": POINTS * spread / row["hit10_sd"] if known else None,
    }


def shown(tables: Tables) -> Shown:
    """The paper's cells beside ours."""
    header = ("data set", "protocol", "settings", "encoding", "theirs: activation", "upper bound", "runs", "Hit@10")
    more = ("NDCG@10", "ours - theirs: Hit@10", "NDCG@10", "sd of Hit@10, ours / theirs", "suspect")
    found = tables["published"].head(MOST_ROWS)
    rows = (_shown_row(row, tables.inputs.label(row["dataset"])) for _, row in found.iterrows())
    return (*header, *more), tuple(rows)


def _shown_row(row: Row, dataset: str) -> tuple[str, ...]:
    return (
        dataset,
        *(str(row[name]) for name in ("protocol", "settings", "encoding")),
        text(row["published_activation"]),
        "none" if pd.isna(row["published_upper_bound"]) else f"{row['published_upper_bound']:g}",
        "-" if pd.isna(row["published_runs"]) else str(row["published_runs"]),
        *(_mean_and_sd(row, name) for name in ("hit10", "ndcg10")),
        *(number(row[f"{name}_difference_points"]) for name in ("hit10", "ndcg10")),
        number(row["hit10_sd_ratio"]),
        ", ".join(name for name in ("tie", "label") if row[f"{name}_suspect"] == "yes"),
    )


def _mean_and_sd(row: Row, name: str) -> str:
    return f"{number(row[f'published_{name}_points'])} (sd {number(row[f'published_{name}_sd_points'])})"
