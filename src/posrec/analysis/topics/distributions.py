"""Distributions behind the card of a prepared data set, as curves for its figure."""

import numpy as np

from posrec.data.prepare.card import RUN_NAMES, run_lengths
from posrec.data.prepare.prepared import Prepared

POINTS = 200  # of a curve over items


def length_curve(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Lengths n (k,) from 1 on at which the curve steps, and the share of users (k,) with at least n interactions."""
    lengths = np.sort(np.diff(prepared.offsets))
    steps = np.unique(np.r_[1, lengths[lengths > 0]])
    return steps, 1 - np.searchsorted(lengths, steps, side="left") / len(lengths)


def concentration_curve(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the items (k,), the most popular first, and the shares of the interactions (k,) that they hold."""
    counts = np.sort(np.bincount(prepared.items, minlength=prepared.n_items + 1)[1:])[::-1]
    held = np.r_[0, counts.cumsum()] / counts.sum()
    places = np.unique(np.linspace(0, len(counts), min(POINTS, len(counts)) + 1).astype(np.int64))
    return places / len(counts), held[places]


def tied_shares(prepared: Prepared) -> dict[str, float]:
    """Share of the interactions that lie in runs of one time stamp, by the run's length; sums to 1."""
    lengths = run_lengths(prepared.offsets, prepared.times)
    rows = np.bincount(np.minimum(lengths, len(RUN_NAMES)), weights=lengths, minlength=len(RUN_NAMES) + 1)[1:]
    return {name: float(share) for name, share in zip(RUN_NAMES, rows / rows.sum(), strict=True)}


def monthly_counts(prepared: Prepared) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Months (m,) datetime64 from the first to the last; interactions (m,) and test items (m,) of each."""
    months = prepared.times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    first, number = months.min(), int(months.max() - months.min()) + 1
    held_out = prepared.test[prepared.test >= 0]
    counts = [np.bincount(part - first, minlength=number) for part in (months, months[held_out])]
    return (first + np.arange(number)).astype("datetime64[M]"), counts[0], counts[1]
