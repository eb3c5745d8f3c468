"""Figures of what can be said at all: mean ranks with their critical difference, and the verdicts on the claims."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED
from posrec.analysis.stats import rankings
from posrec.analysis.tables.build import Tables
from posrec.analysis.topics import style
from posrec.analysis.topics.seeds import NO_SPREAD, Drawn

# Colour and glyph: told apart in grey print, too.
LOOKS = {SUPPORTED: ("#009E73", "✓"), CONTRADICTED: ("#D55E00", "✗"), OPEN: ("#DDDDDD", "?")}
TITLES = {"level": "mean NDCG@10 (rank 1: highest)", "spread": "standard deviation over seeds (rank 1: smallest)"}
NO_RANKS = "Mean ranks need two data sets that all have the same three or more encodings; this study has none such."


def ranks(tables: Tables) -> Drawn:
    """Critical-difference diagrams (Demsar 2006): a bar joins encodings that are not told apart."""
    data = tables.ranks
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


def claims(tables: Tables) -> Drawn:
    """Claims by protocol: the verdict as colour and glyph."""
    if not tables.inputs.spread:
        return style.notice(NO_SPREAD), tables.claims
    protocols = list(dict.fromkeys(tables.claims["protocol"]))
    statements = tables.claims.drop_duplicates("claim")
    figure, (panel,) = style.panels(1, 5.2 + 1.2 * len(protocols), 0.42 * len(statements) + 0.6)
    for column, protocol in enumerate(protocols):
        rows = tables.claims[tables.claims["protocol"] == protocol]
        for row, verdict in enumerate(rows["verdict"]):
            colour, glyph = LOOKS[verdict]
            panel.add_patch(_square(column, row, colour))
            panel.text(column, row, glyph, ha="center", va="center", fontsize=11, color="black")
    labels = [f"{c}  {textwrap.fill(s, 80)}" for c, s in zip(statements["claim"], statements["statement"], strict=True)]
    panel.set_yticks(np.arange(len(labels)), labels, fontsize=8)
    panel.set_xticks(np.arange(len(protocols)), protocols)
    panel.xaxis.tick_top()
    panel.set_xlim(-0.6, len(protocols) - 0.4)
    panel.set_ylim(len(labels) - 0.4, -0.6)
    panel.tick_params(length=0)
    panel.grid(visible=False)
    for side in ("top", "right", "left", "bottom"):
        panel.spines[side].set_visible(False)
    style.legend(
        figure, [style.marker_handle(f"{glyph} {name}", colour, size=9) for name, (colour, glyph) in LOOKS.items()]
    )
    return figure, tables.claims


def _square(column: int, row: int, colour: str) -> Rectangle:
    return Rectangle((column - 0.42, row - 0.4), 0.84, 0.8, color=colour, linewidth=0)
