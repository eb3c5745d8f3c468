"""One row per data set, protocol and settings: its card, its deviation, its baselines, and what works on it."""

from typing import Any

import pandas as pd

from posrec.analysis.stats import stability
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.cells import MIN_UNFLAGGED
from posrec.analysis.tables.load import GROUP, IDENTITY, PRIMARY, TITLES, Inputs
from posrec.analysis.tables.reading import Row, Shown, between, number
from posrec.analysis.tables.scores import POINTS, scores

DEVIATIONS = {
    "deviation": "full_ndcg10",
    "deviation_sampled_hit10": "sampled_hit10",
    "deviation_sampled_ndcg10": "sampled_ndcg10",
}
BASELINES = {
    "chance": "of a random order",
    "popularity": "of the most popular items",
    "month_popularity": "of the items most popular in the request's calendar month",
    "markov": "of a first-order item-to-item chain",
    "item_knn": "of co-occurrence with the last items of the history",
}
FACTS = {
    "users": "users",
    "items": "items",
    "interactions": "interactions",
    "density": "interactions / (users x items)",
    "sparsity": "1 - density",
    "mean_length": "mean number of interactions per user",
    "tied_pairs_share": "share of a user's consecutive interactions with the same time",
    "one_item_training_share": "share of users with one training item",
    "repeat_rate": "share of interactions with an item that the user met before",
    "popularity_gini": "Gini coefficient of the items' interactions",
    "days": "days from the first interaction to the last",
    "sequentiality": "share of a first-order chain's Hit@10 that is lost when histories are shuffled",
}
BOUNDS = {
    "": "standard deviation over deviation_seeds of none:",
    "_low": "lower 95 % bound (exact chi-square) of the deviation of",
    "_high": "upper 95 % bound (exact chi-square) of the deviation of",
}
COLUMNS = {
    **{name: IDENTITY[name] for name in GROUP},
    "title": "the data set's title",
    "simulated": "yes: a simulated twin, no real data",
    **FACTS,
    "deviation_seeds": "runs of none planned for the deviation",
    "deviation_finished": "of these, finished",
    **{f"{name}{bound}_points": f"{of} {TITLES[m]}" for name, m in DEVIATIONS.items() for bound, of in BOUNDS.items()},
    "best_encoding": "encoding with the highest mean full NDCG@10 (of two or more)",
    "best_family": "its family",
    "best_full_ndcg10_points": "its mean",
    "steadiest_encoding": "encoding with the lowest standard deviation (three finished seeds, and at most the share "
    "report.margin.rate of its runs failed or collapsed)",
    "steadiest_family": "its family",
    "steadiest_sd_points": "its standard deviation",
    **{f"{name}_full_ndcg10_points": f"full NDCG@10 {of}" for name, of in BASELINES.items()},
}


def build(tables: Tables) -> pd.DataFrame:
    """Data sets in the order of the study; columns: COLUMNS.

    The deviation is that of `none` under the study's first protocol and the same settings, over `deviation_seeds`.
    """
    inputs, cells = tables.inputs, tables["cells"]
    encodings = cells[cells["kind"] == "encoding"]
    rows = []
    for _, group in encodings.groupby(GROUP, sort=False):
        dataset, protocol, settings = (str(group[name].iloc[0]) for name in GROUP)
        row = {"dataset": dataset, "protocol": protocol, "settings": settings, **_card_facts(inputs.cards[dataset])}
        row |= {**_deviation(inputs, dataset, settings), **choices(group, inputs.study.settings.report.margin.rate)}
        row |= _baseline_facts(inputs.baselines[dataset])
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"deviation_seeds": "Int64", "deviation_finished": "Int64"})


def _card_facts(card: dict[str, Any]) -> dict[str, Any]:
    facts = {name: card.get(name) for name in FACTS}
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


def choices(group: pd.DataFrame, rate: float) -> dict[str, Any]:
    """The encoding with the highest mean and the one with the lowest spread among cells that share all else.

    Empty where fewer than two encodings have a score: there is nothing to choose from. The steadiest needs three
    finished seeds and at most the share `rate` of bad runs: runs that all fell to chance are steady too.
    """
    row: dict[str, Any] = {}
    scored = group.dropna(subset=["full_ndcg10_mean"])
    if len(scored) > 1:
        best = scored.iloc[int(scored["full_ndcg10_mean"].argmax())]
        row |= {"best_encoding": best["encoding"], "best_family": best["family"]}
        row["best_full_ndcg10_points"] = POINTS * best["full_ndcg10_mean"]
    spread = group.dropna(subset=["full_ndcg10_sd"])
    spread = spread[(spread["finished"] >= MIN_UNFLAGGED) & (spread["bad_rate"] <= rate)]
    if len(spread) and len(scored) > 1:
        steadiest = spread.iloc[int(spread["full_ndcg10_sd"].argmin())]
        row |= {"steadiest_encoding": steadiest["encoding"], "steadiest_family": steadiest["family"]}
        row["steadiest_sd_points"] = POINTS * steadiest["full_ndcg10_sd"]
    return row


def shown(tables: Tables) -> Shown:
    """Counts, deviation, choices and baselines of the data sets."""
    header = ("data set", "protocol", "settings", "users", "items", "interactions", "sparsity", "deviation", "seeds")
    more = ("sampled Hit@10 deviation", "best", "steadiest", *(name.replace("_", " ") for name in BASELINES))
    rows = (_shown_row(row, tables.inputs.label(row["dataset"])) for _, row in tables["datasets"].iterrows())
    return (*header, *more), tuple(rows)


def _shown_row(row: Row, dataset: str) -> tuple[str, ...]:
    interval = between(row["deviation_low_points"], row["deviation_high_points"], 3)
    return (
        dataset,
        *(str(row[name]) for name in ("protocol", "settings", "users", "items", "interactions")),
        number(row["sparsity"], 5),
        f"{number(row['deviation_points'], 3)} {interval}".strip(),
        f"{row['deviation_finished']}/{row['deviation_seeds']}",
        number(row["deviation_sampled_hit10_points"], 3),
        *(_choice(row, name) for name in ("best", "steadiest")),
        *(number(row[f"{name}_full_ndcg10_points"]) for name in BASELINES),
    )


def _choice(row: Row, name: str) -> str:
    known = pd.notna(row[f"{name}_encoding"])
    return f"{row[f'{name}_encoding']} ({row[f'{name}_family']})" if known else "-"
