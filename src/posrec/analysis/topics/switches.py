"""Which switches of the released code move what: effects on level and spread, switch by cell, at a glance."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.correlation import ALPHA
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.topics.seeds import NO_SPREAD, Drawn
from posrec.analysis.topics.style import notice

# Title, metric, column of the text, its p after Holm, how the text is written
PANELS = (
    ("Hit@10, sampled: effect (points)", "sampled_hit10", "effect_points", "p_holm", "+.1f"),
    ("NDCG@10, full: effect (points)", PRIMARY, "effect_points", "p_holm", "+.2f"),
    ("Hit@10, sampled: ratio of sd", "sampled_hit10", "sd_ratio", "spread_p_holm", ".1f"),
)
# One scale of colours for all panels: released over sound, from half to double, of the mean or of the sd over seeds
SCALE = {"1/2 and less": 1 / 2, "2/3": 2 / 3, "1": 1.0, "3/2": 3 / 2, "2 and more": 2.0}
WHITE = 0.6  # of the scale's end: from here on the text is white


def switches(tables: Tables) -> Drawn:
    """Heat maps of switch x cell, with the others sound above and the others released below."""
    data = tables.more["switches"]
    return (notice(NO_SPREAD) if data.empty else switch_map(data)), data


def switch_map(data: pd.DataFrame) -> Figure:
    """The figure of a table of switches (`switches.MEANINGS`), of one study or of several."""
    halves = [(name, data[data["others"] == name]) for name in dict.fromkeys(data["others"])]
    sizes = [(max(1, half["switch"].nunique()), _cells(half).nunique()) for _, half in halves]
    width = 4.2 + 3 * 0.62 * max(columns for _, columns in sizes)
    height = 1.6 * len(halves) + sum(0.27 * rows for rows, _ in sizes)
    figure = Figure(figsize=(max(9.0, width), height), layout="constrained")
    heights = {"height_ratios": [rows for rows, _ in sizes]}
    axes = figure.subplots(len(halves), len(PANELS), squeeze=False, gridspec_kw=heights)
    for row, (others, half) in zip(axes, halves, strict=True):
        for panel, (title, metric, value, p, form) in zip(row, PANELS, strict=True):
            image = _draw(panel, half[half["metric"] == metric], value, p, form)
            panel.set_title(f"{title}\nall other switches {others}", fontsize=9)
        for panel in row[1:]:
            panel.set_yticklabels([])
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.4, aspect=40, pad=0.02)
    bar.set_ticks([math.log2(ratio) for ratio in SCALE.values()], labels=list(SCALE))
    bar.set_label("released / sound: of the mean, and of the sd over seeds")
    return figure


def _cells(rows: pd.DataFrame) -> "pd.Series[str]":
    """Name of the cell of each row: data set, encoding and what else sets it apart."""
    settings = rows["settings"].fillna("").str.replace("head=carca", "").str.replace("head=", "")
    return (rows["dataset"] + "\n" + rows["encoding"] + " " + settings).str.strip()


def _draw(panel: Axes, rows: pd.DataFrame, value: str, p: str, form: str) -> AxesImage:
    sound = rows["sound_mean_points"]
    ratio = rows["sd_ratio"] if value == "sd_ratio" else (sound + rows["effect_points"]) / sound
    rows = rows.assign(cell=_cells(rows), shown=np.log2(ratio.astype(float).clip(1 / 2, 2)))
    names, cells = list(dict.fromkeys(rows["switch"])), list(dict.fromkeys(rows["cell"]))
    wide = rows.pivot(index="switch", columns="cell", values="shown").loc[names, cells].to_numpy(float)
    image = panel.imshow(wide, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    for _, row in rows[rows[value].notna()].iterrows():
        star, weight = ("*", "bold") if row[p] <= ALPHA else ("", "normal")
        colour = "white" if abs(row["shown"]) > WHITE else "black"
        where = cells.index(row["cell"]), names.index(row["switch"])
        text = f"{row[value]:{form}}{star}"
        panel.text(*where, text, ha="center", va="center", fontsize=7, color=colour, weight=weight)
    panel.set_xticks(range(len(cells)), cells, fontsize=6.5, rotation=90)
    panel.set_yticks(range(len(names)), names, fontsize=8)
    panel.grid(visible=False)
    return image
