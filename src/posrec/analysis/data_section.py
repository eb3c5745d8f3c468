"""The report's page about the data: what each data set is like, and whether its order says anything."""

from pathlib import Path
from typing import Any

import pandas as pd

from posrec.analysis.tables import Tables
from posrec.analysis.wording import number

INTRODUCTION = (
    "Sequentiality: a first-order chain predicts each test item from the item before it; the figure is the share of "
    "its Hit@10 (full catalogue) that is lost when every history is shuffled. About 0: order says nothing, and no "
    "positional encoding can help. Tied: consecutive interactions of a user with one time stamp, whose order is not "
    "known."
)
HEADER = ("data set", "users", "items", "interactions", "density", "mean length", "days", "tied pairs", "ties of 5+")
MORE = ("one training item", "repeats", "popularity Gini", "chain Hit@10", "shuffled", "sequentiality", "in the paper")
Shown = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def data_rows(tables: Tables) -> Shown:
    """One row a data set; empty where a card lacks a figure."""
    return (*HEADER, *MORE), tuple(_row(tables, name, card) for name, card in tables.inputs.cards.items())


def _row(tables: Tables, name: str, card: dict[str, Any]) -> tuple[str, ...]:
    chain = card.get("markov_chain") or {}
    cells = [name + (" (simulated)" if name in tables.inputs.simulated else "")]
    cells += [f"{card[key]:,}" for key in ("users", "items", "interactions")]
    cells += [f"{card['density']:.3g}", number(card.get("mean_length")), str(card.get("days", "-"))]
    cells += [number(card.get("tied_pairs_share")), _long_ties(card)]
    cells += [number(card.get(key)) for key in ("one_item_training_share", "repeat_rate", "popularity_gini")]
    cells += [number(chain.get("hit10"), 3), _shuffled(chain), number(card.get("sequentiality"))]
    return (*cells, _in_the_paper(tables.inputs.study.settings.report.published.get(name)))


def _long_ties(card: dict[str, Any]) -> str:
    """Share of the runs of one time stamp that hold five interactions or more."""
    runs = card.get("tied_run_lengths")
    return number(runs["5 or more"] / max(1, sum(runs.values()))) if runs else "-"


def _shuffled(chain: dict[str, float]) -> str:
    if not chain:
        return "-"
    return f"{number(chain['shuffled_hit10'], 3)} (sd {number(chain['shuffled_sd'], 3)})"


def _in_the_paper(name: str | None) -> str:
    """The counts that the paper gives for its data set of this name."""
    if name is None:
        return ""
    table = pd.read_csv(Path(__file__).parent / "published_datasets.csv", dtype={"interactions": "Int64"})
    row = table[table["dataset"] == name].iloc[0]
    interactions = "not given" if pd.isna(row["interactions"]) else f"{row['interactions']:,}"
    return f"{name}: {row['users']:,} users, {row['items']:,} items, interactions {interactions}"
