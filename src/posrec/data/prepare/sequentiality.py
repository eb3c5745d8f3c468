"""How much the order of a data set's histories says: what a first-order chain loses when they are shuffled.

After Klenitskiy et al. (RecSys 2024), who shuffle histories to see whether a data set is sequential at all: where order
says nothing, no positional encoding can help. The chain predicts the test item from the item before it alone.
"""

from dataclasses import dataclass

import numpy as np

from posrec.data.prepare.prepared import Prepared

SHUFFLES = 5
USERS = 10_000  # test users who are scored: all, or a fixed sample of so many
SEED = 20240521
TOP = 10


@dataclass(frozen=True)
class Sequentiality:
    """Hit@10 of the chain (full catalogue) in order, and mean and standard deviation over shuffles; score = 1 - ratio.

    The score is None where the chain never hits: then nothing can be lost.
    """

    hit10: float
    shuffled_hit10: float
    shuffled_hit10_sd: float

    @property
    def score(self) -> float | None:
        """Share of the chain's Hit@10 that shuffling takes away: about 0 where order says nothing, 1 at most."""
        return 1 - self.shuffled_hit10 / self.hit10 if self.hit10 > 0 else None


def sequentiality(prepared: Prepared) -> Sequentiality | None:
    """The chain in the order of the data and after seeded shuffles of each history; None without test users.

    A history is everything before the test item; the chain learns its steps and starts from its last item.
    """
    generator = np.random.default_rng(SEED)
    tested = np.flatnonzero(prepared.test >= 0)
    if not len(tested):
        return None
    scored = np.sort(generator.choice(tested, USERS, replace=False)) if len(tested) > USERS else tested
    users = np.repeat(np.arange(prepared.n_users), np.diff(prepared.offsets))
    history = _history_mask(prepared, users)
    in_order = _chain_hit10(prepared, users[history], prepared.items[history], scored)
    shuffled = []
    for _ in range(SHUFFLES):
        order = np.lexsort([generator.random(int(history.sum())), users[history]])
        shuffled.append(_chain_hit10(prepared, users[history], prepared.items[history][order], scored))
    return Sequentiality(in_order, float(np.mean(shuffled)), float(np.std(shuffled, ddof=1)))


def _history_mask(prepared: Prepared, users: np.ndarray) -> np.ndarray:
    """(N,) whether an interaction is before its user's test item; all of them for users without one."""
    return (prepared.test[users] < 0) | (np.arange(len(users)) < prepared.test[users])


def _chain_hit10(prepared: Prepared, users: np.ndarray, items: np.ndarray, scored: np.ndarray) -> float:
    """Mean Hit@10 of the scored users, ties in expectation. users, items: (n,) the histories in order."""
    size = prepared.n_items + np.int64(1)
    same = users[1:] == users[:-1]
    steps, counts = np.unique(items[:-1][same] * size + items[1:][same], return_counts=True)
    starts = np.searchsorted(users, np.arange(prepared.n_users + 1))
    hits = [
        _hit(steps, counts, size, items[starts[user] : starts[user + 1]], int(prepared.items[prepared.test[user]]))
        for user in scored
    ]
    return float(np.mean(hits))


def _hit(steps: np.ndarray, counts: np.ndarray, size: np.int64, history: np.ndarray, target: int) -> float:
    """Expected Hit@10 of one request: candidates are all items outside the history, and the target."""
    first, last = np.searchsorted(steps, [history[-1] * size, (history[-1] + 1) * size])
    followers, seen = steps[first:last] % size, counts[first:last]
    own = seen[followers == target].sum()
    candidates = ~np.isin(followers, history) & (followers != target)
    greater = int((seen[candidates] > own).sum())
    if own:
        tied = int((seen[candidates] == own).sum())
    else:
        others = int(size) - 1 - len(np.union1d(history, [target]))
        tied = others - int(candidates.sum())
    return float(np.clip((TOP - greater) / (tied + 1), 0, 1))
