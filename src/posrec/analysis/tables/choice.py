"""Which encoding to take: probability of being best, of being within the margin of the best, and what a choice loses.

By data set, over all, and for a new data set. Data sets of one source aren't independent: each source counts once.
Everything is relative to the mean of `none`, so that data sets have one scale.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.registry import origin
from posrec.analysis.stats import choice, meta
from posrec.analysis.tables import duels
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.duels import Side
from posrec.analysis.tables.load import IDENTITY
from posrec.analysis.tables.reading import Row, Shown, between, number, text

OVERALL, NEW = "all data sets", "a new data set"
COLUMNS = {
    "protocol": IDENTITY["protocol"],
    "settings": IDENTITY["settings"],
    "where": f"the data set, or '{OVERALL}' (their mean), or '{NEW}' (the true means that a new source might have)",
    "encoding": IDENTITY["encoding"],
    "sources": "independent sources behind the row",
    "best": "probability of having the highest mean (Bayesian bootstrap of seeds, or of sources, widened to t)",
    "within": "probability of being within the margin (report.margin.relative) of the best",
    "loss_percent": "expected loss against the best, in percent of the mean of none",
    "lead_percent": "mean lead over none in percent of its mean; over data sets by random effects, sources as clusters",
    "lead_low_percent": "lower 95 % bound of that mean (Hartung and Knapp; from three sources on)",
    "lead_high_percent": "upper 95 % bound of that mean",
    "new_low_percent": "lower 95 % bound of the true lead on a new data set (prediction interval)",
    "new_high_percent": "upper 95 % bound of the true lead on a new data set",
    "between_percent": "standard deviation of the true lead between sources",
}
Sides = dict[str, Side]


def build(tables: Tables) -> pd.DataFrame:
    """Data sets, then all and a new one, by protocol and settings; columns: COLUMNS. Empty without stability.

    Encodings that lose more than report.margin.rate of their runs are left out: no one would choose them.
    """
    inputs, rows = tables.inputs, []
    runs = inputs.runs[inputs.runs["role"] == "scoring"]
    for (protocol, settings), same in runs.groupby(["protocol", "settings"], sort=False) if inputs.spread else ():
        found = {str(name): _relative(group, tables) for name, group in same.groupby("dataset", sort=False)}
        known = {name: sides for name, sides in found.items() if len(sides) > 1}
        rows += [{"protocol": protocol, "settings": settings, **row} for row in _rows(tables, known)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"sources": "Int64"})


def _relative(group: pd.DataFrame, tables: Tables) -> Sides:
    """The healthy scores of a data set's encodings in percent of the mean of `none`; empty without it."""
    sides = {str(name): duels.side(runs) for name, runs in group.groupby("encoding", sort=False)}
    none, limit = sides.get("none"), tables.inputs.study.settings.report.margin.rate
    if none is None or not none.scores.mean() > 0:
        return {}
    scale = 100 / float(none.scores.mean())
    kept = {name: one for name, one in sides.items() if one.health.bad <= limit * one.health.planned}
    return {name: Side(name, scale * one.scores, one.trained, one.health) for name, one in kept.items()}


def _rows(tables: Tables, known: Mapping[str, Sides]) -> list[dict[str, Any]]:
    margin = 100 * tables.inputs.study.settings.report.margin.relative
    datasets = tables.inputs.study.settings.datasets
    draws = {name: drawn for name, sides in known.items() if (drawn := _draws(sides)) is not None}
    rows = [row for name, drawn in draws.items() for row in _chosen(name, list(known[name]), drawn, margin, 1)]
    for row in rows:
        row["lead_percent"] = float(known[row["where"]][row["encoding"]].scores.mean() - 100)
    common = [name for name in next(iter(known.values()), {}) if all(name in known[where] for where in draws)]
    by_source: dict[str, list[np.ndarray]] = {}
    for name, drawn in draws.items():
        columns = [list(known[name]).index(encoding) for encoding in common]
        by_source.setdefault(origin(name, datasets[name]), []).append(drawn[:, columns])
    if len(by_source) >= meta.SMALLEST and len(common) > 1:
        overall, new = choice.over_sources([np.mean(each, axis=0) for each in by_source.values()])
        sources = [origin(name, datasets[name]) for name in draws]
        pooled = {name: _pooled(name, [known[where] for where in draws], sources) for name in common}
        for where, drawn in ((OVERALL, overall), (NEW, new)):
            rows += [row | pooled[row["encoding"]] for row in _chosen(where, common, drawn, margin, len(by_source))]
    return rows


def _draws(sides: Sides) -> np.ndarray | None:
    """(draws, E) plausible true means; None below three seeds that have a healthy run of every encoding."""
    wide = pd.concat([side.scores for side in sides.values()], axis=1).dropna()
    return choice.mean_draws(wide.to_numpy(float)) if len(wide) > 2 else None


def _chosen(where: str, names: list[str], draws: np.ndarray, margin: float, sources: int) -> list[dict[str, Any]]:
    found = choice.choose(draws, margin)
    figures = zip(names, found.best, found.within, found.loss, strict=True)
    shared = {"where": where, "sources": sources}
    return [
        {**shared, "encoding": name, "best": float(best), "within": float(within), "loss_percent": float(loss)}
        for name, best, within, loss in figures
    ]


def _pooled(encoding: str, sides: list[Sides], sources: list[str]) -> dict[str, Any]:
    """The random-effects lead over `none`, in percent."""
    if encoding == "none":
        return {"lead_percent": 0.0}
    differences = [(each[encoding].scores - each["none"].scores).dropna() for each in sides]
    errors = np.array([one.std(ddof=1) / len(one) ** 0.5 for one in differences])
    found = meta.pooled(np.array([one.mean() for one in differences]), errors, sources)
    return {
        "lead_percent": found.mean,
        "lead_low_percent": found.low,
        "lead_high_percent": found.high,
        "new_low_percent": found.new_low,
        "new_high_percent": found.new_high,
        "between_percent": found.tau,
    }


def shown(tables: Tables) -> Shown:
    """Probabilities and losses, with the lead over none."""
    header = ("protocol", "settings", "where", "encoding", "sources", "P(best)", "P(within the margin)")
    rows = [_shown_row(row, tables) for _, row in tables["choice"].iterrows()]
    return (*header, "expected loss, %", "lead over none, %", "on a new data set, %"), tuple(rows)


def _shown_row(row: Row, tables: Tables) -> tuple[str, ...]:
    where = row["where"] if row["where"] in (OVERALL, NEW) else tables.inputs.label(row["where"])
    lead = f"{number(row['lead_percent'], 1)} {between(row['lead_low_percent'], row['lead_high_percent'], 1)}".strip()
    return (
        *(text(row["protocol"]), text(row["settings"]), where, row["encoding"], str(row["sources"])),
        *(number(row[name]) for name in ("best", "within")),
        number(row["loss_percent"]),
        lead,
        between(row["new_low_percent"], row["new_high_percent"], 1),
    )
