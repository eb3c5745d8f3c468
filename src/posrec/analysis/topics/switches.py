"""Which switches of the released code move what: effects on level and spread by switch and cell."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from posrec.analysis.stats.spreads import FEWEST
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.tables.reading import Row, Shown, listing, text
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import NO_SPREAD, Drawn, encoding_axis, plain_log_axis
from posrec.analysis.topics.style import notice
from posrec.analysis.topics.wording import counted_words

# Title, metric, column of the dot, its word
PANELS = (
    ("Hit@10, sampled: effect (points)", "sampled_hit10", "effect_points", "effect"),
    ("NDCG@10, full: effect (points)", PRIMARY, "effect_points", "effect"),
    ("Hit@10, sampled: ratio of spreads", "sampled_hit10", "spread_ratio", "spread"),
)
DECIDED = ("raises", "lowers", "steadier", "less steady")
HEADER = (
    *("switch", "others", "data set", "cell", "seeds"),
    *("Hit@10 sampled (points)", "effect", "NDCG@10 full (points)", "effect", "ratio of spreads of Hit@10", "spread"),
    *("change of the lead, NDCG@10 (points)", "lead"),
)
READING = (
    "Each dot is the released behaviour of one switch against the sound one in one cell (data set, encoding, "
    "settings), with all others sound or all others released; its bar is an interval that holds for all effects on the "
    "metric together. Filled: beyond the margin (report.margin). A hollow one may be chance, or too small to matter."
)


def caption(tables: Tables) -> str:
    """How many effects are significant, and what the two halves and the stars are."""
    if not tables.inputs.spread:
        return NO_SPREAD
    table = tables["switches"]
    levels, spreads = counted_words(table["effect"], "effects on a level"), counted_words(table["spread"], "ratios")
    return f"{levels} {spreads}"


def draw(tables: Tables) -> Drawn:
    """Effects of the switches with their intervals, with the others sound above and the others released below."""
    data = tables["switches"]
    return (notice(NO_SPREAD) if data.empty else forest(data)), data


def forest(data: pd.DataFrame) -> Figure:
    """The figure of a table of switches (`tables.switches.COLUMNS`), of one study or of several."""
    halves = [(name, data[data["others"] == name]) for name in dict.fromkeys(data["others"])]
    names = list(dict.fromkeys(data["switch"]))
    dots = max(_cells(half).nunique() for _, half in halves)
    height = 1.0 + len(names) * max(0.3, 0.1 * dots)
    figure, axes = style.panels(len(PANELS) * len(halves), 3.7, height, columns=len(PANELS))
    for row, (others, half) in enumerate(halves):
        for column, (title, metric, value, word) in enumerate(PANELS):
            panel = axes[len(PANELS) * row + column]
            _draw_effects(panel, half[half["metric"] == metric], names, value, word)
            panel.set_title(f"{title}\nall other switches {others}", fontsize=9)
            if column:
                panel.set_yticklabels([])
    style.legend(figure, [*style.family_handles(list(dict.fromkeys(data["encoding"]))), *_handles()])
    return figure


def _handles() -> list[Line2D]:
    return [style.dot_handle("beyond the margin", filled=True), style.dot_handle("open or within it", filled=False)]


def _cells(rows: pd.DataFrame) -> "pd.Series[str]":
    """Name of the cell of each row: data set, encoding and what else distinguishes it."""
    return rows["dataset"] + rows["encoding"] + rows["settings"].fillna("")


def _draw_effects(panel: Axes, rows: pd.DataFrame, names: list[str], value: str, word: str) -> None:
    """A row per switch; in it a dot with its interval per cell, in the order of the table."""
    ratio = value == "spread_ratio"
    low, high = ("spread_ratio_low", "spread_ratio_high") if ratio else ("effect_low_points", "effect_high_points")
    if ratio and (rows[value] > 0).any():
        panel.set_xscale("log")
    panel.axvline(1.0 if ratio else 0.0, color=style.LIGHT, linewidth=0.8, zorder=1)
    cells = list(dict.fromkeys(_cells(rows)))
    for cell, (_, row) in zip(_cells(rows), rows.iterrows(), strict=True):
        place = names.index(row["switch"]) + 0.7 * ((cells.index(cell) + 0.5) / len(cells) - 0.5)
        colour = style.colour(str(row["encoding"]))
        panel.plot([row[low], row[high]], [place, place], color=colour, linewidth=1.0)
        fill = colour if row[word] in DECIDED else "white"
        panel.plot([row[value]], [place], "o", color=colour, mfc=fill, ms=3.5)
    encoding_axis(panel, names)
    if ratio and (rows[value] > 0).any():
        plain_log_axis(panel)


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
