"""Raw reviews to a prepared data set: k-core, numbering, order in time, leave-one-out split, features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posrec import plan, store, versions
from posrec.data import formats
from posrec.data.context import context_features
from posrec.data.prepared import Prepared
from posrec.data.sources import check_raw_files
from posrec.errors import DataError
from posrec.settings import DatasetSettings, ExpectedCounts
from posrec.study import Study

MIN_INTERACTIONS = 3  # a user with fewer has no validation and test item
SHUFFLE_STREAM = 1


def prepare_dataset(study: Study, name: str) -> None:
    """Prepare the data set `name` of a study, or take it from the store; write it into the study's folder.

    Raises DataError for raw files that are missing or damaged, for a k-core without reviews, and for counts that differ
    from `expect`.
    """
    dataset = study.settings.datasets[name]
    files = plan.dataset_files(study, name)
    about = _describe(name, dataset)
    kept = store_folder(about["dataset_id"])
    prepared = _load_stored(kept)
    if prepared is None:
        prepared = build(name, dataset)
        prepared.save(kept / files.arrays.name, kept / files.manifest.name, about)
    _check_counts(name, prepared, dataset.expect)
    prepared.save(files.arrays, files.manifest, about)


def store_folder(dataset_id: str) -> Path:
    """Where the store ($POSREC_STORE, default .cache) keeps a prepared data set."""
    return store.root() / "data" / dataset_id


def build(name: str, dataset: DatasetSettings) -> Prepared:
    """Prepare a data set from its raw files. Raises DataError."""
    folder, source = plan.raw_folder(name, dataset), plan.source_of(name, dataset)
    check_raw_files(folder, source["files"], source["remedy"])
    reviews = _keep_core(name, formats.read_reviews(folder, source), dataset.k_core)
    items = sort_ids(reviews["item"].unique())
    attributes = formats.read_attributes(folder, source, set(items)) if dataset.attributes else {}
    prepared = arrange(
        reviews, dataset.tied_times, dataset.tied_times_seed, [attributes.get(item, []) for item in items]
    )
    if not (prepared.test >= 0).any():
        raise DataError(
            f"datasets.{name}: no user has {MIN_INTERACTIONS} or more reviews, so there is nothing to test on; "
            "use other data or another k_core"
        )
    return prepared


def arrange(reviews: pd.DataFrame, tied_times: str, seed: int, attributes: Sequence[Sequence[str]]) -> Prepared:
    """Number, order, split and describe reviews (columns user, item, time).

    Users are numbered from 0 and items from 1 in the order of `sort_ids`; attributes[i] are the names of item i + 1.
    """
    users, items = number_ids(reviews["user"]), number_ids(reviews["item"]) + 1
    times = reviews["time"].to_numpy(np.int64)
    order = order_rows(users, items, times, tied_times, seed)
    users, items, times = users[order], items[order], times[order]
    offsets = np.concatenate([[0], np.bincount(users).cumsum()]).astype(np.int64)
    train_length, validation, test = leave_one_out(offsets)
    training = np.arange(len(users)) < np.repeat(offsets[:-1] + train_length, np.diff(offsets))
    attribute_offsets, attribute_ids = attribute_table(attributes)
    return Prepared(
        offsets=offsets,
        items=items.astype(np.int32),
        times=times,
        context=context_features(times, training),
        train_length=train_length,
        validation=validation,
        test=test,
        attribute_offsets=attribute_offsets,
        attribute_ids=attribute_ids,
    )


def k_core(users: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """Mask (N,) of the largest set of reviews in which every user and every item has at least k; repeats count.

    users, items: (N,) whole numbers from 0.
    """
    kept = np.ones(len(users), dtype=bool)
    while True:
        enough_users = np.bincount(users[kept], minlength=users.max(initial=0) + 1) >= k
        enough_items = np.bincount(items[kept], minlength=items.max(initial=0) + 1) >= k
        smaller = kept & enough_users[users] & enough_items[items]
        if (smaller == kept).all():
            return kept
        kept = smaller


def sort_ids(ids: Sequence[str] | np.ndarray) -> list[str]:
    """Ids in their order: by value where all are whole numbers, else by letters."""
    texts = [str(value) for value in ids]
    if all(text.isascii() and text.isdigit() for text in texts):
        return sorted(texts, key=lambda text: (len(text.lstrip("0")), text.lstrip("0"), text))
    return sorted(texts)


def number_ids(column: pd.Series) -> np.ndarray:
    """The place (N,), from 0, of every id of a column among its different ids in the order of `sort_ids`."""
    codes, ids = pd.factorize(column)
    place = {text: number for number, text in enumerate(sort_ids(np.asarray(ids)))}
    numbers: np.ndarray = np.array([place[text] for text in ids], dtype=np.int64)[codes]
    return numbers


def order_rows(users: np.ndarray, items: np.ndarray, times: np.ndarray, tied_times: str, seed: int) -> np.ndarray:
    """Indices (N,) that sort reviews by user and time.

    Equal times of a user: `file` keeps the order of the rows; `shuffle` draws one that depends on the seed and the
    reviews alone, whatever the order of the rows.
    """
    if tied_times == "file":
        return np.lexsort((times, users))
    canonical = np.lexsort((items, times, users))
    draws = np.random.default_rng(np.random.SeedSequence([seed, SHUFFLE_STREAM])).permutation(len(users))
    shuffled: np.ndarray = canonical[np.lexsort((draws, times[canonical], users[canonical]))]
    return shuffled


def leave_one_out(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split: a user's last interaction is the test, the one before the validation; fewer than 3: all for training.

    offsets: (U + 1,). Returns train_length (U,) int32, validation and test (U,) int64, -1 where there is none.
    """
    lengths, ends = np.diff(offsets), offsets[1:]
    split = lengths >= MIN_INTERACTIONS
    train_length = np.where(split, lengths - 2, lengths).astype(np.int32)
    return train_length, np.where(split, ends - 2, -1), np.where(split, ends - 1, -1)


def attribute_table(attributes: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Multi-hot attributes of items 1.. as offsets (I + 2,) int64 and ids (nnz,) int32; ids follow the names."""
    rows = [sorted(set(names)) for names in attributes]
    place = {name: number for number, name in enumerate(sorted({name for names in rows for name in names}))}
    offsets = np.cumsum([0, 0, *(len(names) for names in rows)], dtype=np.int64)
    return offsets, np.array([place[name] for names in rows for name in names], dtype=np.int32)


def _keep_core(name: str, reviews: pd.DataFrame, k: int) -> pd.DataFrame:
    users, items = pd.factorize(reviews["user"])[0], pd.factorize(reviews["item"])[0]
    core = reviews[k_core(users, items, k)].reset_index(drop=True)
    if core.empty:
        raise DataError(
            f"datasets.{name}.k_core: the {k}-core is empty: none of {len(reviews):,} reviews of "
            f"{users.max() + 1:,} users and {items.max() + 1:,} items remains; lower k_core (1: off) or use denser data"
        )
    return core


def _describe(name: str, dataset: DatasetSettings) -> dict[str, Any]:
    return {
        "dataset_id": plan.dataset_id(name, dataset),
        "data_version": versions.DATA_VERSION,
        "settings": dataset.model_dump(mode="json", exclude={"model", "training"}),
        "title": plan.source_of(name, dataset)["title"],
        "simulated": dataset.simulate is not None,
    }


def _load_stored(folder: Path) -> Prepared | None:
    try:
        return Prepared.load(folder / "dataset.npz", folder / "dataset.json")
    except DataError:
        return None  # absent or damaged: prepared anew


def _check_counts(name: str, prepared: Prepared, expect: ExpectedCounts | None) -> None:
    if expect is None:
        return
    found = {"users": prepared.n_users, "items": prepared.n_items, "interactions": len(prepared.items)}
    wanted: Mapping[str, int] = expect.model_dump()
    differing = [f"{key}: expected {wanted[key]:,}, found {found[key]:,}" for key in found if found[key] != wanted[key]]
    if differing:
        raise DataError(
            f"datasets.{name}.expect: {'; '.join(differing)}: other raw data or other settings (k_core) than "
            "the counts were written for; correct whichever is wrong"
        )
