"""Validation metric by epoch."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import Drawn, groups, panel_title
from posrec.files import read_npz
from posrec.plan.run import planned_runs
from posrec.study.variation import settings_label, varied_settings


def caption(tables: Tables) -> str:
    """How long the models trained, and what line and band are."""
    runs = tables["runs"].query("role == 'scoring' and status == 'finished'")
    band = ", the band the range of the seeds" if tables.inputs.spread else ""
    return (
        f"{_epochs(runs)}NDCG@10 on the full catalogue over a fixed sample of validation users. The line is the mean "
        f"over seeds{band}; a line ends where fewer than half of its seeds still train, and can jump where one ends."
    )


def _epochs(runs: pd.DataFrame) -> str:
    if runs.empty:
        return ""
    trained, best = runs["epochs_trained"].median(), runs["selected_epoch"].median()
    return f"The median run trained for {trained:g} epochs and scored best at epoch {best:g}. "


def draw(tables: Tables) -> Drawn:
    """Validation metric by epoch, one panel per data set: mean over seeds and, behind it, lowest to highest seed."""
    curves = _curves(tables)
    found = groups(tables)
    figure, axes = style.panels(len(found), 4.6, 3.0)
    summary = []
    for panel, (key, cells) in zip(axes, found, strict=True):
        for encoding in cells["encoding"]:
            own = [curve for name, curve in curves.get(key, []) if name == encoding]
            band = curve_band(own)
            _draw_band(panel, str(encoding), band, tables.inputs.spread)
            shown = band if tables.inputs.spread else band.drop(columns=["low_points", "high_points"])
            summary.append(shown.assign(encoding=encoding, **dict(zip(GROUP, key, strict=True))))
        panel.set_title(panel_title(tables, key), fontsize=10)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_ylabel("validation NDCG@10 (points)")
    encodings = tables.inputs.study.settings.encodings
    style.legend(figure, [style.line_handle(name, style.colour(name), style.line(name)) for name in encodings])
    data = pd.concat(summary, ignore_index=True)
    return figure, data[[*GROUP, "encoding", *(c for c in data.columns if c not in {*GROUP, "encoding"})]]


def _curves(tables: Tables) -> dict[tuple[str, ...], list[tuple[str, "pd.Series[float]"]]]:
    """Validation curves (points by epoch) of the scoring runs, by data set, protocol and settings."""
    study = tables.inputs.study
    varied = varied_settings(study.cells)
    curves: dict[tuple[str, ...], list[tuple[str, pd.Series[float]]]] = {}
    for run in planned_runs(study):
        if run.seed not in study.settings.scoring_seeds:
            continue
        key = (run.cell.dataset, run.cell.protocol.name, settings_label(run.cell, varied))
        arrays = read_npz(run.npz)
        epochs = arrays.get("curve_epoch", np.empty(0))
        curve = pd.Series(POINTS * arrays.get("curve_validation", np.empty(0)), index=epochs, dtype=float).dropna()
        curves.setdefault(key, []).append((run.cell.encoding, curve))
    return curves


def curve_band(curves: list["pd.Series[float]"]) -> pd.DataFrame:
    """Mean, lowest and highest of the curves by epoch, while at least half of those that were read still train.

    Columns: epoch, seeds, mean_points, low_points, high_points.
    """
    columns = ["epoch", "seeds", "mean_points", "low_points", "high_points"]
    read = [curve for curve in curves if len(curve)]
    if not read:
        return pd.DataFrame(columns=columns)
    table = pd.concat(read, axis=1).sort_index()
    table = table[table.notna().sum(axis=1) >= len(read) / 2]
    values = [table.index, table.notna().sum(axis=1), table.mean(axis=1), table.min(axis=1), table.max(axis=1)]
    return pd.DataFrame(dict(zip(columns, (np.asarray(value) for value in values), strict=True)))


def _draw_band(panel: Axes, encoding: str, band: pd.DataFrame, spread: bool) -> None:
    colour = style.colour(encoding)
    points_only = style.marker(encoding) if len(band) == 1 else ""
    panel.plot(
        band["epoch"], band["mean_points"], style.line(encoding), marker=points_only, color=colour, linewidth=1.4
    )
    if spread and len(band):
        low, high = band["low_points"].astype(float), band["high_points"].astype(float)
        panel.fill_between(band["epoch"].astype(float), low, high, color=colour, alpha=0.10, linewidth=0)
