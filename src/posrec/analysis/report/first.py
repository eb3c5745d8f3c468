"""The first screen of the report: one sentence per data set, and answers to the five questions of a reader.

Which encoding is best, how sure that is, what it costs, whether it can be trusted, and what to do next.
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from posrec.analysis.claims import reach
from posrec.analysis.report.answer import unbeaten
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, OPEN
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.choice import NEW
from posrec.analysis.tables.load import GROUP
from posrec.analysis.tables.reading import listing, number
from posrec.analysis.topics.panels import groups, panel_title
from posrec.analysis.topics.wording import counted, equal_sets, named_count

ENOUGH = 0.8  # probability from which a choice is called safe
SHOWN = 4  # data sets that a sentence names
STRONG = ("item_knn", "markov")  # baselines that a sequential recommender has to beat


def sentences(tables: Tables) -> list[tuple[str, str]]:
    """For each data set (and protocol and settings): its name and the sentence that answers for it."""
    found = [(panel_title(tables, key).replace("\n", ", "), key, cells) for key, cells in groups(tables)]
    return [(title, sentence(tables, key, cells)) for title, key, cells in found]


def sentence(tables: Tables, key: tuple[str, ...], cells: pd.DataFrame) -> str:
    """How every encoding compares with `none` on one data set, and which are still rising or lost."""
    rows = tables["comparisons"].query("against == 'none'")
    for column, value in zip(GROUP, key, strict=True):
        rows = rows[rows[column] == value]
    parts = [*_by_word(rows, 100 * tables.inputs.study.settings.report.margin.relative), *_unhealthy(cells)]
    return " ".join(parts) if parts else _without_comparison(cells)


def _by_word(rows: pd.DataFrame, percent: float) -> list[str]:
    """The encodings by word of the rule, each with the range of its differences in points."""
    said = []
    for word, text in (
        (EQUIVALENT, f"As good as none within {percent:g} %"),
        (AHEAD, "Ahead of none by"),
        (BEHIND, "Behind none by"),
        (OPEN, "Open"),
    ):
        own = rows[rows["level"] == word]
        if len(own):
            range_ = _range(own["difference_points"].abs()) if word in (AHEAD, BEHIND) else _reach_of(own, word)
            all_of_them = len(own) == len(rows) > 2
            names = f"all {len(own)} encodings" if all_of_them else ", ".join(own["encoding"])
            said.append(f"{text}{range_}: {names}.")
    return said


def _range(sizes: "pd.Series[float]") -> str:
    low, high = (_points(value) for value in (sizes.min(), sizes.max()))
    return f" {low} points" if low == high else f" {low} to {high} points"


def _reach_of(rows: pd.DataFrame, word: str) -> str:
    """How far the intervals of open comparisons reach on either side of none."""
    if word != OPEN:
        return ""
    low, high = rows["difference_low_points"].min(), rows["difference_high_points"].max()
    return "" if pd.isna(low) or pd.isna(high) else f" (intervals from {low:+.1f} to {high:+.1f} points)"


def _points(value: float) -> str:
    """Points with sensible digits.

    >>> _points(15.26), _points(0.4213)
    ('15', '0.42')
    """
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _unhealthy(cells: pd.DataFrame) -> list[str]:
    said = []
    for column, text in (("still_rising", "Still rising"), ("failed", "Failed"), ("collapsed", "At chance level")):
        found = cells[cells[column] > 0]
        named = [f"{row['encoding']} ({row[column]} of {row['planned']} runs)" for _, row in found.iterrows()]
        said += [f"{text}: {', '.join(named)}."] if named else []
    return said


def _without_comparison(cells: pd.DataFrame) -> str:
    scored = cells.dropna(subset=["full_ndcg10_mean"])
    if scored.empty:
        return "No run finished: there is nothing to compare."
    best = scored.iloc[int(scored["full_ndcg10_mean"].argmax())]
    return f"Highest mean NDCG@10: {best['encoding']}, {number(100 * best['full_ndcg10_mean'])} points."


def questions(tables: Tables) -> tuple[tuple[str, str], ...]:
    """The five questions of a reader, with the sentences that answer them."""
    return (
        ("Which is best?", " ".join([*warnings(tables), best(tables)])),
        ("How sure is that?", certainty(tables)),
        ("What does it cost?", cost(tables)),
        ("Can I trust it?", trust(tables)),
        ("What next?", " ".join(next_steps(tables))),
    )


def warnings(tables: Tables) -> list[str]:
    """The strong baselines that no trained model beats, and where."""
    found: dict[str, list[str]] = {}
    kept = groups(tables)
    for key, cells in kept:
        for name in set(STRONG) & set(unbeaten(tables, key, cells)):
            found.setdefault(name, []).append(panel_title(tables, key).replace("\n", ", "))
    return [f"No trained model beats {name} on {_where(found[name], len(kept))}." for name in STRONG if name in found]


def _where(names: list[str], all_of_them: int) -> str:
    if len(names) == all_of_them > 1:
        return f"any of {all_of_them} data sets"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN + 1 else ""
    return ", ".join(names[:SHOWN]) + more if more else listing(names)


def best(tables: Tables) -> str:
    """The safest choice: on a new data set where the study can say that, else by its highest means."""
    table = tables["choice"]
    if not table.empty:
        last = table[table["where"] == (NEW if (table["where"] == NEW).any() else table["where"].iloc[-1])]
        chosen = last.iloc[int(last["within"].argmax())]
        safe = "Take" if chosen["within"] >= ENOUGH else "No encoding is a safe choice yet; the safest is"
        margin = 100 * tables.inputs.study.settings.report.margin.relative
        return (
            f"{safe} {chosen['encoding']}: within {margin:g} % of the best on {chosen['where']} with probability "
            f"{number(chosen['within'])}."
        )
    names, rows, of = equal_sets(tables)
    if names.isna().all():
        return "No data set has scores of two encodings: there is nothing to compare."
    left_out = f" (over the {rows} of {of} cases with the same encodings)" if rows < of else ""
    return f"Highest mean NDCG@10: {counted(names)}{left_out}."


def certainty(tables: Tables) -> str:
    """Seeds, how many comparisons with `none` are decided, and what so many seeds can see."""
    study = tables.inputs.study
    seeds = named_count(len(study.settings.scoring_seeds), "seed")
    if not tables.inputs.spread:
        return f"{seeds} per cell; spreads over seeds are not shown in this study (report.stability: false)."
    compared = tables["comparisons"].query("against == 'none'")
    if compared.empty:
        return f"{seeds} per cell; nothing is compared with none."
    decided = int((compared["level"] != OPEN).sum())
    said = f"{decided} of {len(compared)} comparisons with none are decided, with {seeds} per cell"
    errors = "one error of 5 % covers all comparisons of a data set"
    detects = against_none(tables)
    if detects is None or not math.isfinite(detects.detects):
        return f"{said}; {errors}."
    return f"{said}; {errors}. So many seeds find differences from {_percent(detects.detects)} of none's mean on."


def against_none(tables: Tables) -> reach.Reach | None:
    """What the comparisons of levels with `none` can decide; None where the study has none or shows no spread."""
    found = reaches(tables, lambda name: name == reach.AGAINST_NONE)
    return found[0] if found else None


def reaches(tables: Tables, wanted: Callable[[str], bool]) -> list[reach.Reach]:
    """What the families of comparisons with these names can decide."""
    study = tables.inputs.study
    if not tables.inputs.spread:
        return []
    return list(reach.reaches(study, reach.deviation(study)[0], wanted))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def cost(tables: Tables) -> str:
    """How long the encodings train, in epochs: seconds depend on the machine and are on the page of provenance."""
    runs = tables["runs"].query("role == 'scoring' and status == 'finished'")
    if runs.empty:
        return "No run finished."
    epochs = runs.groupby("encoding", sort=False)["epochs_trained"].median().astype(float)
    short, long = str(epochs.idxmin()), str(epochs.idxmax())
    said = f"A median run trains {np.median(runs['epochs_trained'].astype(float)):g} epochs"
    if epochs.min() < epochs.max():
        said += f", from {epochs.min():g} ({short}) to {epochs.max():g} ({long})"
    return f"{said}. Learnt parameters by encoding are under Cost; seconds and memory are on the page of provenance."


def trust(tables: Tables) -> str:
    """How many runs finished, what was lost, and what the data are."""
    runs = tables["runs"]
    finished = int((runs["status"] == "finished").sum())
    collapsed = int(runs["collapsed"].fillna(False).astype(bool).sum())
    rising = int(runs["still_rising"].fillna(False).astype(bool).sum())
    said = f"{finished} of {named_count(len(runs), 'run')} finished"
    said += f", {collapsed} of them at chance level" if collapsed else ", none at chance level"
    said += f"; {rising} were still rising when training ended" if rising else "; none was still rising"
    of = "The data are simulated. " if tables.inputs.simulated else ""
    return f"{said}. {of}posrec verify checks every file; posrec verify --retrain 3 repeats three runs."


def next_steps(tables: Tables) -> list[str]:
    """What to do about baselines that win, runs that still rise, and comparisons that are open."""
    said = []
    if warnings(tables):
        said.append("Beat the baselines first: train longer, or tune the learning rate and the dimension.")
    study = tables.inputs.study
    if rising := int(tables["runs"]["still_rising"].fillna(False).astype(bool).sum()):
        epochs = max(cell.training.epochs for cell in study.cells)
        said.append(f"Raise training.epochs above {epochs}: {named_count(rising, 'run')} ended at the best score.")
    compared = tables["comparisons"].query("against == 'none'")
    if undecided := int((compared["level"] == OPEN).sum()):
        said.append(_seeds_needed(tables, undecided))
    if alike := list(dict.fromkeys(compared.loc[compared["level"] == EQUIVALENT, "encoding"])):
        said.append(f"Where an encoding is as good as none ({listing(alike)}), take none: it costs nothing.")
    if compared.empty:
        return said or ["Add none to the encodings: every other one is compared with it."]
    return said or ["Every comparison with none is decided: confirm the choice on your own data."]


def _seeds_needed(tables: Tables, undecided: int) -> str:
    """How many seeds would decide the open comparisons, and the command that prices them."""
    found = against_none(tables)
    margin = 200 * tables.inputs.study.settings.report.margin.relative
    if found is None or found.seeds_needed is None:
        return f"{undecided} comparisons are open, and no affordable number of seeds would decide them."
    return (
        f"{named_count(found.seeds_needed, 'seed')} per cell (seeds in the study file) would decide differences of "
        f"{margin:g} % ({undecided} open comparisons); posrec plan says what they take."
    )
