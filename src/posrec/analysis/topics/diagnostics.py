"""What the trained models do with positions, as a figure and as rows for the report."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.diagnostics import group_of, value_of
from posrec.analysis.tables.reading import Shown, number, without_idle
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import WHOLE, Drawn, encoding_axis, groups, panel_title, plain_log_axis

NOTHING = "No run of this study has diagnostics."
BLOCK_MARKERS = ("o", "s", "^", "D", "v", "P")
INTRODUCTION = (
    "Measured on the weights of the selected epoch, on a fixed sample of test users; means over seeds. Position: R2 "
    "of a linear probe of the number of steps from the end (or from the beginning) of the history, on held-out "
    "users: 1 is a perfect reading; at chance, the same probe of shuffled positions, nothing can be read. Entropy "
    "of the attention: 1 is uniform. By distance: share of the variance of a query's attention (logarithm) that the "
    "distance between two items explains.",
    "The paper names three ways in which an encoding can fail. Learnt angles converge to trivial values: their "
    "spread over positions is near 0, and the encoded items hold no more position than the items. Relative position "
    "is redundant with content: the share by distance is no larger than that of none. The linear layer of a "
    "concatenation never separates position from meaning: the halves' overlap stays at the 0.5 of a random layer or "
    "above it (0: each has directions of its own), or the position's half has almost no weight beside the item's.",
)
HEADER = ("data set", "protocol", "settings", "encoding", "runs", "entropy by block", "by distance", "from end: items")
MORE = ("encoded items", "first block", "from begin: first block", "norm beside the items' (at start)")
SPREADS = ("spread of vectors", "spread of angles (at start)")
LAST = ("position's weight", "halves' overlap", "scores at 0 or 1", "gradient norm", "its variation", "ties")

READING = (
    "Means over seeds. Left: entropy of the attention by encoder block. Middle: how well a linear probe reads the "
    "steps to the end of the history from the items (cross), the encoded items (ring) and after the first block (dot); "
    "at the grey tick nothing is read. Right: norm of the gradient of a step, on a logarithmic axis; the bar is a "
    "factor of 1 + standard deviation / mean of the steps of an epoch."
)


def caption(tables: Tables) -> str:
    """With which encoding positions can be read best, and what the three panels are."""
    return _best_read(tables["diagnostics"])


def _best_read(table: pd.DataFrame) -> str:
    read = table.query("measure == 'position_from_end' and place == 'first block'")
    if read.empty:
        return NOTHING
    means = read.groupby("encoding", sort=False)["mean"].mean()
    none = f"; none: {means['none']:.2f}" if "none" in means else ""
    best = means.index[int(means.argmax())]
    return f"After the first block, position is read best with {best} (mean R2 {means.max():.2f}{none})."


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Attention entropy, position that can be read, and gradient norm by encoding: three panels per data set."""
    table = tables["diagnostics"]
    found = [(key, cells) for key, cells in groups(tables) if len(group_of(table, key))][part]
    if not found:
        return style.notice(NOTHING), table
    height = max(2.4, 1.1 + 0.26 * len(tables.inputs.study.settings.encodings))
    figure, axes = style.panels(3 * len(found), 3.6, height, columns=3)
    for row, (key, cells) in enumerate(found):
        own, encodings = group_of(table, key), list(cells["encoding"])
        entropy, position, gradient = axes[3 * row : 3 * row + 3]
        _draw_entropy(entropy, own, encodings)
        _draw_position(position, own, encodings)
        _draw_gradient(gradient, own, encodings)
        entropy.set_title(panel_title(tables, key), fontsize=10)
        for panel in (position, gradient):
            panel.set_yticklabels([])
    style.legend(figure, _handles(table))
    return figure, table


def _draw_entropy(panel: Axes, own: pd.DataFrame, encodings: list[str]) -> None:
    blocks = _blocks(own)
    for row, encoding in enumerate(encodings):
        for block, mark in zip(blocks, BLOCK_MARKERS * len(blocks), strict=False):
            value = value_of(own, encoding, "attention_entropy", block)
            panel.plot([value], [row], mark, ms=4.5, color=style.colour(encoding))
    panel.axvline(1, color=style.LIGHT, linewidth=0.8)
    panel.set_xlabel("attention entropy (1: uniform)")
    encoding_axis(panel, encodings)


def _draw_position(panel: Axes, own: pd.DataFrame, encodings: list[str]) -> None:
    for row, encoding in enumerate(encodings):
        items, encoded, block = (
            value_of(own, encoding, "position_from_end", place) for place in ("items", "encoded items", "first block")
        )
        chance = value_of(own, encoding, "position_from_end", "first block", "reference")
        colour = style.colour(encoding)
        panel.plot([items, encoded, block], [row] * 3, color=colour, linewidth=0.9)
        panel.plot([chance], [row], "|", ms=9, mew=1.2, color=style.LIGHT)
        panel.plot([items], [row], "x", ms=4.5, color=colour)
        panel.plot([encoded], [row], "o", ms=5.5, mfc="white", color=colour)
        panel.plot([block], [row], "o", ms=4.5, color=colour)
    panel.set_xlim(min(-0.15, panel.get_xlim()[0]), 1.05)
    panel.set_xlabel("position from the end, R2 of a probe")
    encoding_axis(panel, encodings)


def _draw_gradient(panel: Axes, own: pd.DataFrame, encodings: list[str]) -> None:
    for row, encoding in enumerate(encodings):
        mean, variation = (value_of(own, encoding, f"gradient_{name}") for name in ("norm", "variation"))
        factor = 1 + variation  # one standard deviation of the steps, as a ratio: never below 0
        panel.plot([mean / factor, mean * factor], [row, row], color=style.colour(encoding), linewidth=1.4)
        panel.plot([mean], [row], "o", ms=4.5, color=style.colour(encoding))
    if own.loc[own["measure"] == "gradient_norm", "mean"].gt(0).any():
        panel.set_xscale("log")
        plain_log_axis(panel)
    panel.set_xlabel("gradient norm of a step")
    encoding_axis(panel, encodings)


def _blocks(table: pd.DataFrame) -> list[str]:
    return sorted(set(table.loc[table["measure"] == "attention_entropy", "place"]), key=lambda name: int(name[6:]))


def _handles(table: pd.DataFrame) -> list[Line2D]:
    handles = style.family_handles(list(dict.fromkeys(table["encoding"])))
    blocks = _blocks(table) if len(_blocks(table)) > 1 else []
    looks = [(f"entropy of {name}", mark, "black", 4.5) for name, mark in zip(blocks, BLOCK_MARKERS * 9, strict=False)]
    looks += [("probe of the items", "x", "black", 4.5), ("of the encoded items", "o", "white", 5.5)]
    looks.append(("after the first block", "o", "black", 4.5))
    for label, mark, fill, size in looks:
        handles.append(Line2D([], [], color="black", marker=mark, mfc=fill, ms=size, linestyle="", label=label))
    chance = Line2D([], [], color=style.LIGHT, marker="|", ms=9, mew=1.2, linestyle="", label="probe at chance")
    return [*handles, chance]


def rows(tables: Tables) -> Shown:
    """One row per cell that has diagnostics."""
    found = []
    for key, cells in groups(tables):
        own = group_of(tables["diagnostics"], key)
        dataset = tables.inputs.label(key[0])
        ties = dict(zip(cells["encoding"], cells["full_tie_share_mean"], strict=True))
        for encoding in dict.fromkeys(own["encoding"]):
            runs = int(own.loc[own["encoding"] == encoding, "runs"].max())
            found.append((dataset, *key[1:], encoding, str(runs), *_row(own, encoding), number(ties[encoding], 3)))
    return without_idle(
        ((*HEADER, *MORE, *SPREADS, *LAST), tuple(found)), len(tables.inputs.study.settings.protocols) > 1
    )


def _row(own: pd.DataFrame, encoding: str) -> tuple[str, ...]:
    def value(measure: str, place: str = "", digits: int = 2) -> str:
        found = value_of(own, encoding, measure, place)
        return _said(found, digits) if np.isfinite(found) else ""

    def probed(way: str, place: str) -> str:
        chance = number(value_of(own, encoding, f"position_{way}", place, "reference"))
        return f"{value(f'position_{way}', place)} (chance {chance})"

    by_block = [[value(f"attention_{name}", block) for block in _blocks(own)] for name in ("entropy", "distance_share")]
    start = value_of(own, encoding, "angle_spread", "", "reference")
    angles = f"{value('angle_spread')} ({_said(start)})" if np.isfinite(start) else ""
    norms = [
        value_of(own, encoding, "norm_of_positions", "", column) / value_of(own, encoding, "norm_of_items", "", column)
        for column in ("mean", "reference")
    ]
    beside = f"{_said(norms[0])} ({_said(norms[1])})" if norms[0] > 0 else ""
    saturated = [value_of(own, encoding, f"saturated_at_{bound}") for bound in (0, 1)]
    return (
        *(" / ".join(values) for values in by_block),
        *(probed("from_end", place) for place in ("items", "encoded items", "first block")),
        probed("from_begin", "first block"),
        beside,
        value("position_spread"),
        angles,
        value("position_weight"),
        value("halves_overlap"),
        _said(sum(saturated)),
        value("gradient_norm"),
        value("gradient_variation"),
    )


def _said(value: float, digits: int = 2) -> str:
    """A number for readers; small ones keep two significant digits."""
    return f"{value:.1e}" if 0 < abs(value) < 0.005 else number(value, digits)
