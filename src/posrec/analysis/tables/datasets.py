"""One row a data set (and protocol and settings): its card, its deviation, its baselines, and what works on it."""

from typing import Any

import pandas as pd

from posrec.analysis.stats import stability
from posrec.analysis.tables.cells import MIN_UNFLAGGED, POINTS, scores
from posrec.analysis.tables.load import GROUP, PRIMARY, Inputs

DEVIATIONS = {
    "deviation": "full_ndcg10",
    "deviation_sampled_hit10": "sampled_hit10",
    "deviation_sampled_ndcg10": "sampled_ndcg10",
}
CARD_FACTS = ("users", "items", "interactions", "density", "sparsity")
CARD_EXTRAS = (
    *("mean_length", "tied_pairs_share", "one_item_training_share", "repeat_rate", "popularity_gini"),
    *("days", "sequentiality"),
)
DATASET_COLUMNS = [
    *(*GROUP, "title", "simulated", *CARD_FACTS, *CARD_EXTRAS, "deviation_seeds", "deviation_finished"),
    *(f"{name}{bound}_points" for name in DEVIATIONS for bound in ("", "_low", "_high")),
    *(
        "best_encoding",
        "best_family",
        "best_full_ndcg10_points",
        "steadiest_encoding",
        "steadiest_family",
        "steadiest_sd_points",
    ),
    *(f"{name}_full_ndcg10_points" for name in ("chance", "popularity", "month_popularity", "markov")),
]


def dataset_table(inputs: Inputs, cells: pd.DataFrame) -> pd.DataFrame:
    """Data sets in the order of the study; columns: DATASET_COLUMNS.

    The deviation is that of `none` under the study's first protocol and the same settings, over `deviation_seeds`.
    """
    encodings = cells[cells["kind"] == "encoding"]
    rows = []
    for _, group in encodings.groupby(GROUP, sort=False):
        dataset, protocol, settings = (str(group[name].iloc[0]) for name in GROUP)
        row = {"dataset": dataset, "protocol": protocol, "settings": settings, **_card_facts(inputs.cards[dataset])}
        row |= {**_deviation(inputs, dataset, settings), **choices(group), **_baseline_facts(inputs.baselines[dataset])}
        rows.append(row)
    return pd.DataFrame(rows, columns=DATASET_COLUMNS).astype(
        {"deviation_seeds": "Int64", "deviation_finished": "Int64"}
    )


def _card_facts(card: dict[str, Any]) -> dict[str, Any]:
    facts = {name: card.get(name) for name in (*CARD_FACTS, *CARD_EXTRAS)}
    return {"title": card.get("title", ""), "simulated": "yes" if card.get("simulated") else "no", **facts}


def _baseline_facts(baselines: dict[str, dict[str, float]]) -> dict[str, float]:
    return {
        f"{name.replace(' ', '_')}_{PRIMARY}_points": POINTS * values[PRIMARY] for name, values in baselines.items()
    }


def _deviation(inputs: Inputs, dataset: str, settings: str) -> dict[str, Any]:
    runs = inputs.runs
    runs = runs[(runs["dataset"] == dataset) & (runs["settings"] == settings) & (runs["role"] == "deviation")]
    row: dict[str, Any] = {"deviation_seeds": len(runs), "deviation_finished": len(scores(runs))}
    if not inputs.spread:
        return row
    for name, metric in DEVIATIONS.items():
        values = POINTS * scores(runs, metric)
        interval = stability.deviation_interval(values)
        if interval is not None:
            row |= {f"{name}_points": stability.standard_deviation(values)}
            row |= {f"{name}_low_points": interval[0], f"{name}_high_points": interval[1]}
    return row


def choices(group: pd.DataFrame) -> dict[str, Any]:
    """The encoding with the highest mean and the one with the lowest spread among cells that share all else.

    Empty where fewer than two encodings have a score: there is nothing to choose from. The steadiest needs three
    finished seeds of which one did not collapse: runs that all fell to chance are steady too.
    """
    row: dict[str, Any] = {}
    scored = group.dropna(subset=["full_ndcg10_mean"])
    if len(scored) > 1:
        best = scored.iloc[int(scored["full_ndcg10_mean"].argmax())]
        row |= {"best_encoding": best["encoding"], "best_family": best["family"]}
        row["best_full_ndcg10_points"] = POINTS * best["full_ndcg10_mean"]
    spread = group.dropna(subset=["full_ndcg10_sd"])
    spread = spread[(spread["finished"] >= MIN_UNFLAGGED) & (spread["collapse_rate"] < 1)]
    if len(spread) and len(scored) > 1:
        steadiest = spread.iloc[int(spread["full_ndcg10_sd"].argmin())]
        row |= {"steadiest_encoding": steadiest["encoding"], "steadiest_family": steadiest["family"]}
        row["steadiest_sd_points"] = POINTS * steadiest["full_ndcg10_sd"]
    return row
