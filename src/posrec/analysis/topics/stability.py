"""Scores of the seeds by encoding, with mean, interval and baselines."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, PRIMARY
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style, wording
from posrec.analysis.topics.panels import (
    NO_SPREAD,
    WHOLE,
    Drawn,
    baseline_values,
    draw_band,
    encoding_axis,
    groups,
    margin_band,
    panel_height,
    panel_title,
)

READING = (
    "Each point is a seed, at the same height within every row; the tick is the mean with its 95 % interval (Student's "
    "t). Where intervals are wide compared with the distance of two ticks, their order is open. The band is the margin "
    "around the mean of none: differences within it don't matter. Hollow points were still rising when training ended, "
    "red crosses collapsed to chance, failed runs are counted below the name. Grey lines are baselines near the "
    "scores; their values are above the panel."
)


def caption(tables: Tables) -> str:
    """Which encoding has the highest mean, and what the marks are."""
    names, rows, of = wording.equal_sets(tables)
    among = f", in the {rows} of {of} cases with the same encodings" if rows < of else ""
    best = f"Highest mean: {wording.counted(names)}{among}."
    if not tables.inputs.spread:
        return f"{best} {NO_SPREAD}"
    return best


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Seeds as points with mean and interval by encoding, one panel per data set; the baselines are lines."""
    found = groups(tables)[part]
    figure, axes = style.panels(len(found), 5.0, panel_height(tables))
    for panel, (key, cells) in zip(axes, found, strict=True):
        runs = _runs(tables, key)
        _draw_seeds(panel, cells, runs, tables.inputs.spread)
        if tables.inputs.spread:
            draw_band(panel, margin_band(tables, key, cells))
        text = _baseline_lines(panel, tables.inputs.baselines[key[0]])
        lines = textwrap.wrap(text, 75 if len(found) <= style.MANY_PANELS else 44)
        panel.set_title(panel_title(tables, key) + "\n" * len(lines), fontsize=10)
        above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
        panel.annotate("\n".join(lines), (0, 1), (0, 3), fontsize=7, color="#4D4D4D", **above)
        panel.set_xlabel("NDCG@10, full catalogue (points)")
    handles: list[Line2D | Patch] = [*style.family_handles(tables.inputs.study.settings.encodings)]
    handles.append(Line2D([], [], color="black", marker="|", markersize=9, label=_interval_label(tables)))
    if tables.inputs.spread:
        handles += [style.band_handle("margin around none"), style.dot_handle("still rising", filled=False)]
        handles.append(style.marker_handle("collapsed", style.BAD, "x"))
    names = dict.fromkeys(name for named in tables.inputs.baselines.values() for name in named)
    drawn = {line.get_label() for panel in figure.axes for line in panel.lines}
    handles += [style.baseline_handle(name) for name in names if name in drawn]
    style.legend(figure, handles)
    return figure, _stability_data(tables)


def _interval_label(tables: Tables) -> str:
    return "mean and 95 % interval" if tables.inputs.spread else "mean"


def _runs(tables: Tables, key: tuple[str, ...]) -> pd.DataFrame:
    runs = tables["runs"][tables["runs"]["role"] == "scoring"]
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
            for value, height, (_, run) in zip(values, heights, own.iterrows(), strict=True):
                panel.plot(value, height, **_look(run, colour), zorder=5)  # above the tick
        _draw_mean(panel, row, cell)
    encoding_axis(panel, [_name_with_gaps(cell) for _, cell in cells.iterrows()])


def _look(run: "pd.Series[Any]", colour: str) -> dict[str, Any]:
    """A healthy run is a filled point, one still rising a hollow one, a collapsed one a red cross."""
    if run["collapsed"]:
        return {"marker": "x", "ms": 4.6, "mew": 1.2, "color": style.BAD}
    if pd.notna(run["still_rising"]) and run["still_rising"]:
        return {"marker": "o", "ms": 4.2, "mew": 1.0, "mec": colour, "mfc": "white"}
    return {"marker": "o", "ms": 4.2, "mew": 0.4, "mec": "white", "color": colour}


def _draw_mean(panel: Axes, row: int, cell: "pd.Series[Any]") -> None:
    mean, low, high = (POINTS * cell[f"full_ndcg10_mean{end}"] for end in ("", "_low", "_high"))
    if np.isfinite(low):
        panel.plot([low, high], [row, row], color="black", linewidth=1.1, zorder=3)
    if np.isfinite(mean):
        panel.plot([mean], [row], marker="|", ms=10, mew=1.8, color="black", linestyle="", zorder=4)


def _name_with_gaps(cell: "pd.Series[Any]") -> str:
    """An encoding's name and, below it, what is missing, fell to chance or was still rising."""
    said = [f"{cell['failed']} failed"] if cell["failed"] else []
    said += [f"{cell['collapsed']} collapsed"] if cell["collapsed"] else []
    said += [f"{cell['still_rising']} rising"] if cell["still_rising"] else []
    return "\n".join([str(cell["encoding"]), *([", ".join(said)] if said else [])])


def _baseline_lines(panel: Axes, baselines: dict[str, dict[str, float]]) -> str:
    """Draw the baselines near the scores; returns a line of text with the values of all."""
    low, high = panel.get_xlim()
    reach = 0.4 * (high - low)
    for name, scores in baselines.items():
        value = POINTS * scores[PRIMARY]
        if low - reach <= value <= high + reach:
            line_style = style.BASELINE_LINES.get(name, "-")
            panel.axvline(value, color=style.LIGHT, linestyle=line_style, linewidth=1, zorder=1.5, label=name)
    return baseline_values(baselines, PRIMARY)


def _stability_data(tables: Tables) -> pd.DataFrame:
    runs = tables["runs"][tables["runs"]["role"] == "scoring"]
    shown = runs[[*GROUP, "encoding", "seed", "status", "collapsed"]].assign(
        full_ndcg10_points=POINTS * runs[PRIMARY].astype(float)
    )
    columns = ["full_ndcg10_mean", "full_ndcg10_mean_low", "full_ndcg10_mean_high"]
    cells = tables["cells"][tables["cells"]["kind"] == "encoding"][[*GROUP, "encoding", *columns]]
    cells = cells.assign(**{name: POINTS * cells[name].astype(float) for name in columns})
    merged = shown.merge(cells, on=[*GROUP, "encoding"], how="left", sort=False)
    return merged.rename(columns={name: f"{name}_points" for name in columns})
