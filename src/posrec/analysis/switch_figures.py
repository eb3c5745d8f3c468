"""Which switches of the released code move what: effects on level and spread, switch by cell, at a glance."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from posrec.analysis.correlation import ALPHA
from posrec.analysis.load import PRIMARY
from posrec.analysis.seed_figures import NO_SPREAD, Drawn
from posrec.analysis.style import notice
from posrec.analysis.tables import Tables

# Title, metric, column, its p after Holm, digits
PANELS = (
    ("Hit@10, sampled: effect (points)", "sampled_hit10", "effect_points", "p_holm", 1),
    ("NDCG@10, full: effect (points)", PRIMARY, "effect_points", "p_holm", 2),
    ("Hit@10, sampled: ratio of sd", "sampled_hit10", "sd_ratio", "spread_p_holm", 1),
)
SMALL = 0.55  # of the largest effect: from here on the text is white


def switches(tables: Tables) -> Drawn:
    """Heat maps of switch x cell, with the others sound above and the others released below."""
    data = tables.more["switches"]
    if data.empty:
        return notice(NO_SPREAD), data
    halves = [(name, data[data["others"] == name]) for name in dict.fromkeys(data["others"])]
    sizes = [(max(1, half["switch"].nunique()), _cells(half).nunique()) for _, half in halves]
    width = 4.2 + 3 * 0.62 * max(columns for _, columns in sizes)
    height = 1.6 * len(halves) + sum(0.27 * rows for rows, _ in sizes)
    figure = Figure(figsize=(max(9.0, width), height), layout="constrained")
    heights = {"height_ratios": [rows for rows, _ in sizes]}
    axes = figure.subplots(len(halves), len(PANELS), squeeze=False, gridspec_kw=heights)
    for row, (others, half) in zip(axes, halves, strict=True):
        for panel, (title, metric, value, p, digits) in zip(row, PANELS, strict=True):
            _draw(panel, half[half["metric"] == metric], value, p, digits)
            panel.set_title(f"{title}\nall other switches {others}", fontsize=9)
        for panel in row[1:]:
            panel.set_yticklabels([])
    return figure, data


def _cells(rows: pd.DataFrame) -> "pd.Series[str]":
    """Name of the cell of each row: data set, encoding and what else sets it apart."""
    settings = rows["settings"].fillna("").str.replace("head=carca", "").str.replace("head=", "")
    return (rows["dataset"] + "\n" + rows["encoding"] + " " + settings).str.strip()


def _draw(panel: Axes, rows: pd.DataFrame, value: str, p: str, digits: int) -> None:
    rows = rows.assign(cell=_cells(rows))
    names, cells = list(dict.fromkeys(rows["switch"])), list(dict.fromkeys(rows["cell"]))
    wide = rows.pivot(index="switch", columns="cell", values=value).loc[names, cells].to_numpy(float)
    shown = np.log2(wide) if value == "sd_ratio" else wide
    largest = float(np.nanmax(np.abs(shown), initial=0.0)) or 1.0
    panel.imshow(shown, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto")
    for _, row in rows.iterrows():
        y, x = names.index(row["switch"]), cells.index(row["cell"])
        if np.isfinite(shown[y, x]):
            text = f"{wide[y, x]:+.{digits}f}" if value == "effect_points" else f"{wide[y, x]:.{digits}f}"
            star, weight = ("*", "bold") if row[p] <= ALPHA else ("", "normal")
            colour = "white" if abs(shown[y, x]) > SMALL * largest else "black"
            panel.text(x, y, text + star, ha="center", va="center", fontsize=7, color=colour, weight=weight)
    panel.set_xticks(range(len(cells)), cells, fontsize=6.5, rotation=90)
    panel.set_yticks(range(len(names)), names, fontsize=8)
    panel.grid(visible=False)
