"""Mean scores at a glance: heat maps of data sets, or of the settings of one data set, by encodings."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import Drawn, baseline_values, groups, panel_title

TITLES = {
    "full_ndcg10": "NDCG@10, full catalogue (points): the primary metric",
    "sampled_ndcg10": "NDCG@10 among the sampled candidates (points)",
}
SHORT_TITLES = {"full_ndcg10": "NDCG@10, full catalogue", "sampled_ndcg10": "NDCG@10, sampled"}
COLOURS = "cividis"
Group = tuple[tuple[str, ...], pd.DataFrame]

READING = (
    "Means over seeds in points; the colour is the distance to the best encoding of the row in percent (bold: the "
    "best). Baselines, and encodings that are alone in their row, have no colour. Hatched: more of the cell's runs "
    "than report.margin.rate failed, collapsed or were still rising."
)


def caption(tables: Tables) -> str:
    """Whether the two metrics agree on the best encoding, and what the colours compare."""
    scored = [cells.dropna(subset=["full_ndcg10_mean"]) for _, cells in groups(tables)]
    several = [cells for cells in scored if len(cells) > 1]
    agree = sum(len({cells[f"{metric}_mean"].idxmax() for metric in TITLES}) == 1 for cells in several)
    return f"Full catalogue and sampled candidates agree on the best encoding in {agree} of {len(several)} rows."


def draw(tables: Tables) -> Drawn:
    """Means by encoding; the colour is the distance to the row's best encoding, on one scale for all panels.

    One row per data set, settings and protocol, baselines beside the encodings. With many such rows each data set gets
    panels of its own, with its baselines above them.
    """
    found = groups(tables)
    encodings = list(dict.fromkeys(str(name) for _, cells in found for name in cells["encoding"]))
    frames = {metric: _frame(tables, found, metric) for metric in TITLES}
    lowest = min(float(np.nanmin(_behind(frame, encodings), initial=-1.0)) for frame in frames.values())
    facets = _facets(found)
    apart = "" not in facets
    names = encodings if apart else [str(name) for name in frames["full_ndcg10"].columns]
    wide, high = (0.62, 0.28) if apart else (0.8, 0.42)
    rows = max(len(places) for places in facets.values())
    width = 2.6 + wide * len(names)
    figure, axes = style.panels(2 * len(facets), width, 1.0 + high * rows, columns=2 if apart else 1)
    panels = iter(axes)
    for dataset, places in facets.items():
        for metric, frame in frames.items():
            panel = next(panels)
            shown = frame.iloc[places][names]
            shown.index = pd.Index([_row_name(tables, found[place][0], apart) for place in places])
            _draw(panel, shown, encodings, lowest)
            _hatch(panel, [found[place][1] for place in places], names, tables)
            panel.set_title(_title(tables, dataset, metric) if apart else TITLES[metric], fontsize=10)
            if apart and metric != "full_ndcg10":
                panel.set_yticklabels([])
    scale = ScalarMappable(Normalize(lowest, 0), COLOURS)
    figure.colorbar(scale, ax=axes, label="% behind the best of the row", pad=0.01, aspect=40, fraction=0.03)
    data = [
        {**dict(zip(GROUP, key, strict=True)), "metric": metric, **row}
        for metric, frame in frames.items()
        for (key, _), row in zip(found, frame.to_dict("records"), strict=True)
    ]
    return figure, pd.DataFrame(data)


def _facets(found: list[Group]) -> dict[str, list[int]]:
    """Places in `found` by data set, where there are many and some data set has several; else all as one, unnamed."""
    by_dataset: dict[str, list[int]] = {}
    for place, (key, _) in enumerate(found):
        by_dataset.setdefault(key[0], []).append(place)
    apart = len(by_dataset) < len(found) > style.MANY_PANELS
    return by_dataset if apart else {"": list(range(len(found)))}


def _frame(tables: Tables, found: list[Group], metric: str) -> pd.DataFrame:
    """One row of means in points per group: encodings, then baselines."""
    rows = []
    for key, cells in found:
        means = zip(cells["encoding"], POINTS * cells[f"{metric}_mean"], strict=True)
        rows.append({**dict(means), **{n: POINTS * v[metric] for n, v in tables.inputs.baselines[key[0]].items()}})
    baselines = list(dict.fromkeys(name for named in tables.inputs.baselines.values() for name in named))
    frame = pd.DataFrame(rows)
    return frame[[name for name in frame.columns if name not in baselines] + baselines]


def _row_name(tables: Tables, key: tuple[str, ...], apart: bool) -> str:
    name = panel_title(tables, key).replace("\n", ", ")
    return name.partition(", ")[2] if apart else name


def _title(tables: Tables, dataset: str, metric: str) -> str:
    values = baseline_values(tables.inputs.baselines[dataset], metric)
    return f"{tables.inputs.label(dataset)}: {SHORT_TITLES[metric]}\n{values}"


def _behind(shown: pd.DataFrame, encodings: list[str]) -> np.ndarray:
    """(rows, columns) distance to the best encoding of the row in percent of it; NaN for baselines and single ones."""
    best = shown[encodings].max(axis=1).where(shown[encodings].notna().sum(axis=1) > 1)
    behind = shown.sub(best, axis=0).div(best.where(best > 0), axis=0) * 100
    behind.loc[:, [name for name in shown.columns if name not in encodings]] = np.nan
    return behind.to_numpy(float)


def _hatch(panel: Axes, rows: list[pd.DataFrame], names: list[str], tables: Tables) -> None:
    """Mark the cells whose level leans on too many runs that were lost or still rising."""
    limit = tables.inputs.study.settings.report.margin.rate
    for row, cells in enumerate(rows):
        doubtful = cells[(cells["bad"] + cells["still_rising"]) > limit * cells["planned"]]
        for name in doubtful["encoding"]:
            place = (names.index(name), row)
            panel.add_patch(Rectangle(place, 1, 1, fill=False, hatch="///", edgecolor="white", alpha=0.4, linewidth=0))


def _draw(panel: Axes, shown: pd.DataFrame, encodings: list[str], lowest: float) -> None:
    behind = _behind(shown, encodings)
    colours = mpl.colormaps[COLOURS]
    sns.heatmap(behind, ax=panel, cmap=colours, vmin=lowest, vmax=0, linewidths=0.6, cbar=False)
    for (row, column), value in np.ndenumerate(shown.to_numpy(float)):
        share = behind[row, column]
        bright = np.isnan(share) or share > 0.45 * lowest
        look: dict[str, Any] = {"weight": "bold" if share == 0 else "normal", "color": "black" if bright else "white"}
        label = f"{value:.2f}" if np.isfinite(value) else "-"
        panel.text(column + 0.5, row + 0.5, label, ha="center", va="center", fontsize=8, **look)
    panel.axvline(len(encodings), color="white", linewidth=5)
    panel.tick_params(length=0)
    names = [str(name).replace("month ", "month\n") for name in shown.columns]
    panel.set_xticks(np.arange(len(names)) + 0.5, names)
    panel.tick_params(axis="x", rotation=0, labelsize=8)
    panel.set_yticks(np.arange(len(shown)) + 0.5, list(shown.index), rotation=0, fontsize=8)
    panel.grid(visible=False)
