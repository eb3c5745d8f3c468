"""The tables of a study by name, and the files that hold them."""

import io
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from posrec.analysis.tables import looks, marker
from posrec.analysis.tables.load import Inputs, load_inputs
from posrec.files import write_json, write_text
from posrec.study.study import Study

UNITS = (
    "Metrics and spreads are fractions; a name that ends in _points is in points (x 100). "
    "An empty field: unknown, or not shown."
)


@dataclass(frozen=True)
class Tables:
    """The registered tables of a study: `tables["cells"]` builds a table when it is first asked for.

    inputs: what the study's files hold; built: the tables so far, by name.
    """

    inputs: Inputs
    built: dict[str, pd.DataFrame] = field(default_factory=dict)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The table of this name in the registry. Raises KeyError for a name that is not registered."""
        if name not in self.built:
            self.built[name] = registry.table_module(name).build(self)
        return self.built[name]


def build_tables(study: Study) -> Tables:
    """Read a study's files. Raises DataError for missing or foreign files."""
    return Tables(load_inputs(study))


def documented(study: Study) -> dict[str, dict[str, str]]:
    """For each table of a study its columns, in order, with their meaning."""
    return {table.name: dict(registry.module_of(table).COLUMNS) for table in registry.tables(study)}


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
    """Write the tables as CSV, then metrics.json, and last the marker with the analysis id."""
    tables = build_tables(study)
    *paths, last = analysis_files(study)["tables"]
    with marker.marked(last, paths, tables.inputs.checksum):
        for path in paths:
            if path.suffix == ".csv":
                write_text(path, csv_text(tables[path.stem]))
            else:
                write_json(path, metrics(tables["cells"]))
    looks.record(study)
