"""Which switches of the released code move what: effects on level and spread by switch and cell."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from posrec.analysis.stats.intervals import too_few_for_ratio
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.tables.reading import Row, Shown, listing
from posrec.analysis.topics.panels import NO_SPREAD, Drawn
from posrec.analysis.topics.style import notice
from posrec.analysis.topics.wording import below

# Title, metric, column of the text, its p after Holm, how the text is written
PANELS = (
    ("Hit@10, sampled: effect (points)", "sampled_hit10", "effect_points", "p_holm", "+.1f"),
    ("NDCG@10, full: effect (points)", PRIMARY, "effect_points", "p_holm", "+.2f"),
    ("Hit@10, sampled: ratio of sd", "sampled_hit10", "sd_ratio", "spread_p_holm", ".1f"),
)
# One scale of colours for all panels: released over sound, from half to double, of the mean or of the sd over seeds
SCALE = {"1/2 and less": 1 / 2, "2/3": 2 / 3, "1": 1.0, "3/2": 3 / 2, "2 and more": 2.0}
HEADER = (
    *("switch", "others", "data set", "cell", "seeds"),
    *("Hit@10 sampled (points)", "p Holm", "NDCG@10 full (points)", "p Holm", "sd ratio of Hit@10", "p Holm"),
)
WHITE = 0.6  # of the scale's end: from here on the text is white


def caption(tables: Tables) -> str:
    """How many effects are significant, and what the two halves and the stars are."""
    if not tables.inputs.spread:
        return NO_SPREAD
    table = tables["switches"]
    return (
        f"{below(table['p_holm'], 'effects on a level')} {below(table['spread_p_holm'], 'ratios of spreads')} Each "
        "number is the released behaviour of one switch against the sound one, with all others sound or all others "
        "released. Colour: released over sound, from half to double. Bold with a star: below 5 % after Holm over "
        "all tests of the metric; a number without a star may be chance."
    )


def draw(tables: Tables) -> Drawn:
    """Heat maps of switch x cell, with the others sound above and the others released below."""
    data = tables["switches"]
    return (notice(NO_SPREAD) if data.empty else switch_map(data)), data


def switch_map(data: pd.DataFrame) -> Figure:
    """The figure of a table of switches (`tables.switches.COLUMNS`), of one study or of several."""
    halves = [(name, data[data["others"] == name]) for name in dict.fromkeys(data["others"])]
    sizes = [(max(1, half["switch"].nunique()), _cells(half).nunique()) for _, half in halves]
    width = 4.2 + 3 * 0.62 * max(columns for _, columns in sizes)
    height = 1.6 * len(halves) + sum(0.27 * rows for rows, _ in sizes)
    figure = Figure(figsize=(max(9.0, width), height), layout="constrained")
    heights = {"height_ratios": [rows for rows, _ in sizes]}
    axes = figure.subplots(len(halves), len(PANELS), squeeze=False, gridspec_kw=heights)
    for row, (others, half) in zip(axes, halves, strict=True):
        for panel, (title, metric, value, p, form) in zip(row, PANELS, strict=True):
            image = _draw_effects(panel, half[half["metric"] == metric], value, p, form)
            panel.set_title(f"{title}\nall other switches {others}", fontsize=9)
        for panel in row[1:]:
            panel.set_yticklabels([])
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.4, aspect=40, pad=0.02)
    bar.set_ticks([math.log2(ratio) for ratio in SCALE.values()], labels=list(SCALE))
    bar.set_label("released / sound: of the mean, and of the sd over seeds")
    return figure


def _cells(rows: pd.DataFrame) -> "pd.Series[str]":
    """Name of the cell of each row: data set, encoding and what else distinguishes it."""
    settings = rows["settings"].fillna("").str.replace("head=carca", "").str.replace("head=", "")
    return (rows["dataset"] + "\n" + rows["encoding"] + " " + settings).str.strip()


def _draw_effects(panel: Axes, rows: pd.DataFrame, value: str, p: str, form: str) -> AxesImage:
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


def rows(table: pd.DataFrame) -> Shown:
    """Header and rows: one row per switch and cell, both metrics beside each other."""
    hits, ndcgs = (table[table["metric"] == name] for name in ("sampled_hit10", PRIMARY))
    found = []
    for (_, hit), (_, ndcg) in zip(hits.iterrows(), ndcgs.iterrows(), strict=True):  # the same order in both
        cell = ", ".join(str(hit[name]) for name in ("encoding", "settings") if pd.notna(hit[name]) and hit[name])
        effects = (_effect(hit, 2), _p(hit["p_holm"]), _effect(ndcg, 3), _p(ndcg["p_holm"]))
        place = (str(hit["switch"]), str(hit["others"]), str(hit["dataset"]), cell, str(hit["pairs"]))
        found.append((*place, *effects, _ratio(hit), _p(hit["spread_p_holm"])))
    return HEADER, tuple(found)


def answers(table: pd.DataFrame) -> list[str]:
    """What is significant after Holm, and what is not, in sentences."""
    said = [_best_p(table)]
    for what, p in (("level", "p_holm"), ("spread", "spread_p_holm")):
        tested = table.dropna(subset=[p])
        found = list(dict.fromkeys(tested.loc[tested[p] <= ALPHA, "switch"]))
        others = [name for name in dict.fromkeys(table["switch"]) if name not in found]
        said.append(
            f"Effect on the {what} below 5 % after Holm: {listing(found) if found else 'none'}. "
            f"Not significant: {listing(others) if others else 'none'}."
        )
    if few := too_few_for_ratio(int(table["pairs"].max())):
        said.append(f"For ratios of standard deviations, {few}.")
    same = [str(name) for name, own in table.groupby("switch", sort=False) if (own["effect_points"] == 0).all()]
    if same:
        said.append(f"No score changes at all with: {listing(same)}.")
    return said


def _best_p(table: pd.DataFrame) -> str:
    most = int(table["pairs"].max())
    smallest = float(table["smallest_p"].min())
    number = int(table["tests"].max()) if table["tests"].notna().any() else 0
    after = min(1.0, number * smallest)
    said = (
        f"{most} seeds per cell: the smallest p that a level can reach is {smallest:.3g}, and {after:.3g} where it is "
        f"the smallest of {number} tests"
    )
    return said + (": no effect on a level can be significant here, however large." if after > ALPHA else ".")


def _effect(row: Row, digits: int) -> str:
    if pd.isna(row["effect_points"]):
        return ""
    low, high = row["effect_low_points"], row["effect_high_points"]
    interval = f" [{low:+.{digits}f}, {high:+.{digits}f}]" if pd.notna(low) else ""
    return f"{row['effect_points']:+.{digits}f}{interval}"


def _ratio(row: Row) -> str:
    if pd.isna(row["sd_ratio"]):
        return ""
    interval = f" [{row['sd_ratio_low']:.2f}, {row['sd_ratio_high']:.2f}]" if pd.notna(row["sd_ratio_low"]) else ""
    return f"{row['sd_ratio']:.2f}{interval}"


def _p(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"
