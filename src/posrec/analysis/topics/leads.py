"""Leads over `none` with their simultaneous intervals against the margin: what the words of the rule are read from."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.topics import style, wording
from posrec.analysis.topics.panels import (
    NO_SPREAD,
    Drawn,
    draw_band,
    encoding_axis,
    groups,
    panel_height,
    panel_title,
)

MARKS = {"ahead": "^", "behind": "v", "equivalent": "D", "open": "o"}
COLUMNS = [
    *(*GROUP, "encoding", "difference_points", "difference_low_points", "difference_high_points", "margin_points"),
    *("level", "level_why"),
]


def caption(tables: Tables) -> str:
    """How often each word occurs, and what it is read from."""
    if not tables.inputs.spread:
        return NO_SPREAD
    counts = wording.counted_words(_against_none(tables)["level"], "leads over none")
    return (
        f"{counts} Mean difference over paired healthy seeds, with intervals that hold for all encodings of a panel "
        "together. Ahead or behind: the whole interval is beyond the margin (band). Equivalent: within it. Open "
        "(hollow): neither, or too many runs were lost or still rising. "
        f"{wording.margin_note(tables.inputs.study)}"
    )


def draw(tables: Tables) -> Drawn:
    """Differences to none by encoding, one panel per data set, with the margin as a band."""
    data = _against_none(tables)
    if not tables.inputs.spread or data.empty:
        return style.notice(NO_SPREAD if not tables.inputs.spread else "No encoding is compared with none."), data
    found = [(key, _of(data, key)) for key, _ in groups(tables)]
    found = [(key, rows) for key, rows in found if len(rows)]
    figure, axes = style.panels(len(found), 5.0, panel_height(tables) - 0.2)
    for panel, (key, rows) in zip(axes, found, strict=True):
        _draw_leads(panel, rows)
        panel.set_title(panel_title(tables, key), fontsize=10)
        panel.set_xlabel("ahead of none, NDCG@10, full catalogue (points)")
    encodings = [name for name in tables.inputs.study.settings.encodings if name != "none"]
    handles: list[Line2D | Patch] = [*style.family_handles(encodings)]
    handles += [style.marker_handle(word, "black", mark) for word, mark in MARKS.items() if word != "open"]
    handles += [style.dot_handle("open", filled=False), style.band_handle("margin")]
    style.legend(figure, handles)
    return figure, data


def _against_none(tables: Tables) -> pd.DataFrame:
    return tables["comparisons"].query("against == 'none'")[COLUMNS]


def _of(data: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    for column, value in zip(GROUP, key, strict=True):
        data = data[data[column] == value]
    return data


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
