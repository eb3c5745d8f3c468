"""The report's page about the data: what each data set is like, and whether its order says anything."""

from typing import Any

import pandas as pd

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.known_counts import COUNTS
from posrec.analysis.topics.wording import number
from posrec.study import sources

INTRODUCTION = (
    "Sequentiality: a first-order chain predicts each test item from the item before it; the figure is the share of "
    "its Hit@10 (full catalogue) that is lost when every history is shuffled. About 0: order says nothing, and no "
    "positional encoding can help. Tied: consecutive interactions of a user with one time stamp, whose order is not "
    "known."
)
HEADER = ("data set", "users", "items", "interactions", "density", "mean length", "days", "tied pairs", "ties of 5+")
MORE = ("one training item", "repeats", "popularity Gini", "chain Hit@10", "shuffled", "sequentiality")
COUNT_HEADER = ("data set", "counts of", *COUNTS, "equal", "reported by")
NOTHING_KNOWN = "Nobody's counts of these data sets, prepared in this way, are known, so none are set beside them."
Shown = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def data_rows(tables: Tables) -> Shown:
    """One row a data set; empty where a card lacks a figure."""
    return (*HEADER, *MORE), tuple(_row(tables, name, card) for name, card in tables.inputs.cards.items())


def _row(tables: Tables, name: str, card: dict[str, Any]) -> tuple[str, ...]:
    chain = card.get("markov_chain") or {}
    cells = [name + (" (simulated)" if name in tables.inputs.simulated else "")]
    cells += [f"{card[key]:,}" for key in ("users", "items", "interactions")]
    cells += [f"{card['density']:.3g}", number(card.get("mean_length"))]
    timed = sources.has_times(tables.inputs.study.settings.datasets[name])  # else rows are counted instead
    cells += (
        [str(card.get("days", "-")), number(card.get("tied_pairs_share")), _long_ties(card)] if timed else ["-"] * 3
    )
    cells += [number(card.get(key)) for key in ("one_item_training_share", "repeat_rate", "popularity_gini")]
    return (*cells, number(chain.get("hit10"), 3), _shuffled(chain), number(card.get("sequentiality")))


def _long_ties(card: dict[str, Any]) -> str:
    """Share of the runs of one time stamp that hold five interactions or more."""
    runs = card.get("tied_run_lengths")
    return number(runs["5 or more"] / max(1, sum(runs.values()))) if runs else "-"


def _shuffled(chain: dict[str, float]) -> str:
    if not chain:
        return "-"
    return f"{number(chain['shuffled_hit10'], 3)} (sd {number(chain['shuffled_sd'], 3)})"


def count_rows(tables: Tables) -> Shown:
    """One row a data set and report of its counts: what is here, and how far the report lies from it."""
    table = tables.more["counts"]
    rows = []
    for row in table.to_dict("records"):
        counts = (_compared(row[name], row[f"known_{name}"]) for name in COUNTS)
        rows.append((row["dataset"], row["of"], *counts, row["equal"], row["counted_by"]))
    return COUNT_HEADER, tuple(rows)


def _compared(here: Any, reported: Any) -> str:
    if pd.isna(reported):
        return f"{here:,} (not reported)"
    return f"{here:,}" if here == reported else f"{here:,} (reported {reported:,}: {here - reported:+,})"
