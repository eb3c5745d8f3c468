"""Figures over data sets: learning curves, and the correlation with deviation and sparsity."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.cells import POINTS
from posrec.analysis.tables.correlation import OUTCOMES, points
from posrec.analysis.tables.load import GROUP
from posrec.analysis.topics import style
from posrec.analysis.topics.seeds import NO_SPREAD, Drawn, groups, panel_title, plain_log_axis
from posrec.files import read_npz
from posrec.plan.run import planned_runs
from posrec.study.variation import settings_label, varied_settings

SCALES = {"deviation_points": "deviation (points)", "density": "density (right: sparser)"}
Y_TITLES = {"advantage_points": "ahead of none", "log_sd_ratio": "log spread ratio"}
TOO_FEW = (
    "A rank correlation over data sets needs at least 3 data sets with `none` and another encoding; this study has {}."
)


def learning_curves(tables: Tables) -> Drawn:
    """Validation metric by epoch, one panel a data set: mean over seeds and, behind it, lowest to highest seed."""
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
    for cell in study.cells:
        key = (cell.dataset, cell.protocol.name, settings_label(cell, varied))
        for run in planned_runs(study, [cell]):
            if run.seed not in study.settings.seeds:
                continue
            arrays = read_npz(run.npz)
            epochs = arrays.get("curve_epoch", np.empty(0))
            curve = pd.Series(POINTS * arrays.get("curve_validation", np.empty(0)), index=epochs, dtype=float).dropna()
            curves.setdefault(key, []).append((cell.encoding, curve))
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


def correlation(tables: Tables) -> Drawn:
    """Advantage over `none` and spread ratio against deviation (left) and sparsity (right), one row an encoding."""
    data = points(tables.cells, tables.datasets)
    if not tables.inputs.spread:
        return style.notice(NO_SPREAD), data
    shown = _widest_setting(data)
    usable = shown.dropna(subset=["advantage_points"])
    if usable["dataset"].nunique() < 3:
        return style.notice(TOO_FEW.format(usable["dataset"].nunique())), data
    encodings = list(dict.fromkeys(usable["encoding"]))
    figure, axes = style.panels(4 * len(encodings), 2.5, 1.6, columns=4)
    for row, encoding in enumerate(encodings):
        runs = shown[shown["encoding"] == encoding]
        _draw_correlation_row(axes[4 * row : 4 * row + 4], runs, tables)
    _share_scales(axes)
    for column, panel in enumerate(axes[-4:]):
        panel.set_xlabel(list(SCALES.values())[column // 2], fontsize=9)
    style.legend(figure, _dataset_handles(tables))
    return figure, data


def _widest_setting(data: pd.DataFrame) -> pd.DataFrame:
    """The protocol and settings that most data sets share; the first of those."""
    if data.empty:
        return data
    counts = data.groupby(["protocol", "settings"], sort=False)["dataset"].nunique()
    key = counts.index[int(counts.argmax())]
    return data.set_index(["protocol", "settings"], drop=False).loc[[key]].reset_index(drop=True)


def _draw_correlation_row(axes: list[Axes], runs: pd.DataFrame, tables: Tables) -> None:
    names = list(tables.inputs.study.settings.datasets)
    encoding = str(runs["encoding"].iloc[0])
    pairs = [(x, y) for x in SCALES for y in Y_TITLES]
    for panel, (x, y) in zip(axes, pairs, strict=True):
        panel.set_xscale("log")
        panel.axhline(0, color=style.LIGHT, linewidth=0.8)
        for _, run in runs.dropna(subset=[x, y]).iterrows():
            fill = "white" if run["simulated"] == "yes" else style.colour(encoding)
            mark = style.DATASET_MARKERS[names.index(run["dataset"]) % len(style.DATASET_MARKERS)]
            panel.plot([run[x]], [run[y]], mark, ms=5.5, mec=style.colour(encoding), mew=1.3, mfc=fill)
        panel.set_title(f"{encoding}\n{_result(tables, runs, x, y)}", fontsize=7.5)
        panel.set_ylabel(Y_TITLES[y], fontsize=7.5)
        panel.tick_params(labelsize=7)
        panel.margins(x=0.12)
        if x == "density":
            panel.invert_xaxis()


def _result(tables: Tables, runs: pd.DataFrame, x: str, y: str) -> str:
    predictor = "deviation" if x == "deviation_points" else "sparsity"
    outcome = next(name for name, column in OUTCOMES.items() if column == y)
    first = runs.iloc[0]
    table = tables.correlation
    wanted: dict[str, Any] = {"predictor": predictor, "outcome": outcome, "test": "spearman"}
    wanted |= {name: first[name] for name in ("protocol", "settings", "encoding")}
    row = table[np.logical_and.reduce([table[name] == value for name, value in wanted.items()])].iloc[0]
    if pd.isna(row["p"]):
        return "no test"
    return f"rho {row['statistic']:.2f}, p {row['p']:.3f}, Holm {row['p_holm']:.2f}"


def _share_scales(axes: list[Axes]) -> None:
    """The same scale down each column, so that encodings can be compared."""
    for column in range(4):
        own = axes[column::4]
        lows, highs = zip(*(panel.get_ylim() for panel in own), strict=True)
        for panel in own:
            pad = 0.08 * (max(highs) - min(lows))
            panel.set_ylim(min(lows) - pad, max(highs) + pad)
            plain_log_axis(panel)
            panel.tick_params(axis="x", which="minor", bottom=False)
            panel.tick_params(labelbottom=panel is own[-1])


def _dataset_handles(tables: Tables) -> list[Line2D]:
    simulated = tables.inputs.simulated
    handles = []
    for number, name in enumerate(tables.inputs.study.settings.datasets):
        label, fill = (f"{name} (simulated)", "white") if name in simulated else (name, "black")
        mark = style.DATASET_MARKERS[number % len(style.DATASET_MARKERS)]
        handles.append(Line2D([], [], marker=mark, linestyle="", mec="black", mfc=fill, label=label))
    return handles
