"""Sentences that figures' captions and the report share: how many seeds, which candidates, which data are simulated."""

import pandas as pd

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import Inputs
from posrec.study.study import Study, numerics_note, padded_note

PROTOCOL_WORDS = {
    "sound": "every step of a history is a target, under a causal mask",
    "sound_last": "one target a sample, no mask",
}


def listing(words: list[str]) -> str:
    """Words as a list in a sentence.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(", ".join(words).rsplit(", ", 1)) if words else "none"


def simulated_note(inputs: Inputs) -> str:
    """Says which data sets are simulated; empty where none is."""
    names = inputs.simulated
    if not names:
        return ""
    if len(names) == len(inputs.cards):
        which = "All data here are simulated twins"
    else:
        which = f"Simulated twins here: {listing(names)}"
    return f"{which}: they show what the method can find, and are no evidence about any real data set."


def protocols(inputs: Inputs) -> str:
    """The training protocols and what they mean."""
    names = [protocol.name for protocol in inputs.study.protocols]
    named = [f"{name} ({PROTOCOL_WORDS.get(name, 'see the study')})" for name in names]
    return f"Protocol{'s' if len(named) > 1 else ''}: {listing(named)}."


def training(study: Study) -> str:
    """Says which cells were trained in another way than the rest; empty where all are alike."""
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
    n = len(inputs.study.settings.seeds)
    return f"{n} seed{'s' if n != 1 else ''} a cell."


def design(tables: Tables) -> str:
    """The end of every caption: seeds, protocol, candidates, simulation."""
    inputs = tables.inputs
    return " ".join(
        text for text in (seeds(inputs), protocols(inputs), candidates(inputs), simulated_note(inputs)) if text
    )


def number(value: float | None, digits: int = 2) -> str:
    """A number for reading; a dash where there is none.

    >>> number(0.12345), number(None)
    ('0.12', '-')
    """
    return "-" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def between(low: float, high: float, digits: int = 2) -> str:
    """An interval for reading; empty where there is none.

    >>> between(-0.5, 1.0)
    '[-0.50, 1.00]'
    """
    return "" if pd.isna(low) or pd.isna(high) else f"[{number(low, digits)}, {number(high, digits)}]"
