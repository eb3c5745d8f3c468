"""The lead over `none` with users inside seeds: uncertainty over both seeds and test users."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats.intervals import lead_interval
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, IDENTITY
from posrec.analysis.tables.scores import POINTS
from posrec.files import read_npz
from posrec.model.evaluate import metrics
from posrec.plan.run import planned_runs
from posrec.study.study import Cell
from posrec.study.variation import settings_label, varied_settings

COLUMNS = {
    **{name: IDENTITY[name] for name in (*GROUP, "encoding")},
    "seeds": "seeds that finished with it and with none",
    "users": "test users",
    "advantage_points": "mean difference to none of NDCG@10 on the full catalogue, in points",
    "two_level_low_points": "lower 95 % bound: seeds resampled, and the test users inside each (percentile bootstrap, "
    "from ten seeds on)",
    "two_level_high_points": "upper 95 % bound of the same",
    "two_level_interval": "which interval is shown, or why none is",
}


def build(tables: Tables) -> pd.DataFrame:
    """One row per cell other than `none`, if `none` was run there; columns: COLUMNS."""
    study = tables.inputs.study
    if not tables.inputs.spread:
        return pd.DataFrame(columns=list(COLUMNS))
    varied = varied_settings(study.cells)
    groups: dict[tuple[str, ...], dict[str, Cell]] = {}
    for cell in study.cells:
        key = (cell.dataset, cell.protocol.name, settings_label(cell, varied))
        groups.setdefault(key, {})[cell.encoding] = cell
    rows: list[dict[str, Any]] = []
    for group, cells in groups.items():
        if "none" not in cells:
            continue
        none = _scores(tables, cells["none"])
        rows += [
            {**dict(zip(GROUP, group, strict=True)), "encoding": name, **_row(_scores(tables, cell), none)}
            for name, cell in cells.items()
            if name != "none"
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seeds": "Int64", "users": "Int64"})


def _scores(tables: Tables, cell: Cell) -> dict[int, np.ndarray]:
    """Seed -> (U,) NDCG@10 of each test user on the full catalogue, of the finished runs."""
    study = tables.inputs.study
    found = {
        run.seed: _of_users(run.npz, cell)
        for run in planned_runs(study, [cell])
        if run.seed in study.settings.scoring_seeds
    }
    return {seed: values for seed, values in found.items() if values is not None}


def _of_users(path: Path, cell: Cell) -> np.ndarray | None:
    arrays, name = read_npz(path), cell.protocol.name
    if f"{name}.full_greater" not in arrays:
        return None
    return metrics.ndcg(arrays[f"{name}.full_greater"], arrays[f"{name}.full_tied"])


def _row(own: dict[int, np.ndarray], none: dict[int, np.ndarray]) -> dict[str, Any]:
    common = [seed for seed in own if seed in none]
    if not common:
        return {"seeds": 0}
    differences = POINTS * np.array([own[seed] - none[seed] for seed in common])
    row = {"seeds": len(common), "users": differences.shape[1], "advantage_points": float(differences.mean())}
    interval, row["two_level_interval"] = lead_interval(differences)
    if interval is not None:
        row |= {"two_level_low_points": interval[0], "two_level_high_points": interval[1]}
    return row
