"""What figures of panels share: the groups of cells, their titles, and axes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics.style import BAD, BAND, BAND_ALPHA

NO_SPREAD = "The study sets report.stability: false, so no spread over seeds is shown."
WHOLE = slice(None)  # all parts of a figure
MEASURES = {"mean": "mean NDCG@10, full (points)", "sd": "sd over seeds (points)"}
BOUNDED = [f"full_ndcg10_{measure}{bound}" for measure in MEASURES for bound in ("", "_low", "_high")]
Drawn = tuple[Figure, pd.DataFrame]  # a figure and the numbers behind it


def panel_title(tables: Tables, key: tuple[str, ...]) -> str:
    """Title of a panel: its data set (marked where it is simulated), and whatever else distinguishes the panel."""
    dataset, protocol, settings = key
    parts = [tables.inputs.label(dataset)]
    if len(tables.inputs.study.settings.protocols) > 1:
        parts.append(protocol)
    return "\n".join([", ".join(parts), *([settings] if settings else [])])


def groups(tables: Tables) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    """The cells by data set, protocol and settings, in the order of the study."""
    encodings = tables["cells"][tables["cells"]["kind"] == "encoding"]
    return [(tuple(group[GROUP].iloc[0]), group) for _, group in encodings.groupby(GROUP, sort=False)]


def margin_band(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> tuple[float, float] | None:
    """The margin around the healthy mean of `none` in points; None without `none` or comparisons."""
    rows = tables["comparisons"]
    for column, value in zip(GROUP, key, strict=True):
        rows = rows[rows[column] == value]
    none = cells.loc[cells["encoding"] == "none", "healthy_mean_points"].dropna()
    if rows.empty or none.empty:
        return None
    mean, margin = float(none.iloc[0]), float(rows["margin_points"].iloc[0])
    return mean - margin, mean + margin


def draw_band(panel: Axes, band: tuple[float, float] | None) -> None:
    """The margin as a vertical band behind everything else."""
    if band is not None:
        panel.axvspan(*band, color=BAND, alpha=BAND_ALPHA, linewidth=0, zorder=0.5)


def encoding_axis(axes: Axes, encodings: list[str]) -> None:
    """Encodings from top to bottom on the y axis; a name of two lines is marked as a gap."""
    for label in axes.set_yticks(range(len(encodings)), encodings):
        gap = "\n" in label.label1.get_text()
        label.label1.set(color=BAD if gap else "black", fontsize=7.5 if gap else 9)
    axes.set_ylim(len(encodings) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def panel_height(tables: Tables) -> float:
    """Height (inches) of a panel with a row per encoding."""
    return max(2.8, 1.3 + 0.29 * len(tables.inputs.study.settings.encodings))


def baseline_values(baselines: dict[str, dict[str, float]], metric: str) -> str:
    """The baselines' values of a metric in points, as a line of text that can break between them only."""
    values = [f"{name} {POINTS * scores[metric]:.2f}" for name, scores in baselines.items()]
    return "  ".join(value.replace(" ", "\N{NO-BREAK SPACE}") for value in values)


def plain_log_axis(panel: Axes, decades: float = 1.6, vertical: bool = False) -> None:
    """Plain numbers on a logarithmic x axis (or y, if vertical); more of them where it spans little."""
    axis = panel.yaxis if vertical else panel.xaxis
    low, high = sorted(panel.get_ylim() if vertical else panel.get_xlim())
    span = np.log10(high / low)
    steps = (1.0, 2.0, 5.0) if span < decades + 1 else (1.0,)
    # LogLocator labels far too many places of an axis with fewer than two of its steps
    axis.set_major_locator(MaxNLocator(4) if span < 0.7 else LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
