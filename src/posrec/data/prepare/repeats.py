"""Repeats: targets that were in the history, and the other, new ones.

Of a history's items none is a candidate but a repeated target, so a scorer that only prefers the history finds it.
"""

import numpy as np

from posrec.data.prepare.prepared import Prepared

FEW = 0.01  # up to this share of repeated test targets, metrics on all targets say enough


def met_before(offsets: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Mask (N,) of the interactions with an item that their user had before. offsets: (U + 1,); items: (N,)."""
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((items, users))  # stable: in the order of time within a user and item
    pairs = np.stack([users, items])[:, order]
    again = np.zeros(len(users), dtype=bool)
    again[order[1:]] = (pairs[:, 1:] == pairs[:, :-1]).all(axis=0)
    return again


def repeated_targets(prepared: Prepared) -> dict[str, float]:
    """Share of the targets of the test, and of the validation, that were in the history; 0 where there is no target."""
    again = met_before(prepared.offsets, prepared.items)
    targets = {"test": prepared.test, "validation": prepared.validation}
    return {
        name: float(again[places[places >= 0]].sum() / max(1, (places >= 0).sum())) for name, places in targets.items()
    }


def new_targets(prepared: Prepared, targets: np.ndarray) -> np.ndarray | None:
    """Mask (R,) of the targets that were not in the history. targets: (R,) interactions.

    None where it has no use: at most FEW of the data set's test targets were in the history, or every one.
    """
    if not FEW < repeated_targets(prepared)["test"] < 1:
        return None
    new: np.ndarray = ~met_before(prepared.offsets, prepared.items)[targets]
    return new
