"""The answer for one data set in plain words: baselines, level, lead over `none`, rivals, steadiness, lost runs.

A trained model that loses to item kNN or to the Markov chain is the first thing to know, so it comes first.
"""

import numpy as np
import pandas as pd

from posrec.analysis.stats import stability
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, NEW, PRIMARY
from posrec.analysis.tables.new_targets import repeated_share
from posrec.analysis.tables.reading import Row, between, listing, number
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics.panels import groups, panel_title
from posrec.data.prepare.repeats import FEW

STRONG = ("markov", "item_knn")  # baselines that a sequential recommender has to beat
TURNED = {AHEAD: BEHIND, BEHIND: AHEAD, "steadier": "less steady", "less steady": "steadier"}


def answers(tables: Tables) -> list[tuple[str, list[str]]]:
    """For each data set (and protocol and settings): its name and the sentences about it."""
    return [(panel_title(tables, key).replace("\n", ", "), _about(tables, key, cells)) for key, cells in groups(tables)]


def unbeaten(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> list[str]:
    """The baselines that no trained model of the group beats in mean."""
    named = tables.inputs.baselines.get(key[0], {})
    scored = cells["full_ndcg10_mean"].dropna()
    return [name for name, scores in named.items() if len(scored) and (scored <= scores[PRIMARY]).all()]


def _about(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> list[str]:
    scored = cells.dropna(subset=["full_ndcg10_mean"])
    if scored.empty:
        said = ["No run finished: there is nothing to compare. The failures are listed below."]
        return said + _left_out(tables, cells)
    best = scored.iloc[int(scored["full_ndcg10_mean"].argmax())]
    words = _Words(tables, key)
    said = [*_unbeaten(tables, key, scored), _level(best, scored), *words.lead(best)]
    said += [*_with_users(tables, key, best), *words.rivals(best, scored)]
    said += [_steadiness(tables, key, scored), *_lost(cells), *_baselines(tables, key, scored)]
    return said + _left_out(tables, cells) + _targets(tables, key)


def _targets(tables: Tables, key: tuple[str, ...]) -> list[str]:
    """Which targets the answer speaks of, where many were in the history, and what new ones alone say."""
    share = repeated_share(tables, key[0])
    if share <= FEW:
        return []
    said = (
        f"All this is about all test targets. {number(POINTS * share)} % of them were in the user's history, and a "
        "scorer that only prefers the history finds those"
    )
    runs = tables.inputs.runs
    runs = runs[(runs[GROUP] == list(key)).all(axis=1) & (runs["role"] == "scoring")]
    means = (POINTS * runs[f"{NEW}{PRIMARY}"].astype(float)).groupby(runs["encoding"], sort=False).mean().dropna()
    if means.empty:
        return [f"{said}."]
    order = means.sort_values(ascending=False, kind="stable")
    values = listing([f"{name} {number(value)}" for name, value in order.items()])
    return [f"{said}. On new targets alone, mean NDCG@10 (full catalogue) in points: {values}."]


def _unbeaten(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> list[str]:
    strong = [name for name in reversed(STRONG) if name in unbeaten(tables, key, cells)]
    if not strong:
        return []
    return [
        f"No trained model beats {listing(strong)}: differences between encodings mean little here. Train longer, tune "
        "the model, or use the baseline."
    ]


def _level(best: Row, cells: pd.DataFrame) -> str:
    if len(cells) == 1:
        return f"Only {best['encoding']} has scores here: mean NDCG@10 on the full catalogue {_mean(best)}."
    if best["encoding"] == "none":
        return f"No encoding has a higher mean NDCG@10 (full catalogue) than none: {_mean(best)}."
    return f"{best['encoding']} has the highest mean NDCG@10 on the full catalogue: {_mean(best)}."


def _mean(cell: Row) -> str:
    n = int(cell["finished"])
    seeds = f"over {n} seeds" if n > 1 else "from one seed"
    return f"{number(POINTS * cell['full_ndcg10_mean'])} points {seeds}"


class _Words:
    """The words of the rule for one group of cells."""

    def __init__(self, tables: Tables, key: tuple[str, ...]) -> None:
        self.rows = tables["comparisons"]
        for column, value in zip(GROUP, key, strict=True):
            self.rows = self.rows[self.rows[column] == value]

    def between(self, first: str, second: str) -> "Row | None":
        """The row of two encodings, seen from either."""
        either = self.rows[self.rows["encoding"].isin([first, second]) & self.rows["against"].isin([first, second])]
        return either.iloc[0] if len(either) else None

    def of(self, first: str, second: str, column: str) -> str:
        """The word of `first` against `second`."""
        row = self.between(first, second)
        if row is None:
            return OPEN
        word = str(row[column])
        return word if row["encoding"] == first else TURNED.get(word, word)

    def lead(self, best: Row) -> list[str]:
        """The best encoding against `none`."""
        row = self.between(str(best["encoding"]), "none")
        if best["encoding"] == "none" or pd.isna(best["advantage_points"]):
            return []
        if row is None:
            lead = f"It is {number(best['advantage_points'])} points ahead of none on the same seeds"
            return [f"{lead}; whether that is more than chance is not tested here."]
        interval = between(row["difference_low_points"], row["difference_high_points"])
        many = f", together for all {row['comparisons']} comparisons with none" if row["comparisons"] > 1 else ""
        shown = f" (95 % interval {interval}{many})" if interval else ""
        return [
            f"Against none on the same seeds: {number(row['difference_points'])} points{shown}. "
            f"{_meaning(row)}{_because(row, 'level_why')}"
        ]

    def rivals(self, best: Row, cells: pd.DataFrame) -> list[str]:
        """The other encodings against the best one."""
        name = str(best["encoding"])
        others = [str(other) for other in cells["encoding"] if other not in (name, "none")]
        if self.rows.empty or not others:
            return []
        words = {other: self.of(other, name, "level") for other in others}
        said = []
        if alike := [other for other, word in words.items() if word == EQUIVALENT]:
            said.append(f"Equivalent to it within the margin: {listing(alike)}. Take the cheapest of these.")
        if behind := [other for other, word in words.items() if word == BEHIND]:
            said.append(f"Behind it by more than the margin: {listing(behind)}.")
        if undecided := [other for other, word in words.items() if word == OPEN]:
            named = "every other encoding" if len(undecided) == len(others) > 1 else listing(undecided)
            said.append(f"Open against it with these seeds: {named}.")
        return said


def _meaning(row: Row) -> str:
    """What the word of a comparison with `none` means."""
    margin = f"the margin of {number(row['margin_points'])} points"
    return {
        AHEAD: f"It is ahead of none by more than {margin}.",
        BEHIND: f"It is behind none by more than {margin}.",
        EQUIVALENT: f"It is equivalent to none: the difference is within {margin}.",
    }.get(row["level"], f"Open: whether it differs by more than {margin} isn't decided.")


def _with_users(tables: Tables, key: tuple[str, ...], best: Row) -> list[str]:
    """What the lead would be with other test users as well, and which noise is the larger."""
    rows = tables["user_intervals"]
    for column, value in zip((*GROUP, "encoding"), (*key, best["encoding"]), strict=True):
        rows = rows[rows[column] == value]
    if rows.empty or pd.isna(rows.iloc[0]["low_points"]):
        return []
    row = rows.iloc[0]
    return [
        f"For other test users as well as other seeds: {between(row['low_points'], row['high_points'])}, "
        f"{row['level']}. Seeds add {number(row['seed_error_points'])} points to its standard error, users "
        f"{number(row['user_error_points'])}."
    ]


def _because(row: Row, column: str) -> str:
    return f" ({row[column]})" if row[column] else ""


def _steadiness(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> str:
    if not tables.inputs.spread:
        return "Stability is not shown in this study (report.stability: false)."
    row = tables["datasets"][
        np.logical_and.reduce([tables["datasets"][n] == v for n, v in zip(GROUP, key, strict=True)])
    ].iloc[0]
    if len(cells) == 1:
        return _own_spread(cells.iloc[0])
    if pd.isna(row["steadiest_encoding"]):
        return "Which encoding is steadiest cannot be said: none has three finished runs and few enough lost ones."
    chosen = cells[cells["encoding"] == row["steadiest_encoding"]].iloc[0]
    said = f"{chosen['encoding']} has the smallest spread over seeds ({_spread(chosen)})"
    return f"{said}{_distinguished(_Words(tables, key), chosen, cells)}"


def _own_spread(cell: Row) -> str:
    if pd.isna(cell["full_ndcg10_sd"]):
        return f"One run of {cell['encoding']} says nothing about its spread over seeds."
    return f"Its spread over seeds ({_spread(cell)}) has no other encoding to compare with."


def _spread(cell: Row) -> str:
    low, high = (POINTS * cell[f"full_ndcg10_sd_{end}"] for end in ("low", "high"))
    interval = between(low, high, 3) or f"({cell['full_ndcg10_sd_interval']})"
    return f"standard deviation {number(POINTS * cell['full_ndcg10_sd'], 3)} points {interval}"


def _distinguished(words: _Words, chosen: Row, cells: pd.DataFrame) -> str:
    """Which others it is shown to be steadier than, as the end of a sentence."""
    name, n = str(chosen["encoding"]), int(chosen["finished"])
    others = [str(other) for other in cells["encoding"] if other != name]
    steadier = [other for other in others if words.of(name, other, "spread") == "steadier"]
    if len(steadier) == len(others):
        return ", and is steadier than all others by more than the margin."
    if steadier:
        return f", and is shown to be steadier than {listing(steadier)}; against the others it is open."
    if n < stability.FEW_SEEDS:
        return f", but {stability.count_word(n)} seeds cannot show whether it is the steadiest."
    return ", but it isn't shown to be steadier than any other by more than the margin."


def _lost(cells: pd.DataFrame) -> list[str]:
    """Outcomes that aren't scores: failed, collapsed, still rising, by encoding."""
    said = []
    for what, text in (
        ("failed", "failed"),
        ("collapsed", "collapsed to chance level"),
        ("still_rising", "were still rising when training ended: their final level is unknown"),
    ):
        found = cells[cells[what] > 0]
        if len(found):
            named = [f"{row['encoding']} {row[what]} of {row['planned']}" for _, row in found.iterrows()]
            said.append(f"{int(cells[what].sum())} of {int(cells['planned'].sum())} runs {text} ({listing(named)}).")
    return said


def _baselines(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> list[str]:
    named = tables.inputs.baselines[key[0]]
    values = listing([f"{name} {number(POINTS * scores[PRIMARY])}" for name, scores in named.items()])
    said = [f"For comparison, in the same points: {values}."]
    if above_all := [name for name in unbeaten(tables, key, cells) if name not in STRONG]:
        return [*said, f"No trained model beats {listing(above_all)}."]
    strongest = max(named, key=lambda name: named[name][PRIMARY])
    below = [str(name) for name in cells.loc[cells["full_ndcg10_mean"] <= named[strongest][PRIMARY], "encoding"]]
    return [*said, f"At or below {strongest}: {listing(below)}."] if below else said


def _left_out(tables: Tables, cells: pd.DataFrame) -> list[str]:
    """Encodings of the study that were not planned here."""
    missing = [name for name in tables.inputs.study.settings.encodings if name not in set(cells["encoding"])]
    return [f"The study plans no run here of {listing(missing)}: a gap, not a failure."] if missing else []
