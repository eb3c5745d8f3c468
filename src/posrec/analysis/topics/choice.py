"""How safe each encoding is as a choice: the probability of being within the margin of the best."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.choice import NEW, OVERALL
from posrec.analysis.tables.reading import number
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import NO_SPREAD, Drawn

NOTHING = "Choices need three seeds with a healthy run of every encoding, none among them."
DARK = 0.5  # below this probability the colour is dark and the text white

READING = (
    "Each number is the probability of being within the margin of the best, from the scatter of the seeds (a data set) "
    "or of the sources (all, a new one). Encodings that lose too many runs are left out. Expected losses are in the "
    "table."
)


def caption(tables: Tables) -> str:
    """Which encoding is the safest, and what the numbers are."""
    if not tables.inputs.spread:
        return NO_SPREAD
    data = tables["choice"]
    if data.empty:
        return NOTHING
    last = data[data["where"] == (NEW if (data["where"] == NEW).any() else data["where"].iloc[-1])]
    safest = last.iloc[int(last["within"].argmax())]
    margin = tables.inputs.study.settings.report.margin.relative
    return (
        f"Safest on {safest['where']}: {safest['encoding']}, within the margin of the best with probability "
        f"{number(safest['within'])}; the margin is {100 * margin:g} % of the mean of none."
    )


def draw(tables: Tables) -> Drawn:
    """One panel per protocol and settings: where by encoding."""
    data = tables["choice"]
    if data.empty:
        return style.notice(NOTHING if tables.inputs.spread else NO_SPREAD), data
    found = list(data.groupby(["protocol", "settings"], sort=False))
    wide, high = data["encoding"].nunique(), data["where"].nunique()
    figure, axes = style.panels(len(found), 2.2 + 0.62 * wide, 1.0 + 0.32 * high, columns=1)
    several = len(tables.inputs.study.settings.protocols) > 1
    for panel, (key, rows) in zip(axes, found, strict=True):
        _draw_panel(panel, rows, tables)
        panel.set_title(", ".join(str(part) for part in (key if several else key[1:]) if part), fontsize=10)
    return figure, data


def _draw_panel(panel: Axes, rows: pd.DataFrame, tables: Tables) -> None:
    names, places = list(dict.fromkeys(rows["encoding"])), list(dict.fromkeys(rows["where"]))
    shown = rows.pivot(index="where", columns="encoding", values="within").loc[places, names].to_numpy(float)
    panel.imshow(shown, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(shown):
        colour = "white" if value < DARK else "black"
        panel.text(column, row, number(value), ha="center", va="center", fontsize=8, color=colour)
    labels = [name if name in (OVERALL, NEW) else tables.inputs.label(name) for name in places]
    panel.set_xticks(range(len(names)), names, fontsize=8)
    panel.set_yticks(range(len(places)), labels, fontsize=8)
    panel.tick_params(length=0)
    panel.grid(visible=False)
