"""The lead over `none` with users crossed with seeds: would it hold with other seeds, and with other test users?

The same users are scored in every seed, so both are resampled together (`stats.crossed`); the noise of seeds and that
of users are shown beside each other.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats import crossed, sequential
from posrec.analysis.stats.threeway import OPEN, Margin, verdict
from posrec.analysis.tables import duels
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, IDENTITY
from posrec.analysis.tables.scores import POINTS
from posrec.files import read_npz
from posrec.model.evaluate import metrics
from posrec.plan.run import planned_runs
from posrec.study.study import Cell
from posrec.study.variation import settings_label, varied_settings

SMALLEST = 3  # seeds
COLUMNS = {
    **{name: IDENTITY[name] for name in (*GROUP, "encoding")},
    "seeds": "seeds with a healthy run of it and of none",
    "users": "test users",
    "advantage_points": "mean difference to none of NDCG@10 on the full catalogue, in points",
    "low_points": "lower bound for other seeds and other users together, for all encodings of the group (crossed "
    "bootstrap, from three seeds on)",
    "high_points": "upper bound of the same",
    "margin_points": "the smallest difference that matters (report.margin, of the mean of none)",
    "level": "ahead, behind or equivalent for other users as well: the interval is beyond the margin, or within; else "
    "open",
    "seed_sd_points": "standard deviation of the lead between seeds, users averaged out",
    "user_sd_points": "standard deviation of the lead between users, seeds averaged out",
    "seed_error_points": "what the choice of seeds adds to the standard error of the lead",
    "user_error_points": "what the choice of test users adds to it",
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
        none, alpha = _scores(tables, group, cells["none"]), sequential.alone(duels.ALPHA, len(cells) - 1)
        margin = _margin(none, duels.design(study.settings).margin)
        for name, cell in cells.items():
            if name != "none":
                row = _row(_scores(tables, group, cell), none, alpha)
                place = dict(zip(GROUP, group, strict=True))
                rows.append({**place, "encoding": name, **row, "margin_points": margin, "level": _word(row, margin)})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seeds": "Int64", "users": "Int64"})


def _margin(none: dict[int, np.ndarray], margin: Margin) -> float:
    return POINTS * margin.level(float(np.mean([values.mean() for values in none.values()])) if none else 0.0)


def _word(row: dict[str, Any], margin: float) -> str:
    return verdict(row["low_points"], row["high_points"], margin) if "low_points" in row else OPEN


def _scores(tables: Tables, group: tuple[str, ...], cell: Cell) -> dict[int, np.ndarray]:
    """Seed -> (U,) NDCG@10 of each test user on the full catalogue, of the healthy runs."""
    runs = tables["runs"]
    for column, value in zip((*GROUP, "encoding", "role"), (*group, cell.encoding, "scoring"), strict=True):
        runs = runs[runs[column] == value]
    healthy = set(duels.side(runs).scores.index)
    found = {
        run.seed: _of_users(run.npz, cell) for run in planned_runs(tables.inputs.study, [cell]) if run.seed in healthy
    }
    return {seed: values for seed, values in found.items() if values is not None}


def _of_users(path: Path, cell: Cell) -> np.ndarray | None:
    arrays, name = read_npz(path), cell.protocol.name
    if f"{name}.full_greater" not in arrays:
        return None
    return metrics.ndcg(arrays[f"{name}.full_greater"], arrays[f"{name}.full_tied"])


def _row(own: dict[int, np.ndarray], none: dict[int, np.ndarray], alpha: float) -> dict[str, Any]:
    common = [seed for seed in own if seed in none]
    if not common:
        return {"seeds": 0}
    differences = POINTS * np.array([own[seed] - none[seed] for seed in common])
    row = {"seeds": len(common), "users": differences.shape[1], "advantage_points": float(differences.mean())}
    lead = crossed.lead(differences, alpha) if len(common) >= SMALLEST else None
    if lead is None:
        return row
    noise = lead.components
    return {
        **row,
        "low_points": lead.low,
        "high_points": lead.high,
        "seed_sd_points": noise.seeds,
        "user_sd_points": noise.users,
        "seed_error_points": noise.seed_error,
        "user_error_points": noise.user_error,
    }
