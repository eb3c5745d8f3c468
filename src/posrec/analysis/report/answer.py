"""The answer for one data set in plain words: level, lead over `none`, steadiness, baselines, gaps."""

import numpy as np
import pandas as pd

from posrec.analysis.stats import stability
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, PRIMARY
from posrec.analysis.tables.reading import Row, between, listing, number
from posrec.analysis.tables.scores import POINTS, adjusted_level, paired_differences
from posrec.analysis.topics.panels import groups, panel_title


def answers(tables: Tables) -> list[tuple[str, list[str]]]:
    """For each data set (and protocol and settings): its name and the sentences about it."""
    return [(panel_title(tables, key).replace("\n", ", "), _about(tables, key, cells)) for key, cells in groups(tables)]


def _about(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> list[str]:
    scored = cells.dropna(subset=["full_ndcg10_mean"])
    if scored.empty:
        said = ["No run finished: there is nothing to compare. The failures are listed below."]
        return said + _left_out(tables, cells)
    best = scored.iloc[int(scored["full_ndcg10_mean"].argmax())]
    said = [_level(best, scored), *_lead(best, scored, tables.inputs.spread), *_rivals(tables, key, best, scored)]
    said += [
        _steadiness(tables, key, scored),
        *_baselines(tables, key, scored),
        *_gaps(cells),
        *_left_out(tables, cells),
    ]
    return said


def _level(best: Row, cells: pd.DataFrame) -> str:
    if len(cells) == 1:
        return f"Only {best['encoding']} has scores here: mean NDCG@10 on the full catalogue {_mean(best)}."
    if best["encoding"] == "none":
        return f"No encoding is ahead of none, which has the highest mean NDCG@10 (full catalogue): {_mean(best)}."
    return f"{best['encoding']} has the highest mean NDCG@10 on the full catalogue: {_mean(best)}."


def _mean(cell: Row) -> str:
    n = int(cell["finished"])
    seeds = f"over {n} seeds" if n > 1 else "from one seed"
    return f"{number(POINTS * cell['full_ndcg10_mean'])} points {seeds}"


def _lead(best: Row, cells: pd.DataFrame, spread: bool) -> list[str]:
    if best["encoding"] == "none" or pd.isna(best["advantage_points"]):
        return []
    ahead = f"It is {number(best['advantage_points'])} points ahead of none on the same seeds"
    low, high = best["advantage_adjusted_low_points"], best["advantage_adjusted_high_points"]
    if not spread or pd.isna(low):
        return [f"{ahead}; whether that is more than chance is not tested here."]
    count = len(cells) - 1
    over = f" (95 % interval {between(low, high)}, widened because the best of {count} is picked after looking)"
    if count == 1:
        over = f" (95 % interval {between(low, high)})"
    verdict = "so the lead is more than chance over seeds" if low > 0 else "which includes zero"
    return [f"{ahead}{over}, {verdict}."]


def _rivals(tables: Tables, key: tuple[str, ...], best: Row, cells: pd.DataFrame) -> list[str]:
    """Encodings whose paired distance to the best could be zero."""
    if not tables.inputs.spread:
        return []
    runs = tables["runs"][tables["runs"]["role"] == "scoring"]
    for name, value in zip(GROUP, key, strict=True):
        runs = runs[runs[name] == value]
    others = [str(name) for name in cells["encoding"] if name not in (best["encoding"], "none")]
    own = runs[runs["encoding"] == best["encoding"]]
    level = adjusted_level(len(others))
    near = [name for name in others if not _behind(own, runs[runs["encoding"] == name], level)]
    if not others:
        return []
    if not near:
        return ["Its lead over every other encoding is more than chance over seeds."]
    if len(near) == len(others) > 1:
        return ["None of the other encodings is distinguishable from it with this number of seeds."]
    return [f"Not distinguishable from it with this number of seeds: {listing(near)}."]


def _behind(best: pd.DataFrame, other: pd.DataFrame, level: float) -> bool:
    interval = stability.mean_interval(paired_differences(best, other), level)
    return interval is not None and interval[0] > 0


def _steadiness(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> str:
    if not tables.inputs.spread:
        return "Stability is not shown in this study (report.stability: false)."
    row = tables["datasets"][
        np.logical_and.reduce([tables["datasets"][n] == v for n, v in zip(GROUP, key, strict=True)])
    ].iloc[0]
    if len(cells) == 1:
        return _own_spread(cells.iloc[0])
    if pd.isna(row["steadiest_encoding"]):
        return "Which encoding is steadiest cannot be said: none has three finished runs of which one did not collapse."
    chosen = cells[cells["encoding"] == row["steadiest_encoding"]].iloc[0]
    said = f"{chosen['encoding']} has the smallest spread over seeds ({_spread(chosen)})"
    return f"{said}{_distinguished(tables, key, chosen)}"


def _own_spread(cell: Row) -> str:
    if pd.isna(cell["full_ndcg10_sd"]):
        return f"One run of {cell['encoding']} says nothing about its spread over seeds."
    return f"Its spread over seeds ({_spread(cell)}) has no other encoding to compare with."


def _spread(cell: Row) -> str:
    low, high = (POINTS * cell[f"full_ndcg10_sd_{end}"] for end in ("low", "high"))
    interval = between(low, high, 3) or f"({cell['full_ndcg10_sd_interval']})"
    return f"standard deviation {number(POINTS * cell['full_ndcg10_sd'], 3)} points {interval}"


def _distinguished(tables: Tables, key: tuple[str, ...], chosen: Row) -> str:
    """Whether the smallest spread differs from the others, as the end of a sentence."""
    n = int(chosen["finished"])
    if n < stability.FEW_SEEDS:
        return f", but {stability.count_word(n)} seeds cannot show whether it is the steadiest."
    name = str(chosen["encoding"])
    rows = tables["comparisons"]
    for column, value in zip(GROUP, key, strict=True):
        rows = rows[rows[column] == value]
    rows = rows[(rows["encoding"] == name) | (rows["against"] == name)]
    alike = rows[~(rows["spread_p_holm"] <= ALPHA)]
    if len(alike):
        others = [str(row["against"] if row["encoding"] == name else row["encoding"]) for _, row in alike.iterrows()]
        return f", but it cannot be distinguished from {listing(others)} (permutation test, Holm)."
    return ", and differs from all others (permutation test, Holm)."


def _baselines(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> list[str]:
    named = tables.inputs.baselines[key[0]]
    values = listing([f"{name} {number(POINTS * scores[PRIMARY])}" for name, scores in named.items()])
    said = [f"For comparison, in the same points: {values}."]
    above_all = [name for name, scores in named.items() if (cells["full_ndcg10_mean"] <= scores[PRIMARY]).all()]
    if above_all:
        none_beats = f"No trained model beats {listing(above_all)}"
        return [*said, f"{none_beats}: differences between encodings mean little here."]
    strongest = max(named, key=lambda name: named[name][PRIMARY])
    below = [str(name) for name in cells.loc[cells["full_ndcg10_mean"] <= named[strongest][PRIMARY], "encoding"]]
    return [*said, f"At or below {strongest}: {listing(below)}."] if below else said


def _gaps(cells: pd.DataFrame) -> list[str]:
    said = []
    for what, text in (
        ("failed", "failed and are left out"),
        ("collapsed", "collapsed to chance level and are counted"),
    ):
        count = int(cells[what].sum())
        if count:
            where = listing([str(name) for name in cells.loc[cells[what] > 0, "encoding"]])
            said.append(f"{count} of {int(cells['planned'].sum())} runs {text} ({where}).")
    return said


def _left_out(tables: Tables, cells: pd.DataFrame) -> list[str]:
    """Encodings of the study that were not planned here."""
    missing = [name for name in tables.inputs.study.settings.encodings if name not in set(cells["encoding"])]
    return [f"The study plans no run here of {listing(missing)}: a gap, not a failure."] if missing else []
