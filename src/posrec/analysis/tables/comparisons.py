"""Every two encodings of a group of cells compared by the one rule (`tables.duels`): level and spread."""

import itertools
from collections.abc import Iterator
from typing import Any

import pandas as pd

from posrec.analysis.stats.paired import probability_of_improvement
from posrec.analysis.tables import duels
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.duels import Design, Duel, Found, Side, spread_columns
from posrec.analysis.tables.load import GROUP, IDENTITY, Inputs
from posrec.analysis.tables.reading import MOST_ROWS, Row, Shown, between, number

SIMULTANEOUS = "bound that holds for all comparisons of the family together (max-T quantile, allowance for skewness)"
RATIO = "95 % bound of this ratio for this comparison alone (permutations, from six healthy runs on)"
COLUMNS = {
    **{name: IDENTITY[name] for name in (*GROUP, "encoding")},
    "against": "the encoding that it is compared with",
    "family": "comparisons that share one error of 5 %: those with none in the group, or all others in the group",
    "comparisons": "how many these are",
    "pairs": "seeds with a healthy run of both (finished, above chance)",
    "difference_points": "mean over those seeds of full NDCG@10 minus that of the other",
    "difference_low_points": f"lower {SIMULTANEOUS}",
    "difference_high_points": f"upper {SIMULTANEOUS}",
    "margin_points": "the smallest difference that matters (report.margin, of the mean of none)",
    "level": "ahead, behind or equivalent: the interval is beyond the margin, or within it; else open",
    "level_why": "what withheld a clearer word, or decided in place of the scores",
    "decided_at": "in a study with looks: the number of seeds at which the level was decided; 0: it is open",
    "p": "two-sided p of no difference: max-T over the family, step-down, the seed as block; empty in a study with "
    "looks",
    "smallest_p": "smallest p that this many seeds can reach",
    "improvement": "probability that a healthy run of it beats one of the other",
    "seeds": "healthy runs of the one with fewer",
    "spread_ratio": "spread over seeds (mean distance to the median, healthy runs) divided by that of the other",
    "spread_ratio_low": f"lower {RATIO}",
    "spread_ratio_high": f"upper {RATIO}",
    "spread": "steadier, less steady or alike: the ratio's interval that holds for the family (Sidak) is beyond "
    "report.margin.ratio, or within it; else open",
    "spread_why": "what withheld a clearer word",
    "spread_p": "two-sided p of equal spreads by the same permutations, after Sidak over the family",
    "bad": "its runs that failed or collapsed",
    "bad_against": "those of the other",
    "rising": "its healthy runs that were still rising",
    "rising_against": "those of the other",
}
COUNTS = ("comparisons", "pairs", "decided_at", "seeds", "bad", "bad_against", "rising", "rising_against")


def build(tables: Tables) -> pd.DataFrame:
    """The comparisons of a study; columns: COLUMNS."""
    return comparison_table(tables.inputs)


def comparison_table(inputs: Inputs) -> pd.DataFrame:
    """One row per pair of encodings that share all else; columns: COLUMNS.

    Pairs with `none` are one family, the others another, in each group. The table is empty without stability
    (report.stability: false).
    """
    of = duels.design(inputs.study.settings)
    groups = inputs.runs[inputs.runs["role"] == "scoring"].groupby(GROUP, sort=False) if inputs.spread else ()
    rows = [row for key, group in groups for row in _group_rows(tuple(map(str, key)), group, of)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COUNTS, "Int64"))


def _group_rows(key: tuple[str, ...], group: pd.DataFrame, of: Design) -> Iterator[dict[str, Any]]:
    sides = {str(name): duels.side(runs) for name, runs in group.groupby("encoding", sort=False)}
    pairs = [_ordered(pair) for pair in itertools.combinations(sides, 2)]
    margin = duels.margin_of(sides.get("none") or _together(sides), of.margin)
    for family, chosen in (
        ("with none", [pair for pair in pairs if pair[1] == "none"]),
        ("others", [pair for pair in pairs if pair[1] != "none"]),
    ):
        compared = [Duel(key, sides[a], sides[b], margin) for a, b in chosen]
        found = zip(compared, duels.levels(compared, of), duels.spread_ratios(compared, of), strict=True)
        for duel, level, spread in found:
            place = dict(zip(GROUP, key, strict=True))
            yield {**place, "family": family, **_names(duel), **_level(level, duel), **_spread(spread, duel)}


def _together(sides: dict[str, Side]) -> Side:
    """All encodings as one cell: the reference of the margin where `none` isn't in the study."""
    first = next(iter(sides.values()))
    return Side("all", pd.concat([each.scores for each in sides.values()]), first.trained, first.health)


def _ordered(pair: tuple[str, str]) -> tuple[str, str]:
    return (pair[1], pair[0]) if pair[0] == "none" else pair


def _names(duel: Duel) -> dict[str, Any]:
    one, two = duel.first.health, duel.second.health
    outcomes = {"bad": one.bad, "bad_against": two.bad, "rising": one.rising, "rising_against": two.rising}
    return {"encoding": duel.first.name, "against": duel.second.name, "margin_points": duel.margin, **outcomes}


def _level(found: Found, duel: Duel) -> dict[str, Any]:
    return {
        "comparisons": found.comparisons,
        "pairs": found.pairs,
        "difference_points": found.estimate,
        "difference_low_points": found.low,
        "difference_high_points": found.high,
        "level": found.word,
        "level_why": found.why,
        "decided_at": found.decided_at,
        "p": found.p,
        "smallest_p": found.smallest_p if found.pairs else None,
        "improvement": probability_of_improvement(duel.first.scores.to_numpy(), duel.second.scores.to_numpy()),
    }


def _spread(found: Found, duel: Duel) -> dict[str, Any]:
    return {
        "seeds": min(len(duel.first.scores), len(duel.second.scores)),
        **spread_columns(found),
    }


def shown(tables: Tables) -> Shown:
    """Differences of level and ratios of spread with their words."""
    header = ("data set", "protocol", "settings", "encoding", "against", "seeds", "difference", "margin", "level")
    more = ("p (max-T)", "beats it", "ratio of spreads", "spread", "useless", "still rising", "why")
    found = tables["comparisons"].head(MOST_ROWS)
    rows = (_shown_row(row, tables.inputs.label(row["dataset"])) for _, row in found.iterrows())
    return (*header, *more), tuple(rows)


def _shown_row(row: Row, dataset: str) -> tuple[str, ...]:
    difference = between(row["difference_low_points"], row["difference_high_points"])
    ratio = between(row["spread_ratio_low"], row["spread_ratio_high"])
    why = "; ".join(dict.fromkeys(text for text in (row["level_why"], row["spread_why"]) if text))
    return (
        dataset,
        *(str(row[name]) for name in ("protocol", "settings", "encoding", "against", "pairs")),
        f"{number(row['difference_points'])} {difference}".strip(),
        f"±{number(row['margin_points'])}",
        row["level"],
        number(row["p"], 3),
        number(row["improvement"]),
        f"{number(row['spread_ratio'])} {ratio}".strip(),
        row["spread"],
        *(f"{row[name]} / {row[f'{name}_against']}" for name in ("bad", "rising")),
        why,
    )
