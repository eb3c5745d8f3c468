"""The verdicts on the claims, by protocol."""

import textwrap

import numpy as np
from matplotlib.patches import Rectangle

from posrec.analysis.claims.verdict import CONTRADICTED, OPEN, SUPPORTED
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.reading import listing
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import NO_SPREAD, Drawn

# Colour and glyph: they differ in grey print, too.
LOOKS = {SUPPORTED: ("#009E73", "✓"), CONTRADICTED: ("#D55E00", "✗"), OPEN: ("#DDDDDD", "?")}


def caption(tables: Tables) -> str:
    """How often each verdict occurs, and what grey means."""
    if not tables.inputs.spread:
        return NO_SPREAD
    counts = [f"{n} {name}" for name, n in tables["claims"]["verdict"].value_counts(sort=False).items()]
    return (
        f"Verdicts: {listing(counts)}. One row per claim of arXiv 2405.10436, one column per protocol. Grey: too few "
        "seeds or data sets, or the study does not vary what the claim is about; the table of claims gives the reason."
    )


def draw(tables: Tables) -> Drawn:
    """Claims by protocol: the verdict as colour and glyph."""
    if not tables.inputs.spread:
        return style.notice(NO_SPREAD), tables["claims"]
    protocols = list(dict.fromkeys(tables["claims"]["protocol"]))
    statements = tables["claims"].drop_duplicates("claim")
    figure, (panel,) = style.panels(1, 5.2 + 1.2 * len(protocols), 0.42 * len(statements) + 0.6)
    for column, protocol in enumerate(protocols):
        rows = tables["claims"][tables["claims"]["protocol"] == protocol]
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
    return figure, tables["claims"]


def _square(column: int, row: int, colour: str) -> Rectangle:
    return Rectangle((column - 0.42, row - 0.4), 0.84, 0.8, color=colour, linewidth=0)
