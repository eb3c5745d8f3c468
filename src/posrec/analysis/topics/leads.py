"""Leads over `none` with their simultaneous intervals against the margin: what the words of the rule are read from."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import BASELINES, GROUP, PRIMARY
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style, wording
from posrec.analysis.topics.panels import (
    NO_SPREAD,
    WHOLE,
    Drawn,
    draw_band,
    encoding_axis,
    groups,
    panel_height,
    panel_title,
)

COLUMNS_OF_PANELS = 3
MARKS = {"ahead": "^", "behind": "v", "equivalent": "D", "open": "o"}
COLUMNS = [
    *(*GROUP, "encoding", "difference_points", "difference_low_points", "difference_high_points", "margin_points"),
    *("level", "level_why"),
]

READING = (
    "Mean difference over paired healthy seeds, with intervals that hold for all encodings of a panel together. Ahead "
    "or behind: the whole interval is beyond the margin (band). Equivalent: within it. Open (hollow): neither, or too "
    "many runs were lost or still rising. Grey lines are baselines, at their distance from none."
)


def caption(tables: Tables) -> str:
    """How often each word occurs, and what it is read from."""
    if not tables.inputs.spread:
        return NO_SPREAD
    return wording.counted_words(_against_none(tables)["level"], "leads over none")


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Differences to none by encoding, one panel per data set, with the margin as a band."""
    data = _against_none(tables)
    if not tables.inputs.spread or data.empty:
        return style.notice(NO_SPREAD if not tables.inputs.spread else "No encoding is compared with none."), data
    found = [(key, cells, rows) for key, cells in groups(tables)[part] if len(rows := _of(data, key))]
    if not found:
        return style.notice("No encoding is compared with none here."), data
    figure, axes = style.panels(len(found), 3.4, panel_height(tables) - 0.4, columns=COLUMNS_OF_PANELS, share="x")
    for panel, (key, _, rows) in zip(axes, found, strict=True):
        _draw_leads(panel, rows)
        panel.set_title(panel_title(tables, key), fontsize=10)
        panel.tick_params(labelbottom=True)
    for panel, (key, cells, _) in zip(axes, found, strict=True):  # when the shared scale is known
        _draw_baselines(panel, _distances(tables, key, cells))
    for panel in axes[-COLUMNS_OF_PANELS:]:  # the last of each column
        panel.set_xlabel("ahead of none, NDCG@10 (points)", fontsize=9)
    encodings = [name for name in tables.inputs.study.settings.encodings if name != "none"]
    handles: list[Line2D | Patch] = [*style.family_handles(encodings)]
    handles += [style.marker_handle(word, "black", mark) for word, mark in MARKS.items() if word != "open"]
    handles += [style.dot_handle("open", filled=False), style.band_handle("margin")]
    drawn = {str(line.get_label()) for panel in axes for line in panel.lines}
    handles += [style.baseline_handle(name) for name in BASELINES if name in drawn]
    style.legend(figure, handles)
    return figure, data


def _against_none(tables: Tables) -> pd.DataFrame:
    return tables["comparisons"].query("against == 'none'")[COLUMNS]


def _of(data: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    for column, value in zip(GROUP, key, strict=True):
        data = data[data[column] == value]
    return data


def _distances(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> dict[str, float]:
    """Baseline -> how far it is ahead of the mean of none, in points; empty without none."""
    none = cells.loc[cells["encoding"] == "none", "healthy_mean_points"].dropna()
    named = tables.inputs.baselines.get(key[0], {}) if len(none) else {}
    return {name: POINTS * scores[PRIMARY] - float(none.iloc[0]) for name, scores in named.items()}


def _draw_baselines(panel: Axes, distances: dict[str, float]) -> None:
    """The baselines that the scale reaches as lines; the strongest one in words where it doesn't."""
    low, high = panel.get_xlim()
    for name, distance in distances.items():
        if low < distance < high:
            look: dict[str, Any] = {"color": style.LIGHT, "linewidth": 1, "zorder": 1.5}
            panel.axvline(distance, linestyle=style.BASELINE_LINES.get(name, "-"), label=name, **look)
    beyond = [name for name, distance in distances.items() if not low < distance < high]
    if beyond:
        strongest = max(beyond, key=lambda name: distances[name])
        inside: dict[str, Any] = {"transform": panel.transAxes, "ha": "right", "va": "bottom", "fontsize": 7}
        panel.text(0.99, 0.01, f"{strongest} {distances[strongest]:+.0f}", color=style.LIGHT, **inside)


def _draw_leads(panel: Axes, rows: pd.DataFrame) -> None:
    margin = float(rows["margin_points"].iloc[0])
    draw_band(panel, (-margin, margin))
    panel.axvline(0, color=style.LIGHT, linewidth=0.8, zorder=1)
    for place, (_, row) in enumerate(rows.iterrows()):
        colour = style.colour(row["encoding"])
        low, high = row["difference_low_points"], row["difference_high_points"]
        panel.plot([low, high], [place, place], color=colour, linewidth=1.4, zorder=3)
        filled = colour if row["level"] != "open" else "white"
        panel.plot(row["difference_points"], place, MARKS[row["level"]], ms=5.5, color=colour, mfc=filled, zorder=4)
    encoding_axis(panel, list(rows["encoding"]))
