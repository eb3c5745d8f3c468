"""Level and spread against every setting that a study varies and that is a number."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from posrec.analysis import registry
from posrec.analysis.registry import MOST_PANELS
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import BOUNDED, MEASURES, Drawn, panel_title, plain_log_axis
from posrec.study.variation import format_setting, settings_label, settings_of, varied_settings

READING = (
    "Left: means over seeds with 95 % intervals (Student's t); right: standard deviations with theirs, where one is "
    "valid, on a logarithmic axis. Values are evenly spaced; lines are shifted sideways so that intervals remain "
    "visible. Panels beyond twelve are in the numbers alone."
)


def caption(tables: Tables) -> str:
    """How often the best encoding depends on the setting, and how to read the lines."""
    several = _panels(numbers(tables))
    changes = sum(_best_by_value(rows) > 1 for _, rows in several)
    return f"The encoding with the highest mean changes with the setting in {changes} of {len(several)} cases."


def _best_by_value(rows: pd.DataFrame) -> int:
    """Number of encodings that are best at some value of the setting."""
    scored = rows.dropna(subset=["full_ndcg10_mean_points"])
    best = scored.groupby(scored["value"].map(format_setting))["full_ndcg10_mean_points"].idxmax()
    return int(scored.loc[best, "encoding"].nunique())


def _panels(data: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """The rows by setting, data set, protocol and other settings, where the setting takes several values."""
    return [
        (key, rows)
        for key, rows in data.groupby(["setting", "dataset", "protocol", "other_settings"], sort=False)
        if rows["value"].map(format_setting).nunique() > 1
    ]


def numbers(tables: Tables) -> pd.DataFrame:
    """One row per cell and varied number: the setting, its value, the other settings, and mean and spread in points."""
    study = tables.inputs.study
    varied = varied_settings(study.cells)
    labels = {settings_label(cell, varied): cell for cell in study.cells}
    rows = [
        {
            **{name: cell[name] for name in ("dataset", "protocol", "encoding")},
            "setting": name,
            "value": settings_of(labels[cell["settings"]])[name],
            "other_settings": settings_label(labels[cell["settings"]], [other for other in varied if other != name]),
            **{f"{column}_points": POINTS * cell[column] for column in BOUNDED},
        }
        for name in registry.varied_numbers(study)
        for _, cell in tables["cells"][tables["cells"]["kind"] == "encoding"].iterrows()
    ]
    return pd.DataFrame(rows)


def draw(tables: Tables) -> Drawn:
    """Level (left) and spread (right) against every varied number, one line per encoding."""
    data = numbers(tables)
    several = _panels(data)
    measures = [name for name in MEASURES if name == "mean" or tables.inputs.spread]
    shown = several[: MOST_PANELS // len(measures)]
    figure, axes = style.panels(len(measures) * len(shown), 4.6, 3.0, columns=len(measures))
    panels = iter(axes)
    for key, rows in shown:
        for measure in measures:
            panel = next(panels)
            _draw_lines(panel, rows, measure)
            panel.set_title(panel_title(tables, (str(key[1]), str(key[2]), str(key[3]))), fontsize=10)
            panel.set_xlabel(str(key[0]).replace("_", " "))
            panel.set_ylabel(MEASURES[measure])
    names = list(dict.fromkeys(data["encoding"]))
    style.legend(figure, [style.line_handle(name, style.colour(name), style.line(name)) for name in names])
    return figure, data


def _draw_lines(panel: Axes, rows: pd.DataFrame, measure: str) -> None:
    """Values are evenly spaced in their order, none (no bound) last: steps of a grid are rarely linear."""
    values = sorted(dict.fromkeys(rows["value"].map(_number)))
    encodings = list(dict.fromkeys(rows["encoding"]))
    shifts = np.linspace(-0.12, 0.12, len(encodings)) if len(encodings) > 1 else [0.0]
    for shift, (encoding, own) in zip(shifts, rows.groupby("encoding", sort=False), strict=True):
        own = own.assign(place=[values.index(_number(value)) + shift for value in own["value"]]).sort_values("place")
        mean, low, high = (own[f"full_ndcg10_{measure}{bound}_points"].astype(float) for bound in ("", "_low", "_high"))
        colour = style.colour(str(encoding))
        panel.vlines(own["place"], low, high, color=colour, linewidth=0.9, alpha=0.6)
        panel.plot(
            own["place"], mean, style.line(str(encoding)), marker=style.marker(str(encoding)), color=colour, ms=4
        )
    panel.set_xticks(range(len(values)), ["none" if np.isinf(value) else f"{value:g}" for value in values])
    if measure == "sd" and (rows["full_ndcg10_sd_points"] > 0).any():
        panel.set_yscale("log")
        plain_log_axis(panel, vertical=True)


def _number(value: Any) -> float:
    return np.inf if value is None or pd.isna(value) else float(value)
