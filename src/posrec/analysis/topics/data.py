"""What the data sets are like: lengths, popularity, ties, time span and sequentiality, as a figure and as rows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.lines import Line2D

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.reading import Shown, number
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import WHOLE, Drawn, plain_log_axis
from posrec.data.prepare.card import RUN_NAMES, run_lengths
from posrec.data.prepare.prepared import Prepared
from posrec.plan import ids
from posrec.study import sources

BLUE, ORANGE = style.FAMILY_COLOURS["added"], style.FAMILY_COLOURS["concatenated"]
COLUMNS = ["dataset", "panel", "x", "y"]
NO_TIMES = "The source has no times,\nonly an order."
NO_TEST = "No user has a test item,\nso nothing is scored."
CURVE_POINTS = 200  # of a curve over items
INTRODUCTION = (
    "Sequentiality: a first-order chain predicts each test item from the item before it; the number is the share of "
    "its Hit@10 (full catalogue) that is lost when every history is shuffled. About 0: order says nothing, and no "
    "positional encoding can help. Tied: consecutive interactions of a user with one time stamp, whose order is "
    "unknown. Repeats: interactions with an item that the user had before; repeated targets: test targets of that kind."
)
NOTHING_KNOWN = "No counts are known of these data sets, prepared in this way."
HEADER = ("data set", "users", "items", "interactions", "density", "mean length", "days", "tied pairs", "ties of 5+")
MORE = (
    "one training item",
    "repeats",
    "repeated targets",
    "popularity Gini",
    "chain Hit@10",
    "shuffled",
    "sequentiality",
)
Points = list[tuple[str, Any, float]]  # series, x, y

READING = (
    "Lengths: what is right of the dashed line (max_length) is cut. Popularity: the further above the diagonal, the "
    "more interactions fall on few items. Ties: interactions by how many share their user and time stamp; their order "
    "is unknown. Time: interactions and, dashed, test items by month. Order: Hit@10 of a first-order chain, and what "
    "is left of it once histories are shuffled (mean of five, two standard deviations)."
)


def caption(tables: Tables) -> str:
    """The range of sequentiality, and how to read the five panels."""
    known = pd.Series({name: card.get("sequentiality") for name, card in tables.inputs.cards.items()}, dtype=float)
    ordered = known.dropna().sort_values(kind="stable")
    ends = dict.fromkeys(f"{value:.2f} ({name})" for name, value in (*ordered[:1].items(), *ordered[-1:].items()))
    return f"Sequentiality: {' to '.join(ends)}." if ends else "No data set has a known sequentiality."


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Five panels per data set, in the order of the study; the numbers are in long form: COLUMNS."""
    names = list(tables.inputs.cards)[part]
    figure, axes = style.panels(len(PANELS) * len(names), 2.75, 2.45, columns=len(PANELS))
    rows = []
    for row, name in enumerate(names):
        files = ids.dataset_files(tables.inputs.study, name)
        prepared = Prepared.load(files.arrays, files.manifest)
        for panel, draw_panel in zip(axes[len(PANELS) * row :], PANELS, strict=False):
            rows += [(name, *point) for point in draw_panel(panel, prepared, tables, name)]
        axes[len(PANELS) * row].set_title(tables.inputs.label(name), fontsize=10, weight="bold")
    style.legend(figure, _handles())
    return figure, pd.DataFrame(rows, columns=COLUMNS)


def _draw_lengths(panel: Axes, prepared: Prepared, tables: Tables, name: str) -> Points:
    """Share of the users with at least n interactions, and the lengths that the study's models see."""
    lengths, shares = length_curve(prepared)
    panel.step(np.r_[lengths, lengths[-1]], np.r_[shares, 0], where="pre", color=BLUE)
    seen = sorted({cell.model.max_length for cell in tables.inputs.study.cells if cell.dataset == name})
    for length in seen:
        panel.axvline(length, color=ORANGE, linestyle="--", linewidth=1.0)
    panel.set_xscale("log")
    panel.set_xlim(1, max(2.0, 1.1 * lengths[-1], 1.1 * seen[-1]))
    plain_log_axis(panel)
    _shares(panel, "interactions of a user, or more", "share of users")
    return _points("length", lengths, shares) + [("max_length", length, float("nan")) for length in seen]


def _draw_popularity(panel: Axes, prepared: Prepared, tables: Tables, name: str) -> Points:
    items, held = concentration_curve(prepared)
    panel.plot(items, held, color=BLUE)
    panel.plot([0, 1], [0, 1], color=style.LIGHT, linewidth=0.8)
    panel.set_xlim(0, 1)
    _note(panel, f"Gini {number(tables.inputs.cards[name].get('popularity_gini'))}", 0.96, 0.06)
    _shares(panel, "share of items, most popular first", "share of interactions")
    return _points("popularity", items, held)


def _draw_ties(panel: Axes, prepared: Prepared, tables: Tables, name: str) -> Points:
    if _without_times(panel, tables, name):
        return []
    shares = tied_shares(prepared)
    bars = panel.bar(list(shares), list(shares.values()), color=[BLUE] + [ORANGE] * (len(shares) - 1), width=0.7)
    panel.bar_label(bars, [f"{share:.2f}" for share in shares.values()], fontsize=8, padding=1)
    panel.set_xticks(range(len(shares)), [label.replace(" or more", "+") for label in shares])
    _shares(panel, "interactions of one time stamp", "share of interactions")
    panel.set_ylim(0, 1.1)
    panel.grid(visible=False, axis="x")
    return _points("ties", list(shares), list(shares.values()))


def _draw_time(panel: Axes, prepared: Prepared, tables: Tables, name: str) -> Points:
    if _without_times(panel, tables, name):
        return []
    months, all_of_them, tested = monthly_counts(prepared)
    days = months.astype("datetime64[D]")
    mark = "o" if len(months) == 1 else ""
    panel.plot(days, all_of_them, marker=mark, color=BLUE)
    panel.plot(days, tested, marker=mark, color=ORANGE, linestyle="--")
    panel.set_ylim(bottom=0)
    locator = AutoDateLocator(maxticks=5)
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    panel.set_xlabel("month")
    panel.set_ylabel("interactions")
    return _points("month", months.astype(str), all_of_them) + _points("month, test", months.astype(str), tested)


def _draw_order(panel: Axes, prepared: Prepared, tables: Tables, name: str) -> Points:
    """The chain's Hit@10 in order, and its mean over shuffled histories with two standard deviations."""
    card = tables.inputs.cards[name]
    chain = card.get("markov_chain")
    if chain is None:
        _say(panel, NO_TEST)
        return []
    panel.plot([chain["hit10"]], [1], "o", color=BLUE)
    spread = 2 * chain["shuffled_sd"]
    panel.errorbar([chain["shuffled_hit10"]], [0], xerr=[spread], fmt="o", mfc="white", color=BLUE, capsize=3)
    panel.set_yticks([0, 1], ["shuffled", "in order"])
    panel.set_ylim(-0.6, 1.6)
    panel.set_xlim(0, 1.15 * max(chain["hit10"], chain["shuffled_hit10"] + spread, 1e-3))
    score = card["sequentiality"]
    _note(panel, "nothing is hit" if score is None else f"sequentiality {score:.2f}", 0.04, 0.06, "left")
    panel.set_xlabel("Hit@10 of a first-order chain")
    values = [chain["hit10"], chain["shuffled_hit10"], chain["shuffled_sd"]]
    return _points("chain Hit@10", ["in order", "shuffled", "sd of the shuffled"], values)


PANELS: tuple[Callable[[Axes, Prepared, Tables, str], Points], ...] = (
    *(_draw_lengths, _draw_popularity, _draw_ties, _draw_time, _draw_order),
)


def _points(series: str, x: Sequence[Any] | np.ndarray, y: Sequence[float] | np.ndarray) -> Points:
    return [(series, place, float(value)) for place, value in zip(x, y, strict=True)]


def _without_times(panel: Axes, tables: Tables, name: str) -> bool:
    """Say so, where the source of a data set has an order but no times."""
    if sources.has_times(tables.inputs.study.settings.datasets[name]):
        return False
    _say(panel, NO_TIMES)
    return True


def _say(panel: Axes, text: str) -> None:
    panel.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, transform=panel.transAxes)
    panel.set_axis_off()


def _note(panel: Axes, text: str, x: float, y: float, side: str = "right") -> None:
    panel.text(x, y, text, ha=side, va="bottom", fontsize=9, transform=panel.transAxes)


def _shares(panel: Axes, x: str, y: str) -> None:
    panel.set_ylim(0, 1.02)
    panel.set_xlabel(x)
    panel.set_ylabel(y)


def _handles() -> list[Line2D]:
    return [
        style.line_handle("all interactions", BLUE, "-"),
        style.line_handle("test items; tied; most that a model sees (max_length)", ORANGE, "--"),
    ]


def length_curve(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Lengths n (k,) from 1 on at which the curve steps, and the share of users (k,) with at least n interactions."""
    lengths = np.sort(np.diff(prepared.offsets))
    steps = np.unique(np.r_[1, lengths[lengths > 0]])
    return steps, 1 - np.searchsorted(lengths, steps, side="left") / len(lengths)


def concentration_curve(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the items (k,), the most popular first, and the shares of the interactions (k,) that they hold."""
    counts = np.sort(np.bincount(prepared.items, minlength=prepared.n_items + 1)[1:])[::-1]
    held = np.r_[0, counts.cumsum()] / counts.sum()
    places = np.unique(np.linspace(0, len(counts), min(CURVE_POINTS, len(counts)) + 1).astype(np.int64))
    return places / len(counts), held[places]


def tied_shares(prepared: Prepared) -> dict[str, float]:
    """Share of the interactions in runs of one time stamp, by the run's length; sums to 1."""
    lengths = run_lengths(prepared.offsets, prepared.times)
    rows = np.bincount(np.minimum(lengths, len(RUN_NAMES)), weights=lengths, minlength=len(RUN_NAMES) + 1)[1:]
    return {name: float(share) for name, share in zip(RUN_NAMES, rows / rows.sum(), strict=True)}


def monthly_counts(prepared: Prepared) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Months (m,) datetime64 from the first to the last; interactions (m,) and test items (m,) of each."""
    months = prepared.times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    first, number = months.min(), int(months.max() - months.min()) + 1
    held_out = prepared.test[prepared.test >= 0]
    counts = [np.bincount(part - first, minlength=number) for part in (months, months[held_out])]
    return (first + np.arange(number)).astype("datetime64[M]"), counts[0], counts[1]


def rows(tables: Tables) -> Shown:
    """One row per data set; a dash where a card has no value."""
    return (*HEADER, *MORE), tuple(_row(tables, name, card) for name, card in tables.inputs.cards.items())


def _row(tables: Tables, name: str, card: dict[str, Any]) -> tuple[str, ...]:
    chain = card.get("markov_chain") or {}
    cells = [tables.inputs.label(name)]
    cells += [f"{card[key]:,}" for key in ("users", "items", "interactions")]
    cells += [f"{card['density']:.3g}", number(card.get("mean_length"))]
    timed = sources.has_times(tables.inputs.study.settings.datasets[name])  # else rows are counted instead
    cells += (
        [str(card.get("days", "-")), number(card.get("tied_pairs_share")), _long_ties(card)] if timed else ["-"] * 3
    )
    repeated = (card.get("repeated_targets") or {}).get("test")
    cells += [number(card.get(key)) for key in ("one_item_training_share", "repeat_rate")]
    cells += [number(repeated), number(card.get("popularity_gini"))]
    return (*cells, number(chain.get("hit10"), 3), _shuffled(chain), number(card.get("sequentiality")))


def _long_ties(card: dict[str, Any]) -> str:
    """Share of the runs of one time stamp that hold five interactions or more."""
    runs = card.get("tied_run_lengths")
    return number(runs["5 or more"] / max(1, sum(runs.values()))) if runs else "-"


def _shuffled(chain: dict[str, float]) -> str:
    if not chain:
        return "-"
    return f"{number(chain['shuffled_hit10'], 3)} (sd {number(chain['shuffled_sd'], 3)})"
