"""Figures with the encodings side by side in one panel a data set: scores of the seeds, and their spread."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.cells import POINTS
from posrec.analysis.tables.load import GROUP, PRIMARY
from posrec.analysis.topics import style

NO_SPREAD = "The study sets report.stability: false, so that no spread over seeds is shown."
Drawn = tuple[Figure, pd.DataFrame]


def panel_title(tables: Tables, key: tuple[str, ...]) -> str:
    """Name of a panel: the data set, said to be simulated where it is, and what else sets the panel apart."""
    dataset, protocol, settings = key
    parts = [dataset + (" (simulated)" if dataset in tables.inputs.simulated else "")]
    if len(tables.inputs.study.settings.protocols) > 1:
        parts.append(protocol)
    return "\n".join([", ".join(parts), *([settings] if settings else [])])


def groups(tables: Tables) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    """The cells by data set, protocol and settings, in the order of the study."""
    encodings = tables.cells[tables.cells["kind"] == "encoding"]
    return [(tuple(group[GROUP].iloc[0]), group) for _, group in encodings.groupby(GROUP, sort=False)]


def encoding_axis(axes: Axes, encodings: list[str]) -> None:
    """Encodings from top to bottom on the y axis; a name of two lines is marked as a gap."""
    for label in axes.set_yticks(range(len(encodings)), encodings):
        gap = "\n" in label.label1.get_text()
        label.label1.set(color="#B00020" if gap else "black", fontsize=7.5 if gap else 9)
    axes.set_ylim(len(encodings) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _height(tables: Tables) -> float:
    return max(2.8, 1.3 + 0.29 * len(tables.inputs.study.settings.encodings))


def stability(tables: Tables) -> Drawn:
    """Seeds as points with mean and interval by encoding, one panel a data set; the baselines are lines."""
    found = groups(tables)
    figure, axes = style.panels(len(found), 5.0, _height(tables))
    for panel, (key, cells) in zip(axes, found, strict=True):
        runs = _runs(tables, key)
        _draw_seeds(panel, cells, runs, tables.inputs.spread)
        text = _baseline_lines(panel, tables.inputs.baselines[key[0]])
        lines = textwrap.wrap(text, 75 if len(found) <= style.MANY_PANELS else 44)
        panel.set_title(panel_title(tables, key) + "\n" * len(lines), fontsize=10)
        above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
        panel.annotate("\n".join(lines), (0, 1), (0, 3), fontsize=7, color="#4D4D4D", **above)
        panel.set_xlabel("NDCG@10, full catalogue (points)")
    handles = style.family_handles(tables.inputs.study.settings.encodings)
    handles.append(Line2D([], [], color="black", marker="|", markersize=9, label=_interval_label(tables)))
    names = dict.fromkeys(name for named in tables.inputs.baselines.values() for name in named)
    drawn = {line.get_label() for panel in figure.axes for line in panel.lines}
    handles += [style.baseline_handle(name) for name in names if name in drawn]
    style.legend(figure, handles)
    return figure, _stability_data(tables)


def _interval_label(tables: Tables) -> str:
    return "mean and 95 % interval" if tables.inputs.spread else "mean"


def _runs(tables: Tables, key: tuple[str, ...]) -> pd.DataFrame:
    runs = tables.runs[tables.runs["role"] == "scoring"]
    for name, value in zip(GROUP, key, strict=True):
        runs = runs[runs[name] == value]
    return runs


def _draw_seeds(panel: Axes, cells: pd.DataFrame, runs: pd.DataFrame, spread: bool) -> None:
    offsets = np.linspace(-0.24, 0.24, max(2, runs["seed"].nunique()))
    place = dict(zip(dict.fromkeys(runs["seed"]), offsets, strict=False))
    for row, (_, cell) in enumerate(cells.iterrows()):
        own = runs[(runs["encoding"] == cell["encoding"]) & (runs["status"] == "finished")]
        colour = style.colour(cell["encoding"])
        if spread:
            heights = [row + place[seed] for seed in own["seed"]]
            values = POINTS * own[PRIMARY].astype(float)
            panel.plot(values, heights, "o", ms=4.2, mew=0.4, mec="white", color=colour, zorder=5)  # above the tick
        _draw_mean(panel, row, cell)
    encoding_axis(panel, [_name_with_gaps(cell) for _, cell in cells.iterrows()])


def _draw_mean(panel: Axes, row: int, cell: "pd.Series[Any]") -> None:
    mean, low, high = (POINTS * cell[f"full_ndcg10_mean{end}"] for end in ("", "_low", "_high"))
    if np.isfinite(low):
        panel.plot([low, high], [row, row], color="black", linewidth=1.1, zorder=3)
    if np.isfinite(mean):
        panel.plot([mean], [row], marker="|", ms=10, mew=1.8, color="black", linestyle="", zorder=4)


def _name_with_gaps(cell: "pd.Series[Any]") -> str:
    """An encoding's name and, below it, what is missing or fell to chance."""
    said = [f"{cell['failed']} failed"] if cell["failed"] else []
    said += [f"{cell['collapsed']} collapsed"] if cell["collapsed"] else []
    return "\n".join([str(cell["encoding"]), *([", ".join(said)] if said else [])])


def _baseline_lines(panel: Axes, baselines: dict[str, dict[str, float]]) -> str:
    """Draw the baselines that lie near the scores; the returned line of text gives the values of all."""
    low, high = panel.get_xlim()
    reach = 0.4 * (high - low)
    for name, scores in baselines.items():
        value = POINTS * scores[PRIMARY]
        if low - reach <= value <= high + reach:
            line_style = style.BASELINE_LINES.get(name, "-")
            panel.axvline(value, color=style.LIGHT, linestyle=line_style, linewidth=1, zorder=1.5, label=name)
    return baseline_values(baselines, PRIMARY)


def baseline_values(baselines: dict[str, dict[str, float]], metric: str) -> str:
    """The baselines' values of a metric in points, as a line of text that breaks between them alone."""
    values = [f"{name} {POINTS * scores[metric]:.2f}" for name, scores in baselines.items()]
    return "  ".join(value.replace(" ", "\N{NO-BREAK SPACE}") for value in values)


def _stability_data(tables: Tables) -> pd.DataFrame:
    runs = tables.runs[tables.runs["role"] == "scoring"]
    shown = runs[[*GROUP, "encoding", "seed", "status", "collapsed"]].assign(
        full_ndcg10_points=POINTS * runs[PRIMARY].astype(float)
    )
    columns = ["full_ndcg10_mean", "full_ndcg10_mean_low", "full_ndcg10_mean_high"]
    cells = tables.cells[tables.cells["kind"] == "encoding"][[*GROUP, "encoding", *columns]]
    cells = cells.assign(**{name: POINTS * cells[name].astype(float) for name in columns})
    merged = shown.merge(cells, on=[*GROUP, "encoding"], how="left", sort=False)
    return merged.rename(columns={name: f"{name}_points" for name in columns})


def spread(tables: Tables) -> Drawn:
    """Standard deviation with its exact interval by encoding, one panel a data set, on a logarithmic axis."""
    columns = ["full_ndcg10_sd", "full_ndcg10_sd_low", "full_ndcg10_sd_high"]
    cells = tables.cells[tables.cells["kind"] == "encoding"]
    data = cells[[*GROUP, "encoding", "finished", *columns]]
    data = data.assign(**{name: POINTS * data[name].astype(float) for name in columns})
    data = data.rename(columns={name: f"{name}_points" for name in columns})
    if not tables.inputs.spread:
        return style.notice(NO_SPREAD), data
    found = groups(tables)
    figure, axes = style.panels(len(found), 5.0, _height(tables) - 0.2)
    for panel, (key, group) in zip(axes, found, strict=True):
        _draw_spread(panel, group)
        panel.set_title(panel_title(tables, key), fontsize=10)
        panel.set_xlabel("sd of NDCG@10, full catalogue (points)")
    style.legend(figure, style.family_handles(tables.inputs.study.settings.encodings))
    return figure, data


def _draw_spread(panel: Axes, cells: pd.DataFrame) -> None:
    panel.set_xscale("log")
    for row, (_, cell) in enumerate(cells.iterrows()):
        value, low, high = (POINTS * cell[f"full_ndcg10_sd{end}"] for end in ("", "_low", "_high"))
        if value > 0:
            colour = style.colour(cell["encoding"])
            panel.plot([low, high], [row, row], color=colour, linewidth=1.6)
            panel.plot([value], [row], "o", ms=5.5, color=colour)
        else:
            said = "all scores equal" if value == 0 else f"no spread: {cell['finished']} finished"
            place = panel.get_yaxis_transform()
            panel.text(0.02, row, said, transform=place, ha="left", va="center", fontsize=7, color="#B00020")
    encoding_axis(panel, list(cells["encoding"]))
    plain_log_axis(panel)


def plain_log_axis(panel: Axes, decades: float = 1.6, vertical: bool = False) -> None:
    """Plain numbers on a logarithmic x axis (or y, if vertical); more of them where it spans little."""
    axis = panel.yaxis if vertical else panel.xaxis
    low, high = sorted(panel.get_ylim() if vertical else panel.get_xlim())
    span = np.log10(high / low)
    steps = (1.0, 2.0, 5.0) if span < decades + 1 else (1.0,)
    # LogLocator labels far too many places of an axis on which fewer than two of its steps lie
    axis.set_major_locator(MaxNLocator(4) if span < 0.7 else LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
