"""The table of switches for reading: sentences and rows for the report and for docs/reference/released-code.md."""

from typing import Any

import pandas as pd

from posrec.analysis.stats.intervals import too_few_for_ratio
from posrec.analysis.tables.correlation import ALPHA
from posrec.analysis.tables.load import PRIMARY
from posrec.analysis.topics.wording import listing

Row = Any
HEADER = (
    *("switch", "others", "data set", "cell", "seeds"),
    *("Hit@10 sampled (points)", "p Holm", "NDCG@10 full (points)", "p Holm", "sd ratio of Hit@10", "p Holm"),
)


def switch_rows(table: pd.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and rows: one row a switch and cell, both metrics beside each other."""
    hits, ndcgs = (table[table["metric"] == name] for name in ("sampled_hit10", PRIMARY))
    rows = []
    for (_, hit), (_, ndcg) in zip(hits.iterrows(), ndcgs.iterrows(), strict=True):  # the same order in both
        cell = ", ".join(str(hit[name]) for name in ("encoding", "settings") if pd.notna(hit[name]) and hit[name])
        effects = (_effect(hit, 2), _p(hit["p_holm"]), _effect(ndcg, 3), _p(ndcg["p_holm"]))
        place = (str(hit["switch"]), str(hit["others"]), str(hit["dataset"]), cell, str(hit["pairs"]))
        rows.append((*place, *effects, _ratio(hit), _p(hit["spread_p_holm"])))
    return HEADER, tuple(rows)


def switch_answers(table: pd.DataFrame) -> list[str]:
    """What is significant after Holm, and what is not, in sentences."""
    said = [_best_p(table)]
    for what, p in (("level", "p_holm"), ("spread", "spread_p_holm")):
        tested = table.dropna(subset=[p])
        found = list(dict.fromkeys(tested.loc[tested[p] <= ALPHA, "switch"]))
        others = [name for name in dict.fromkeys(table["switch"]) if name not in found]
        said.append(
            f"Effect on the {what} below 5 % after Holm: {listing(found) if found else 'none'}. "
            f"Not significant: {listing(others) if others else 'none'}."
        )
    if few := too_few_for_ratio(int(table["pairs"].max())):
        said.append(f"Of a ratio of standard deviations {few}.")
    same = [str(name) for name, rows in table.groupby("switch", sort=False) if (rows["effect_points"] == 0).all()]
    if same:
        said.append(f"No figure changes at all with: {listing(same)}.")
    return said


def _best_p(table: pd.DataFrame) -> str:
    most = int(table["pairs"].max())
    smallest = float(table["smallest_p"].min())
    number = int(table["tests"].max()) if table["tests"].notna().any() else 0
    after = min(1.0, number * smallest)
    said = (
        f"{most} seeds a cell: the smallest p that a level can reach is {smallest:.3g}, and {after:.3g} where it is "
        f"the smallest of {number} tests"
    )
    return said + (": no effect on a level can be significant here, however large." if after > ALPHA else ".")


def _effect(row: Row, digits: int) -> str:
    if pd.isna(row["effect_points"]):
        return ""
    low, high = row["effect_low_points"], row["effect_high_points"]
    interval = f" [{low:+.{digits}f}, {high:+.{digits}f}]" if pd.notna(low) else ""
    return f"{row['effect_points']:+.{digits}f}{interval}"


def _ratio(row: Row) -> str:
    if pd.isna(row["sd_ratio"]):
        return ""
    interval = f" [{row['sd_ratio_low']:.2f}, {row['sd_ratio_high']:.2f}]" if pd.notna(row["sd_ratio_low"]) else ""
    return f"{row['sd_ratio']:.2f}{interval}"


def _p(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"
