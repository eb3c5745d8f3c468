"""The tables of a study, from its runs to the verdicts on the claims."""

import io
from dataclasses import dataclass
from typing import Any

import pandas as pd

from posrec.analysis import registry
from posrec.analysis.claims.evidence import Evidence
from posrec.analysis.claims.judge import claim_table
from posrec.analysis.places import analysis_files
from posrec.analysis.tables import marker
from posrec.analysis.tables.cells import cell_table
from posrec.analysis.tables.comparisons import comparison_table, rank_table
from posrec.analysis.tables.correlation import correlation_table
from posrec.analysis.tables.datasets import dataset_table
from posrec.analysis.tables.load import RUN_COLUMNS, Inputs, load_inputs
from posrec.analysis.tables.published import published_table
from posrec.files import write_json, write_text
from posrec.study.study import Study


@dataclass(frozen=True)
class Tables:
    """The tables in memory and what they were made from; columns are explained in `columns.MEANINGS`."""

    inputs: Inputs
    runs: pd.DataFrame
    cells: pd.DataFrame
    datasets: pd.DataFrame
    comparisons: pd.DataFrame
    ranks: pd.DataFrame
    correlation: pd.DataFrame
    claims: pd.DataFrame
    published: pd.DataFrame
    more: dict[str, pd.DataFrame]  # those that the registry adds, by name


def build_tables(study: Study) -> Tables:
    """Read a study's files and compute all tables. Raises DataError for missing or foreign files."""
    inputs = load_inputs(study)
    cells = cell_table(inputs)
    datasets = dataset_table(inputs, cells)
    comparisons, correlation = comparison_table(inputs), correlation_table(cells, datasets)
    claims = claim_table(Evidence(inputs, datasets, comparisons, correlation))
    ranks, published = rank_table(cells), published_table(inputs, cells)
    tables = Tables(
        inputs, inputs.runs[RUN_COLUMNS], cells, datasets, comparisons, ranks, correlation, claims, published, {}
    )
    for entry in registry.tables(study):
        if entry.build:
            tables.more[entry.name] = registry.of_analysis(entry.build)(tables)
    return tables


def table_of(tables: Tables, name: str) -> pd.DataFrame:
    """A table by its name in the registry."""
    found: pd.DataFrame = tables.more[name] if name in tables.more else getattr(tables, name)
    return found


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV: ten significant digits, empty where there is no value, the same bytes for the same table."""
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, float_format="%.10g", lineterminator="\n")
    return buffer.getvalue()


def metrics(cells: pd.DataFrame) -> dict[str, Any]:
    """Mean and standard deviation of NDCG@10 (full catalogue) by data set and cell, for `dvc metrics`."""
    tree: dict[str, Any] = {}
    for _, row in cells[cells["kind"] == "encoding"].iterrows():
        settings = "" if pd.isna(row["settings"]) else row["settings"]
        cell = " ".join(part for part in (row["encoding"], row["protocol"], settings) if part)
        values = {"mean": row["full_ndcg10_mean"], "sd": row["full_ndcg10_sd"]}
        tree.setdefault(row["dataset"], {})[cell] = {name: float(v) for name, v in values.items() if pd.notna(v)}
    return tree


def write_tables(study: Study) -> None:
    """Write the tables as CSV, metrics.json, and last the marker with the analysis id."""
    tables = build_tables(study)
    *paths, last = analysis_files(study)["tables"]
    for path in paths:
        if path.suffix == ".csv":
            write_text(path, csv_text(table_of(tables, path.stem)))
        else:
            write_json(path, metrics(tables.cells))
    marker.write_marker(last, paths)
