"""Which switches of the released code move what: effects on level and spread by switch and cell."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from posrec.analysis.stats.spreads import FEWEST
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.tables.reading import Row, Shown, listing, text
from posrec.analysis.topics.panels import NO_SPREAD, Drawn
from posrec.analysis.topics.style import notice
from posrec.analysis.topics.wording import counted_words

# Title, metric, column of the text, its word, how the text is written
PANELS = (
    ("Hit@10, sampled: effect (points)", "sampled_hit10", "effect_points", "effect", "+.1f"),
    ("NDCG@10, full: effect (points)", PRIMARY, "effect_points", "effect", "+.2f"),
    ("Hit@10, sampled: ratio of spreads", "sampled_hit10", "spread_ratio", "spread", ".1f"),
)
DECIDED = ("raises", "lowers", "steadier", "less steady")
# One scale of colours for all panels: released over sound, from half to double, of the mean or of the spread over seeds
SCALE = {"1/2 and less": 1 / 2, "2/3": 2 / 3, "1": 1.0, "3/2": 3 / 2, "2 and more": 2.0}
HEADER = (
    *("switch", "others", "data set", "cell", "seeds"),
    *("Hit@10 sampled (points)", "effect", "NDCG@10 full (points)", "effect", "ratio of spreads of Hit@10", "spread"),
    *("change of the lead, NDCG@10 (points)", "lead"),
)
WHITE = 0.6  # of the scale's end: from here on the text is white


def caption(tables: Tables) -> str:
    """How many effects are significant, and what the two halves and the stars are."""
    if not tables.inputs.spread:
        return NO_SPREAD
    table = tables["switches"]
    return (
        f"{counted_words(table['effect'], 'effects on a level')} {counted_words(table['spread'], 'ratios of spreads')} "
        "Each number is the released behaviour of one switch against the sound one, with all others sound or all "
        "others released. Colour: released over sound, from half to double. Bold with a star: beyond the margin "
        "(report.margin), by an interval that holds for all effects on the metric together; a number without a star "
        "may be chance, or too small to matter."
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
        for panel, (title, metric, value, word, form) in zip(row, PANELS, strict=True):
            image = _draw_effects(panel, half[half["metric"] == metric], value, word, form)
            panel.set_title(f"{title}\nall other switches {others}", fontsize=9)
        for panel in row[1:]:
            panel.set_yticklabels([])
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.4, aspect=40, pad=0.02)
    bar.set_ticks([math.log2(ratio) for ratio in SCALE.values()], labels=list(SCALE))
    bar.set_label("released / sound: of the mean, and of the spread over seeds")
    return figure


def _cells(rows: pd.DataFrame) -> "pd.Series[str]":
    """Name of the cell of each row: data set, encoding and what else distinguishes it."""
    settings = rows["settings"].fillna("").str.replace("head=carca", "").str.replace("head=", "")
    return (rows["dataset"] + "\n" + rows["encoding"] + " " + settings).str.strip()


def _draw_effects(panel: Axes, rows: pd.DataFrame, value: str, word: str, form: str) -> AxesImage:
    sound = rows["sound_mean_points"]
    ratio = rows["spread_ratio"] if value == "spread_ratio" else (sound + rows["effect_points"]) / sound
    rows = rows.assign(cell=_cells(rows), shown=np.log2(ratio.astype(float).clip(1 / 2, 2)))
    names, cells = list(dict.fromkeys(rows["switch"])), list(dict.fromkeys(rows["cell"]))
    wide = rows.pivot(index="switch", columns="cell", values="shown").loc[names, cells].to_numpy(float)
    image = panel.imshow(wide, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    for _, row in rows[rows[value].notna()].iterrows():
        star, weight = ("*", "bold") if row[word] in DECIDED else ("", "normal")
        colour = "white" if abs(row["shown"]) > WHITE else "black"
        where = cells.index(row["cell"]), names.index(row["switch"])
        said = f"{row[value]:{form}}{star}"
        panel.text(*where, said, ha="center", va="center", fontsize=7, color=colour, weight=weight)
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
        effects = (_effect(hit, 2), str(hit["effect"]), _effect(ndcg, 3), str(ndcg["effect"]))
        place = (str(hit["switch"]), str(hit["others"]), str(hit["dataset"]), cell, str(hit["pairs"]))
        lead = (_effect(ndcg, 3, "lead_change"), text(ndcg["lead_change"]))
        found.append((*place, *effects, _ratio(hit), str(hit["spread"]), *lead))
    return HEADER, tuple(found)


def answers(table: pd.DataFrame) -> list[str]:
    """What is decided, and what is not, in sentences."""
    said = [_reach(table)]
    for what, column, words in (("level", "effect", DECIDED[:2]), ("spread", "spread", DECIDED[2:])):
        moved = _switches(table, column, words)
        alike = [name for name in _switches(table, column, ("leaves", "alike")) if name not in moved]
        others = [name for name in dict.fromkeys(table["switch"]) if name not in (*moved, *alike)]
        said.append(
            f"Effect on the {what} beyond the margin: {listing(moved)}. Within the margin in some cell, beyond it in "
            f"none: {listing(alike)}. Open everywhere: {listing(others)}."
        )
    changed = _switches(table, "lead_change", DECIDED[:2])
    said.append(f"An encoding's lead over none changes by more than the margin with: {listing(changed)}.")
    if int(table["pairs"].max()) < FEWEST:
        said.append(f"For ratios of spreads, no interval is valid at n = {int(table['pairs'].max())}.")
    same = [str(name) for name, own in table.groupby("switch", sort=False) if (own["effect_points"] == 0).all()]
    if same:
        said.append(f"No score changes at all with: {listing(same)}.")
    return said


def _switches(table: pd.DataFrame, column: str, words: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(table.loc[table[column].isin(words), "switch"]))


def _reach(table: pd.DataFrame) -> str:
    most, smallest = int(table["pairs"].max()), float(table["smallest_p"].min())
    number = int(table["tests"].max()) if table["tests"].notna().any() else 0
    cannot = ": no effect can have a p below 5 %, however large; its interval may still be beyond the margin"
    return (
        f"{most} seeds per cell: the smallest p that a level can reach is {smallest:.3g}, whatever the number of "
        f"effects (here {number}, by max-T with the seed as block){cannot if smallest > ALPHA else ''}."
    )


def _effect(row: Row, digits: int, name: str = "effect") -> str:
    if pd.isna(row[f"{name}_points"]):
        return ""
    low, high = row[f"{name}_low_points"], row[f"{name}_high_points"]
    interval = f" [{low:+.{digits}f}, {high:+.{digits}f}]" if pd.notna(low) else ""
    return f"{row[f'{name}_points']:+.{digits}f}{interval}"


def _ratio(row: Row) -> str:
    if pd.isna(row["spread_ratio"]):
        return ""
    low, high = row["spread_ratio_low"], row["spread_ratio_high"]
    interval = f" [{low:.2f}, {high:.2f}]" if pd.notna(low) and pd.notna(high) else ""
    return f"{row['spread_ratio']:.2f}{interval}"
