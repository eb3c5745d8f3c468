"""One row per run and protocol: what was scored, and what failed."""

import pandas as pd

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import RUN_COLUMNS
from posrec.analysis.tables.reading import MOST_ROWS, Shown, points

COLUMNS = RUN_COLUMNS
METRICS = {
    "full_ndcg10": "full NDCG@10",
    "full_hit10": "full Hit@10",
    "sampled_ndcg10": "sampled NDCG@10",
    "sampled_hit10": "sampled Hit@10",
}
PLACE = ("protocol", "settings", "encoding", "seed")


def build(tables: Tables) -> pd.DataFrame:
    """The runs as they were read; columns: COLUMNS."""
    return tables.inputs.runs[list(COLUMNS)]


def shown(tables: Tables) -> Shown:
    """Scores of the runs in points."""
    header = ("data set", *PLACE, "role", "status", "epoch", "epochs", *METRICS.values())
    rows = []
    for _, row in tables["runs"].head(MOST_ROWS).iterrows():
        cells = [tables.inputs.label(row["dataset"]), *(str(row[name]) for name in (*PLACE, "role", "status"))]
        cells += ["-" if pd.isna(row[name]) else str(row[name]) for name in ("selected_epoch", "epochs_trained")]
        rows.append((*cells, *(points(row, name) for name in METRICS)))
    return header, tuple(rows)


def failures(tables: Tables) -> Shown:
    """Runs that failed or collapsed."""
    runs = tables["runs"]
    wrong = runs[(runs["status"] != "finished") | runs["collapsed"].astype(bool)]
    rows = []
    for _, row in wrong.iterrows():
        what = f"failed at step {row['failure']}" if row["status"] != "finished" else "collapsed to chance level"
        rows.append((tables.inputs.label(row["dataset"]), *(str(row[name]) for name in PLACE), what))
    return ("data set", *PLACE, "what happened"), tuple(rows)
