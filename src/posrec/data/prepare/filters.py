"""Which interactions stay: duplicates, repeats, the filters by number of reviews, subsets by number of users and items.

Every filter gives a mask (N,) over interactions whose users and items are whole numbers from 0.
"""

import numpy as np

from posrec.data.prepare.interactions import Interactions
from posrec.errors import DataError
from posrec.study.settings.dataset import DatasetSettings, SubsetSettings

SUBSET_STREAM = 2


def filter_interactions(name: str, interactions: Interactions, dataset: DatasetSettings) -> Interactions:
    """Repeats, then the filter by number of reviews, then the subset. Raises DataError where nothing remains.

    Exact duplicates are dropped before, by `first_of_duplicates`.
    """
    kept = interactions.keep(without_repeats(interactions, dataset.repeats))
    counting = one_pass if dataset.filter == "one_pass" else k_core
    core = kept.keep(counting(kept.users, kept.items, dataset.k_core))
    if not len(core):
        raise DataError(
            f"datasets.{name}.k_core: the {dataset.k_core}-core is empty: none of {len(kept):,} reviews of "
            f"{len(kept.user_ids):,} users and {len(kept.item_ids):,} items remains; lower k_core (1: off) or use "
            "denser data"
        )
    if dataset.subset is None:
        return core
    part = core.keep(subset(core.users, core.items, dataset.subset))
    if not len(part):
        raise DataError(f"datasets.{name}.subset: no chosen user has a review of a chosen item; choose more of both")
    return part


def k_core(users: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """Mask (N,) of the largest set of reviews in which every user and every item has at least k; repeats count."""
    kept = np.ones(len(users), dtype=bool)
    while True:
        smaller = kept & _frequent(users, kept, k) & _frequent(items, kept, k)
        if (smaller == kept).all():
            return kept
        kept = smaller


def one_pass(users: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """Mask (N,) of the reviews whose user and item have at least k in the raw data.

    One pass, as CARCA prepares its data (Rashed et al., RecSys 2022): afterwards users and items may have fewer.
    """
    everything = np.ones(len(users), dtype=bool)
    return _frequent(users, everything, k) & _frequent(items, everything, k)


def first_of_duplicates(interactions: Interactions) -> np.ndarray:
    """Mask (N,) of the interactions without an earlier one, in the order of the file, of the same user, item and time.

    Such rows are copies of one event: an export that was joined twice, an item bought in several pieces.
    """
    keys = (interactions.times, interactions.items, interactions.users)
    order = np.lexsort(keys)
    new = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    kept = np.zeros(len(interactions), dtype=bool)
    kept[order[np.concatenate([[True], new])]] = True
    return kept


def without_repeats(interactions: Interactions, repeats: str) -> np.ndarray:
    """Mask (N,) that keeps of a user's reviews of one item all, or the first or last in time.

    Of equal times, the first or last in the file.
    """
    if repeats == "all":
        return np.ones(len(interactions), dtype=bool)
    pairs = interactions.users * len(interactions.item_ids) + interactions.items
    order = np.lexsort((interactions.times, pairs))
    step = pairs[order][1:] != pairs[order][:-1]
    edge = np.concatenate([[True], step] if repeats == "first" else [step, [True]])
    kept = np.zeros(len(interactions), dtype=bool)
    kept[order[edge]] = True
    return kept


def subset(users: np.ndarray, items: np.ndarray, settings: SubsetSettings) -> np.ndarray:
    """Mask (N,) of the reviews of the chosen users of the chosen items; both are chosen from all of the data.

    CARCA's Games with the first 5,000 users and the first 5,000 items has the 5,000 / 4,601 / 33,353 of the paper's
    Subgames (arXiv 2405.10436).
    """
    streams = np.random.SeedSequence([settings.seed, SUBSET_STREAM]).spawn(2)
    chosen = [
        _chosen(codes, number, settings.by, np.random.default_rng(stream))
        for codes, number, stream in zip((users, items), (settings.users, settings.items), streams, strict=True)
    ]
    return chosen[0][users] & chosen[1][items]


def _chosen(codes: np.ndarray, number: int | None, by: str, rng: np.random.Generator) -> np.ndarray:
    """Which ids (n,) are chosen: the first, those with the most reviews (the first of equals), or random ones."""
    counts = np.bincount(codes)
    if number is None:
        return np.ones(len(counts), dtype=bool)
    order = {
        "number": lambda: np.arange(len(counts)),
        "activity": lambda: np.argsort(-counts, kind="stable"),
        "random": lambda: rng.permutation(len(counts)),
    }[by]()
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[order[:number]] = True
    return chosen


def _frequent(codes: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
    """Whether the id of each review (N,) has at least k reviews among those kept."""
    enough: np.ndarray = np.bincount(codes[kept], minlength=codes.max(initial=0) + 1) >= k
    return enough[codes]
