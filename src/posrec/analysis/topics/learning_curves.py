"""Validation metric by epoch."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import WHOLE, Drawn
from posrec.files import read_npz
from posrec.plan.run import planned_runs
from posrec.study.variation import settings_label, varied_settings

READING = (
    "One panel per encoding: its mean validation NDCG@10 (full catalogue, a fixed sample of users) by epoch in colour "
    "and that of none in grey, one line per data set, in percent of the best epoch of none there. A line ends where "
    "fewer than half of its seeds still train, and can jump where one ends."
)


def caption(tables: Tables) -> str:
    """How long the models trained, and when they were best."""
    runs = tables["runs"].query("role == 'scoring' and status == 'finished'")
    if runs.empty:
        return "No run finished."
    trained, best = runs["epochs_trained"].median(), runs["selected_epoch"].median()
    return f"The median run trained for {trained:g} epochs and scored best at epoch {best:g}."


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Validation metric by epoch: every encoding against none, in panels with the same axes."""
    curves = _curves(tables)
    bands = {key: _bands(tables, own) for key, own in curves.items()}
    encodings = [name for name in tables.inputs.study.settings.encodings if name != "none"] or ["none"]
    shown = encodings[part]
    figure, axes = style.panels(len(shown), 3.1, 2.3, columns=4, share=True)
    for panel, encoding in zip(axes, shown, strict=True):
        for band in bands.values():
            scale = _scale(band)
            for name in ("none", encoding):
                _draw_line(panel, name, band.get(name), scale)
        panel.set_title(encoding, fontsize=10)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in axes[-4:]:
        panel.set_xlabel("epoch")
    for panel in axes[::4]:
        panel.set_ylabel("% of none's best")
    style.legend(figure, style.family_handles(["none", *shown]))
    return figure, _numbers(tables, bands)


def _bands(tables: Tables, curves: list[tuple[str, "pd.Series[float]"]]) -> dict[str, pd.DataFrame]:
    """Encoding -> its band, without the range of the seeds where the study shows no spread."""
    names = dict.fromkeys(name for name, _ in curves)
    found = {name: curve_band([curve for of, curve in curves if of == name]) for name in names}
    if tables.inputs.spread:
        return found
    return {name: band.drop(columns=["low_points", "high_points"]) for name, band in found.items()}


def _scale(bands: dict[str, pd.DataFrame]) -> float:
    """The best mean of none in points; without none that of all encodings."""
    means = [band["mean_points"].astype(float).max() for name, band in bands.items() if name == "none" and len(band)]
    means = means or [band["mean_points"].astype(float).max() for band in bands.values() if len(band)]
    return max(means, default=1.0) or 1.0


def _draw_line(panel: Axes, encoding: str, band: pd.DataFrame | None, scale: float) -> None:
    if band is None or band.empty:
        return
    look: dict[str, Any] = {"color": style.colour(encoding), "linewidth": 0.8 if encoding == "none" else 1.2}
    mark = style.marker(encoding) if len(band) == 1 else ""
    panel.plot(band["epoch"], 100 * band["mean_points"].astype(float) / scale, marker=mark, alpha=0.8, **look)


def _numbers(tables: Tables, bands: dict[tuple[str, ...], dict[str, pd.DataFrame]]) -> pd.DataFrame:
    rows = [
        band.assign(**dict(zip(GROUP, key, strict=True)), encoding=name)
        for key, own in bands.items()
        for name, band in own.items()
    ]
    data = pd.concat(rows, ignore_index=True)
    return data[[*GROUP, "encoding", *(c for c in data.columns if c not in {*GROUP, "encoding"})]]


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
