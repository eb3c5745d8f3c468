"""Mean ranks over data sets with their critical difference."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from posrec.analysis.stats import rankings
from posrec.analysis.tables.build import Tables
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import Drawn

TITLES = {"level": "mean NDCG@10 (rank 1: highest)", "spread": "standard deviation over seeds (rank 1: smallest)"}
NO_RANKS = "Mean ranks need two data sets with the same three or more encodings; this study has none."

READING = (
    "Further left is better. Encodings under one black bar cannot be distinguished (Nemenyi, 5 %); the grey bar is the "
    "distance needed. Data sets count as independent; subsets of one are not."
)


def caption(tables: Tables) -> str:
    """Which encoding ranks best by level, and how to read a critical difference."""
    known = tables["ranks"].query("what == 'level'").dropna(subset=["mean_rank"])
    if known.empty:
        return NO_RANKS
    best = known.iloc[int(known["mean_rank"].astype(float).argmin())]
    return (
        f"Best mean rank by level: {best['encoding']} ({best['mean_rank']:.2f} over {best['datasets']} data sets, "
        f"Friedman p = {best['p']:.3g})."
    )


def draw(tables: Tables) -> Drawn:
    """Critical-difference diagrams (Demsar 2006): a bar joins encodings that cannot be distinguished."""
    data = tables["ranks"]
    known = data.dropna(subset=["mean_rank"])
    found = list(known.groupby(["protocol", "settings", "what"], sort=False))
    if not found:
        return style.notice(NO_RANKS), data
    most = max(len(group) for _, group in found)
    figure, axes = style.panels(len(found), 5.6, 1.3 + 0.2 * most)
    several = known[["protocol", "settings"]].drop_duplicates().shape[0] > 1
    for panel, (key, group) in zip(axes, found, strict=True):
        _draw_ranks(panel, group)
        where = ", ".join(str(part) for part in key[:2] if part) + ": " if several else ""
        first = group.iloc[0]
        panel.set_title(
            f"{where}{TITLES[str(key[2])]}\n{first['datasets']} data sets, Friedman p = {first['p']:.3g}", fontsize=10
        )
    style.legend(figure, style.family_handles([str(name) for name in known["encoding"]]))
    return figure, data


def _draw_ranks(panel: Axes, group: pd.DataFrame) -> None:
    ordered = group.sort_values("mean_rank", kind="stable")
    values, difference = ordered["mean_rank"].to_numpy(float), float(ordered["critical_difference"].iloc[0])
    for row, (encoding, value) in enumerate(zip(ordered["encoding"], values, strict=True)):
        panel.plot([value], [row], "o", ms=6, color=style.colour(str(encoding)))
    bars = rankings.cliques(values, difference)
    for number, clique in enumerate(bars):
        height = len(values) - 0.3 + 0.45 * number
        panel.plot([values[clique[0]], values[clique[-1]]], [height, height], color="black", linewidth=3)
    bottom = len(values) - 0.3 + 0.45 * len(bars)
    panel.plot([1, 1 + difference], [bottom, bottom], color=style.LIGHT, linewidth=1.5, marker="|")
    panel.text(1, bottom + 0.3, f"critical difference {difference:.2f}", va="top", fontsize=8)
    panel.set_yticks(np.arange(len(values)), [str(name) for name in ordered["encoding"]])
    panel.set_ylim(bottom + 1.1, -0.6)
    panel.set_xlim(0.7, max(len(values), 1 + difference) + 0.3)
    panel.set_xlabel("mean rank")
