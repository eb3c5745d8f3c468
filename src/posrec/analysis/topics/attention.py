"""Where the attention of each encoding goes: its weights by the distance and by the time between two items."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.diagnostics import group_of
from posrec.analysis.tables.reading import number
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import WHOLE, Drawn, groups, panel_title
from posrec.model.evaluate.bins import DISTANCES, GAPS

NOTHING = "No run of this study has weights by distance."
PANELS = {"attention_by_distance": "steps between two items", "attention_by_gap": "time between two items"}
REACH = 2.0  # the colours end at a fourth and at four times of uniform: two powers of 2
PALE = 1.2  # from this power on the colour is dark and the text white

READING = (
    "Each number is the mean attention weight of pairs of items that are so far apart, as a multiple of uniform "
    "attention; blue: more, red: less. Kernels that multiply the weights are in it. Means over blocks and seeds; the "
    "right panels leave out an item's attention to itself."
)


def caption(tables: Tables) -> str:
    """With which encodings attention depends most on distance and on time."""
    table = weights(tables["diagnostics"])
    if table.empty:
        return NOTHING
    said = []
    for measure, what in PANELS.items():
        own = table[table["measure"] == measure]
        spread = own.groupby(["encoding", "bin"], sort=False)["mean"].mean().groupby("encoding", sort=False).std()
        if spread.notna().any():
            none = f"; none: {number(spread['none'])}" if "none" in spread else ""
            said.append(f"on the {what} with {spread.idxmax()} (standard deviation {number(spread.max())}{none})")
    return f"Attention depends most {' and '.join(said)}." if said else NOTHING


def weights(table: pd.DataFrame) -> pd.DataFrame:
    """The diagnostics' weights by distance and by gap; `bin`: the place without its block."""
    found = table[table["measure"].isin(list(PANELS))]
    return found.assign(bin=found["place"].astype(str).str.split(", ").str[-1])


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Encoding by distance, and encoding by time between items: two panels per data set, protocol and settings."""
    table = weights(tables["diagnostics"])
    found = [(key, cells) for key, cells in groups(tables) if len(group_of(table, key))][part]
    if not found:
        return style.notice(NOTHING), table
    height = max(1.6, 1.0 + 0.24 * len(tables.inputs.study.settings.encodings))
    figure, axes = style.panels(2 * len(found), 5.2, height, columns=2)
    for row, (key, cells) in enumerate(found):
        own = group_of(table, key)
        for panel, (measure, what) in zip(axes[2 * row : 2 * row + 2], PANELS.items(), strict=True):
            _draw_panel(panel, own[own["measure"] == measure], list(cells["encoding"]))
            panel.set_xlabel(what)
        axes[2 * row].set_title(panel_title(tables, key), fontsize=10)
    return figure, table


def _draw_panel(panel: Axes, own: pd.DataFrame, encodings: list[str]) -> None:
    bins = [name for name in (*DISTANCES, *GAPS) if (own["bin"] == name).any()]
    means = own.groupby(["encoding", "bin"])["mean"].mean().unstack().reindex(index=encodings, columns=bins)
    shown = means.to_numpy(float)
    powers = np.log2(np.clip(shown, 2.0**-REACH, 2.0**REACH))
    # Not an image: two that are alike would have one id in the page.
    edges = [np.arange(size + 1) - 0.5 for size in shown.shape[::-1]]
    panel.pcolormesh(*edges, powers, cmap="RdBu", vmin=-REACH, vmax=REACH)
    panel.invert_yaxis()
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            colour = "white" if abs(powers[row, column]) > PALE else "black"
            panel.text(column, row, number(value), ha="center", va="center", fontsize=7.5, color=colour)
    panel.set_xticks(range(len(bins)), [name.replace(" days", " d").replace(" day", " d") for name in bins], fontsize=8)
    panel.set_yticks(range(len(encodings)), encodings, fontsize=8)
    panel.tick_params(length=0)
    panel.grid(visible=False)
