"""Advantage and spread of the encodings against deviation and sparsity of the data sets."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.correlation import OUTCOMES, points
from posrec.analysis.topics import style, wording
from posrec.analysis.topics.panels import NO_SPREAD, WHOLE, Drawn, plain_log_axis

SCALES = {"deviation_points": "deviation (points)", "density": "density (right: sparser)"}
Y_TITLES = {"advantage_points": "ahead of none", "log_sd_ratio": "log spread ratio"}
TOO_FEW = (
    "A rank correlation over data sets needs at least 3 data sets with `none` and another encoding; this study has {}."
)

READING = (
    "Each point is a data set (hollow: simulated). Left half: against the data set's deviation, the standard deviation "
    "of none over seeds of its own; right half: against its density, sparser to the right. Above the line: ahead of "
    "none (points), or more spread than none (logarithm of the ratio). Titles: Spearman's rho, its permutation p, and "
    "p after Holm over encodings."
)


def caption(tables: Tables) -> str:
    """How many rank tests find a relation, and what the panels plot."""
    if not tables.inputs.spread:
        return NO_SPREAD
    tests = tables["correlation"].query("test == 'spearman'").dropna(subset=["p"])
    found = wording.below(tests["p_holm"], "rank tests")
    if len(tests) and (tests["decidable"] == "no").all():
        found = f"No test here can fall below {ALPHA:g} after Holm, whatever the outcome: there are too few data sets."
    return found


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Advantage over `none` and spread ratio against deviation (left) and sparsity (right), one row per encoding."""
    data = points(tables["cells"], tables["datasets"])
    if not tables.inputs.spread:
        return style.notice(NO_SPREAD), data
    shown = _widest_setting(data)
    usable = shown.dropna(subset=["advantage_points"])
    if usable["dataset"].nunique() < 3:
        return style.notice(TOO_FEW.format(usable["dataset"].nunique())), data
    encodings = list(dict.fromkeys(usable["encoding"]))[part]
    if not encodings:
        return style.notice("The other encodings are on the pages before."), data
    figure, axes = style.panels(4 * len(encodings), 2.5, 1.6, columns=4)
    for row, encoding in enumerate(encodings):
        runs = shown[shown["encoding"] == encoding]
        _draw_correlation_row(axes[4 * row : 4 * row + 4], runs, tables)
    _share_scales(axes)
    for column, panel in enumerate(axes[-4:]):
        panel.set_xlabel(list(SCALES.values())[column // 2], fontsize=9)
    style.legend(figure, _dataset_handles(tables))
    return figure, data


def _widest_setting(data: pd.DataFrame) -> pd.DataFrame:
    """The protocol and settings that most data sets share; the first of those."""
    if data.empty:
        return data
    counts = data.groupby(["protocol", "settings"], sort=False)["dataset"].nunique()
    key = counts.index[int(counts.argmax())]
    return data.set_index(["protocol", "settings"], drop=False).loc[[key]].reset_index(drop=True)


def _draw_correlation_row(axes: list[Axes], runs: pd.DataFrame, tables: Tables) -> None:
    names = list(tables.inputs.study.settings.datasets)
    encoding = str(runs["encoding"].iloc[0])
    pairs = [(x, y) for x in SCALES for y in Y_TITLES]
    for panel, (x, y) in zip(axes, pairs, strict=True):
        panel.set_xscale("log")
        panel.axhline(0, color=style.LIGHT, linewidth=0.8)
        for _, run in runs.dropna(subset=[x, y]).iterrows():
            fill = "white" if run["simulated"] == "yes" else style.colour(encoding)
            mark = style.DATASET_MARKERS[names.index(run["dataset"]) % len(style.DATASET_MARKERS)]
            panel.plot([run[x]], [run[y]], mark, ms=5.5, mec=style.colour(encoding), mew=1.3, mfc=fill)
        panel.set_title(f"{encoding}\n{_result(tables, runs, x, y)}", fontsize=7.5)
        panel.set_ylabel(Y_TITLES[y], fontsize=7.5)
        panel.tick_params(labelsize=7)
        panel.margins(x=0.12)
        if x == "density":
            panel.invert_xaxis()


def _result(tables: Tables, runs: pd.DataFrame, x: str, y: str) -> str:
    predictor = "deviation" if x == "deviation_points" else "sparsity"
    outcome = next(name for name, column in OUTCOMES.items() if column == y)
    first = runs.iloc[0]
    table = tables["correlation"]
    wanted: dict[str, Any] = {"predictor": predictor, "outcome": outcome, "test": "spearman"}
    wanted |= {name: first[name] for name in ("protocol", "settings", "encoding")}
    row = table[np.logical_and.reduce([table[name] == value for name, value in wanted.items()])].iloc[0]
    if pd.isna(row["p"]):
        return "no test"
    return f"rho {row['statistic']:.2f}, p {row['p']:.3f}, Holm {row['p_holm']:.2f}"


def _share_scales(axes: list[Axes]) -> None:
    """The same scale down each column, so that encodings can be compared."""
    for column in range(4):
        own = axes[column::4]
        lows, highs = zip(*(panel.get_ylim() for panel in own), strict=True)
        for panel in own:
            pad = 0.08 * (max(highs) - min(lows))
            panel.set_ylim(min(lows) - pad, max(highs) + pad)
            plain_log_axis(panel)
            panel.tick_params(axis="x", which="minor", bottom=False)
            panel.tick_params(labelbottom=panel is own[-1])


def _dataset_handles(tables: Tables) -> list[Line2D]:
    handles = []
    for number, name in enumerate(tables.inputs.study.settings.datasets):
        fill = "white" if name in tables.inputs.simulated else "black"
        mark = style.DATASET_MARKERS[number % len(style.DATASET_MARKERS)]
        handles.append(
            Line2D([], [], marker=mark, linestyle="", mec="black", mfc=fill, label=tables.inputs.label(name))
        )
    return handles
