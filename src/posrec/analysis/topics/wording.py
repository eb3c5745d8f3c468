"""Sentences that captions and the report share: seeds, protocols, candidates, simulated data, takeaways."""

from collections import Counter

import pandas as pd

from posrec.analysis import registry
from posrec.analysis.registry import Figure
from posrec.analysis.stats import sequential
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP, Inputs
from posrec.analysis.tables.reading import listing
from posrec.study.study import Study, numerics_note, padded_note

WORDS = (*("ahead", "behind", "equivalent", "raises", "lowers", "leaves", "steadier", "less steady", "alike", "open"),)
PROTOCOL_WORDS = {
    "sound": "every step of a history is a target, under a causal mask",
    "sound_last": "one target per sample, no mask",
}


def simulated_note(inputs: Inputs) -> str:
    """Says which data sets are simulated; empty where none is."""
    names = inputs.simulated
    if not names:
        return ""
    if len(names) == len(inputs.cards):
        which = "All data here are simulated twins"
    else:
        which = f"Simulated twins here: {listing(names)}"
    return f"{which}: they show what the method can find and are not evidence about any real data set."


def protocols(inputs: Inputs) -> str:
    """The training protocols and what they mean."""
    names = [protocol.name for protocol in inputs.study.protocols]
    named = [f"{name} ({PROTOCOL_WORDS.get(name, 'see the study')})" for name in names]
    return f"Protocol{'s' if len(named) > 1 else ''}: {listing(named)}."


def training(study: Study) -> str:
    """Says which cells were trained differently from the rest; empty where all are alike."""
    padded, numerics = padded_note(study.cells), numerics_note(study.cells)
    return " ".join(filter(None, (f"Not by the packed engine: {padded}." if padded else "", numerics)))


def candidates(inputs: Inputs) -> str:
    """What a target is ranked against."""
    negatives = inputs.study.settings.evaluation.negatives
    return (
        "Full catalogue: the user's next item is ranked among all items outside the history. "
        f"Sampled: it is ranked among {negatives} items that the user never met, the same for every encoding."
    )


def seeds(inputs: Inputs) -> str:
    """How many seeds score the encodings."""
    n = len(inputs.study.settings.scoring_seeds)
    return f"{n} seed{'s' if n != 1 else ''} per cell{look(inputs.study)}."


def look(study: Study) -> str:
    """At which declared look a study is, and the error spent; empty for a study with a list of seeds."""
    looks, now = study.settings.looks, len(study.settings.scoring_seeds)
    if not looks:
        return ""
    used = 100 * sequential.spent(now / looks[-1], ALPHA)
    return (
        f", look {looks.index(now) + 1} of {len(looks)} (at {listing([str(seeds) for seeds in looks])} seeds); "
        f"{used:.2g} % of the error of {100 * ALPHA:g} % is spent (O'Brien-Fleming)"
    )


def design(tables: Tables) -> str:
    """The end of a caption: seeds, protocols, simulation."""
    inputs = tables.inputs
    return " ".join(text for text in (seeds(inputs), protocols(inputs), simulated_note(inputs)) if text)


def caption(figure: Figure, tables: Tables) -> str:
    """A figure's caption where it is alone: its takeaway, what its marks are, then seeds and protocols."""
    rests_on = simulated_note(tables.inputs) if figure.section == "data" else design(tables)
    return " ".join(filter(None, (takeaway(figure, tables), reading(figure), rests_on)))


def takeaway(figure: Figure, tables: Tables) -> str:
    """The one sentence, computed from the tables, that a figure shows."""
    said: str = registry.module_of(figure).caption(tables)
    return said.rstrip()


def reading(figure: Figure) -> str:
    """What a figure's marks are; empty where they need no words."""
    text: str = getattr(registry.module_of(figure), "READING", "")
    return text


def counted(names: "pd.Series[str]") -> str:
    """Names by how often they occur, the most frequent first; one name alone has no count.

    >>> counted(pd.Series(["abs", "rope", "rope"]))
    'rope (2 of 3) and abs (1 of 3)'
    """
    found = [str(name) for name in names.dropna()]
    if len(found) == 1:
        return found[0]
    ordered = sorted(dict.fromkeys(found), key=lambda name: -found.count(name))
    return listing([f"{name} ({found.count(name)} of {len(found)})" for name in ordered])


def named_count(n: int, what: str) -> str:
    """A number of things.

    >>> named_count(1, "seed"), named_count(5, "seed")
    ('1 seed', '5 seeds')
    """
    return f"{n} {what}{'' if n == 1 else 's'}"


def equal_sets(tables: Tables) -> tuple["pd.Series[str]", int, int]:
    """Best encodings of the cases (data set, protocol, settings) that have the same encodings, for tallies.

    A count over cases with different encodings would favour those that are in more of them, so only the most frequent
    set counts, the larger of two equally frequent ones. Returns the names, how many cases that is, and of how many.
    """
    cells = tables["cells"][tables["cells"]["kind"] == "encoding"]
    sets = {key: frozenset(own["encoding"]) for key, own in cells.groupby(GROUP, sort=False)}
    number = Counter(sets.values())
    frequent = max(number, key=lambda one: (number[one], len(one)))
    best = tables["datasets"].set_index(GROUP)["best_encoding"]
    kept = [key for key, own in sets.items() if own == frequent]
    return best[best.index.isin(kept)], len(kept), len(sets)


def counted_words(words: "pd.Series[str]", what: str) -> str:
    """How often each word of the rule occurs, in the order of the rule.

    >>> counted_words(pd.Series(["open", "ahead", "open"]), "comparisons")
    'Of 3 comparisons: 1 ahead, 2 open.'
    """
    found = list(words.dropna())
    named = [f"{found.count(word)} {word}" for word in WORDS if word in found]
    return f"Of {len(found)} {what}: {', '.join(named) or 'none'}."


def below(p: "pd.Series[float]", what: str) -> str:
    """How many tests are significant, from their p after Holm.

    >>> below(pd.Series([0.01, 0.2, None]), "tests")
    '1 of 2 tests are below 5 % after Holm.'
    """
    known = p.dropna()
    return f"{int((known <= ALPHA).sum())} of {len(known)} {what} are below {100 * ALPHA:g} % after Holm."


def margin_note(study: Study) -> str:
    """The margins, as every figure shows them."""
    margin = study.settings.report.margin
    return (
        f"A difference of levels matters from {100 * margin.relative:g} % of the mean of none on (at least "
        f"{margin.floor:g} points), a ratio of spreads from {margin.ratio:g} on (report.margin, set in advance)."
    )
