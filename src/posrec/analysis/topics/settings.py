"""Figures of what a study varies beside the encoding: a setting that is a number, the protocol; and the ties."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from posrec.analysis import registry
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.cells import POINTS
from posrec.analysis.tables.load import GROUP
from posrec.analysis.topics import style
from posrec.analysis.topics.seeds import Drawn, encoding_axis, panel_title, plain_log_axis
from posrec.study.variation import format_setting, settings_label, settings_of, varied_settings

MOST_PANELS = 24
MEASURES = {"mean": "mean NDCG@10, full (points)", "sd": "sd over seeds (points)"}
SHADES = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")
VALUES = [f"full_ndcg10_{measure}{bound}" for measure in MEASURES for bound in ("", "_low", "_high")]


def by_setting_data(tables: Tables) -> pd.DataFrame:
    """A row a cell and varied number: the setting, its value, the other settings, and mean and spread in points."""
    study = tables.inputs.study
    varied = varied_settings(study.cells)
    labels = {settings_label(cell, varied): cell for cell in study.cells}
    rows = [
        {
            **{name: cell[name] for name in ("dataset", "protocol", "encoding")},
            "setting": name,
            "value": settings_of(labels[cell["settings"]])[name],
            "other_settings": settings_label(labels[cell["settings"]], [other for other in varied if other != name]),
            **{f"{column}_points": POINTS * cell[column] for column in VALUES},
        }
        for name in registry.varied_numbers(study)
        for _, cell in tables.cells[tables.cells["kind"] == "encoding"].iterrows()
    ]
    return pd.DataFrame(rows)


def by_setting(tables: Tables) -> Drawn:
    """Level (left) and spread (right) against every varied number, one line an encoding."""
    data = by_setting_data(tables)
    several = [
        (key, rows)
        for key, rows in data.groupby(["setting", "dataset", "protocol", "other_settings"], sort=False)
        if rows["value"].map(format_setting).nunique() > 1
    ]
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
    """Values stand evenly spaced in their order, none (no bound) last: steps of a grid are rarely linear."""
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


def by_protocol(tables: Tables) -> Drawn:
    """The protocols side by side: mean and spread of every encoding, one row of panels a data set and settings."""
    cells = tables.cells[tables.cells["kind"] == "encoding"]
    data = cells[[*GROUP, "encoding", "finished"]].assign(**{f"{n}_points": POINTS * cells[n] for n in VALUES})
    protocols = [protocol.name for protocol in tables.inputs.study.protocols]
    measures = [name for name in MEASURES if name == "mean" or tables.inputs.spread]
    found = list(data.groupby(["dataset", "settings"], sort=False))[: MOST_PANELS // len(measures)]
    height = max(2.8, 1.3 + 0.4 * data["encoding"].nunique())
    figure, axes = style.panels(len(measures) * len(found), 4.8, height, columns=len(measures))
    panels = iter(axes)
    for key, rows in found:
        for measure in measures:
            panel = next(panels)
            _draw_protocols(panel, rows, measure, protocols)
            simulated = " (simulated)" if key[0] in tables.inputs.simulated else ""
            panel.set_title("\n".join(part for part in (f"{key[0]}{simulated}", str(key[1])) if part), fontsize=10)
            panel.set_xlabel(MEASURES[measure])
    style.legend(
        figure,
        [style.marker_handle(name, _shade(n), style.ENCODING_MARKERS[n % 4]) for n, name in enumerate(protocols)],
    )
    return figure, data


def _shade(number: int) -> str:
    return SHADES[number % len(SHADES)]


def _draw_protocols(panel: Axes, rows: pd.DataFrame, measure: str, protocols: list[str]) -> None:
    encodings = [str(name) for name in dict.fromkeys(rows["encoding"])]
    for _, row in rows.iterrows():
        number = protocols.index(row["protocol"])
        place = encodings.index(row["encoding"]) + 0.5 * ((number + 0.5) / len(protocols) - 0.5)
        value, low, high = (float(row[f"full_ndcg10_{measure}{bound}_points"]) for bound in ("", "_low", "_high"))
        panel.plot([low, high], [place, place], color=_shade(number), linewidth=1.3)
        panel.plot([value], [place], style.ENCODING_MARKERS[number % 4], color=_shade(number), ms=5)
    if measure == "sd" and (rows["full_ndcg10_sd_points"] > 0).any():
        panel.set_xscale("log")
        plain_log_axis(panel)
    encoding_axis(panel, encodings)


def ties(tables: Tables) -> Drawn:
    """Share of test users whose item ties with others, a point a seed: full catalogue and sampled candidates."""
    runs = tables.runs[(tables.runs["role"] == "scoring") & (tables.runs["status"] == "finished")]
    columns = {"full_tie_share": "full catalogue", "sampled_tie_share": "sampled candidates"}
    data = runs[[*GROUP, "encoding", "seed", *columns]]
    if data.empty:
        return style.notice("No run finished, so there are no scores that could tie."), data
    largest = 100 * float(data[list(columns)].to_numpy(float).max())
    if largest == 0:
        return style.notice(f"In none of {len(data)} runs does any test user's item tie with another."), data
    found = list(data.groupby(GROUP, sort=False))[: MOST_PANELS // 2]
    encodings = [str(name) for name in dict.fromkeys(data["encoding"])]
    figure, axes = style.panels(len(found), 5.0, max(2.8, 1.3 + 0.29 * len(encodings)))
    for panel, (key, rows) in zip(axes, found, strict=True):
        own_encodings = [str(name) for name in dict.fromkeys(rows["encoding"])]
        for row, name, shift in _places(own_encodings):
            own = rows[rows["encoding"] == own_encodings[row]]
            colour = style.colour(own_encodings[row])
            fill = colour if name == "full_tie_share" else "white"
            panel.plot(100 * own[name].astype(float), [row + shift] * len(own), "o", color=colour, ms=4, mfc=fill)
        encoding_axis(panel, own_encodings)
        panel.set_title(panel_title(tables, tuple(map(str, key))), fontsize=10)
        panel.set_xlabel("test users whose item ties with others (%)")
        panel.set_xlim(-0.03 * largest, 1.05 * largest)  # the same in every panel
    kinds = [style.dot_handle("full catalogue", filled=True), style.dot_handle("sampled candidates", filled=False)]
    style.legend(figure, [*style.family_handles(encodings), *kinds])
    return figure, data


def _places(encodings: list[str]) -> Iterator[tuple[int, str, float]]:
    for row in range(len(encodings)):
        yield row, "full_tie_share", -0.15
        yield row, "sampled_tie_share", 0.15
