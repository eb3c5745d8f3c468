"""Does a switch (or a setting) make or unmake what an encoding does? A contrast of contrasts, paired by seed.

That one verdict is "ahead" with the switch and "open" without says nothing of it: the difference of the two leads does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from posrec.analysis.stats import blocks, maxt, simultaneous
from posrec.analysis.stats.threeway import AHEAD, BEHIND, EQUIVALENT, Word, verdict

Change = Literal["raises", "lowers", "leaves", "open"]
CHANGES: dict[Word, Change] = {AHEAD: "raises", BEHIND: "lowers", EQUIVALENT: "leaves"}


@dataclass(frozen=True)
class Interactions:
    """For each encoding other than `none`: how much larger its lead is with the switch on, with simultaneous bounds.

    estimate, low, high: (m,) in the metric's unit; p: (m,) adjusted; changes: what the switch does to each lead.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    changes: tuple[Change, ...]


def contrast(off: np.ndarray, on: np.ndarray, none: int) -> np.ndarray:
    """(S, E - 1) lead over `none` with the switch on, minus the lead with it off, in each seed.

    off, on: (S, E) scores, rows the same seeds; none: its column.

    >>> contrast(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]), 0).tolist()
    [[3.0]]
    """
    if off.shape != on.shape:
        raise ValueError(f"both sides of a switch need the same seeds and encodings: {off.shape}, {on.shape}")
    return blocks.against(on, none) - blocks.against(off, none)


def interactions(contrasts: Sequence[np.ndarray], margin: float | np.ndarray, draws: int = maxt.DRAWS) -> Interactions:
    """All interactions of one family. contrasts: one (S, m) array a data set; margin: in the metric's unit."""
    p = maxt.step_down(contrasts, draws).p
    found = simultaneous.intervals(contrasts)
    margins = np.broadcast_to(margin, found.low.shape)
    words = [verdict(*bounds) for bounds in zip(found.low, found.high, margins, strict=True)]
    changes = tuple(CHANGES.get(word, "open") for word in words)
    return Interactions(found.estimate, found.low, found.high, p, changes)
