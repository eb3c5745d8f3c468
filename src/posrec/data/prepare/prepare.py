"""Raw reviews to a prepared data set: numbering, filters, order in time, split, controls, features."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posrec import versions
from posrec.data.prepare.attributes import attribute_table, choose_names, feature_table
from posrec.data.prepare.context import context_features
from posrec.data.prepare.controls import change_context, change_times, shuffle_histories
from posrec.data.prepare.filters import filter_interactions, first_of_duplicates
from posrec.data.prepare.id_map import IdMap
from posrec.data.prepare.interactions import Interactions, code
from posrec.data.prepare.prepared import Prepared, read_manifest
from posrec.data.raw import formats
from posrec.data.raw.sources import check_raw_files, simulated_checksums
from posrec.errors import DataError
from posrec.plan import expected, ids
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.study import Study

MIN_INTERACTIONS = 3  # a user with fewer has no validation and test item
SHUFFLE_STREAM = 1
WAYS_OUT = {
    "leave_one_out": f"a user needs {MIN_INTERACTIONS} reviews for a test and {MIN_INTERACTIONS + 1} to be trained on; "
    "use other data or another k_core",
    "global_time": "use other data, another held_out_share, or split: leave_one_out",
}


def prepare_dataset(study: Study, name: str) -> None:
    """Prepare the data set `name` of a study, or take it from the store; write it into the study's folder.

    Raises DataError for raw files that are missing or damaged, for a k-core without reviews, and for counts that differ
    from `expect`.
    """
    dataset = study.settings.datasets[name]
    files = ids.dataset_files(study, name)
    about = describe(name, dataset)
    kept = store_folder(about["dataset_id"])
    stored = _load_stored(kept)
    if stored is None:
        prepared, id_map, about["read"] = build(name, dataset)
        if ids.dataset_id(name, dataset) != about["dataset_id"]:
            raise DataError(f"datasets.{name}.table: was changed while it was read; run the same command again")
        id_map.save(kept / files.id_map.name)
        prepared.save(kept / files.arrays.name, kept / files.manifest.name, about)
    else:
        prepared, id_map, about["read"] = stored
    expected.check_counts(name, prepared.counted()["counts"], dataset.expect)
    id_map.save(files.id_map)
    prepared.save(files.arrays, files.manifest, about)


def store_folder(dataset_id: str) -> Path:
    """Where the store ($POSREC_STORE, default .cache) keeps a prepared data set."""
    return ids.store() / "data" / dataset_id


def build(name: str, dataset: DatasetSettings) -> tuple[Prepared, IdMap, dict[str, int]]:
    """Prepare a data set from its raw files; with its ids, and how many reviews were read and duplicates dropped.

    Raises DataError.
    """
    folder, source = ids.raw_folder(name, dataset), ids.source_of(name, dataset)
    files = source["files"]
    if dataset.simulate is not None:
        files = simulated_checksums(folder, dataset.simulate, source["remedy"])
    check_raw_files(folder, files, source["remedy"])
    reviews = code(formats.read_reviews(folder, source))
    different = reviews.keep(first_of_duplicates(reviews)) if dataset.duplicates == "drop" else reviews
    interactions = filter_interactions(name, different, dataset)
    items = interactions.item_ids.tolist()
    source = {**source, "options": {**source["options"], "price_bins": dataset.price_bins}}
    found = formats.read_attributes(folder, source, set(items)) if dataset.attributes else {}
    attributes = choose_names(
        [found.get(item, []) for item in items], dataset.attribute_kinds, dataset.attribute_min_count
    )
    features = None
    if dataset.dense_features:
        features = feature_table(name, formats.read_features(folder, source), items)
    check_raw_files(folder, files, source["remedy"])  # they did not change while they were read
    prepared = arrange(interactions, dataset, attributes, features, name)
    check_negatives(name, prepared, interactions.user_ids)
    id_map = IdMap(interactions.user_ids.tolist(), items)
    return prepared, id_map, {"reviews": len(reviews), "duplicates_dropped": len(reviews) - len(different)}


def arrange(
    interactions: Interactions,
    dataset: DatasetSettings,
    attributes: Sequence[Sequence[str]],
    features: np.ndarray | None = None,
    name: str | None = None,
) -> Prepared:
    """Order, split and describe interactions, and break what the controls say.

    Items are numbered from 1; attributes[i] are the names of item i + 1; features: (I + 1, F) float32. name: that of
    the data set in a study, which needs something in every part of the split. Raises DataError where a part is empty.
    """
    order = order_rows(interactions, dataset.tied_times, dataset.tied_times_seed)
    users, items, times = interactions.users[order], interactions.items[order] + 1, interactions.times[order]
    offsets = np.concatenate([[0], np.bincount(users).cumsum()]).astype(np.int64)
    if dataset.split == "global_time":
        train_length, validation, test = global_time(offsets, times, dataset.held_out_share)
    else:
        train_length, validation, test = leave_one_out(offsets)
    if name is not None:
        check_parts(f"datasets.{name}.split: {dataset.split}", train_length, validation, test, WAYS_OUT[dataset.split])
    training = np.arange(len(users)) < np.repeat(offsets[:-1] + train_length, np.diff(offsets))
    if dataset.control.histories == "shuffle":
        mixed = shuffle_histories(offsets, train_length, dataset.control.seed)
        items, times = items[mixed], times[mixed]
    context = context_features(times, training, dataset.time_features)
    attribute_offsets, attribute_ids = attribute_table(attributes)
    return Prepared(
        offsets=offsets,
        items=items.astype(np.int32),
        times=change_times(times, offsets, train_length, dataset.control.times, dataset.control.seed),
        context=change_context(context, dataset.control.context, dataset.control.seed),
        train_length=train_length,
        validation=validation,
        test=test,
        attribute_offsets=attribute_offsets,
        attribute_ids=attribute_ids,
        features=np.zeros((0, 0), np.float32) if features is None else features,
    )


def check_parts(where: str, train_length: np.ndarray, validation: np.ndarray, test: np.ndarray, way_out: str) -> None:
    """Raise DataError where a part of a split is empty. Training needs a user with two interactions, one a target."""
    has = {
        "for training: no user has two reviews there": (train_length >= 2).any(),
        "for validation": (validation >= 0).any(),
        "for the test": (test >= 0).any(),
    }
    empty = [part for part, found in has.items() if not found]
    if empty:
        raise DataError(f"{where} leaves nobody {', and nobody '.join(empty)}; {way_out}")


def check_negatives(name: str, prepared: Prepared, user_ids: np.ndarray) -> None:
    """Raise DataError naming the first user whose training interactions are of every item: no negative is left."""
    starts = prepared.offsets[:-1]
    for user in np.flatnonzero(prepared.train_length >= prepared.n_items):
        own = prepared.items[starts[user] : starts[user] + prepared.train_length[user]]
        if len(np.unique(own)) == prepared.n_items:
            raise DataError(
                f"datasets.{name}: the training reviews of user {user_ids[user]!r} are of all {prepared.n_items} "
                "items, so no negative is left for it; remove that user, or keep more items (a lower k_core)"
            )


def order_rows(interactions: Interactions, tied_times: str, seed: int) -> np.ndarray:
    """Indices (N,) that sort interactions by user and time.

    Equal times of a user: `file` keeps the order of the rows; `item` sorts by item; `shuffle` draws an order that
    depends on the seed and the reviews alone, whatever the order of the rows.
    """
    users, items, times = interactions.users, interactions.items, interactions.times
    if tied_times == "file":
        return np.lexsort((times, users))
    canonical = np.lexsort((items, times, users))
    if tied_times == "item":
        return canonical
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


def global_time(offsets: np.ndarray, times: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split at two points in time that are the same for all users (Ji et al., TOIS 2023, on leaks across users).

    `share` of all interactions are at or after the second point, as many between the two (more or fewer where times
    are equal). Training is what is before the first. Validation and test are a user's first interaction at or after
    each point that has one before it; the history at test is all that the user had until then. Later ones are unused.
    Returns as `leave_one_out`.
    """
    points = np.quantile(times, [1 - 2 * share, 1 - share], method="higher")
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    before = [np.bincount(users[times < point], minlength=len(offsets) - 1) for point in points]  # (U,) each
    length = np.diff(offsets)
    test = np.where((before[1] > 0) & (before[1] < length), offsets[:-1] + before[1], -1)
    validation = np.where((before[0] > 0) & (before[0] < before[1]), offsets[:-1] + before[0], -1)
    return before[0].astype(np.int32), validation, test


def describe(name: str, dataset: DatasetSettings) -> dict[str, Any]:
    """What the manifest says of where the data come from. Raises StudyError as `plan.source_of`."""
    return {
        "dataset_id": ids.dataset_id(name, dataset),
        "data_version": versions.DATA_VERSION,
        "settings": dataset.model_dump(mode="json", exclude={"model", "training"}),
        "title": ids.source_of(name, dataset)["title"],
        "simulated": dataset.simulate is not None,
    }


def _load_stored(folder: Path) -> tuple[Prepared, IdMap, dict[str, int]] | None:
    """The store's data, their ids and what was read for them; None where one is absent or damaged: prepared again."""
    try:
        prepared = Prepared.load(folder / "dataset.npz", folder / "dataset.json")
        return prepared, IdMap.load(folder / "ids.npz"), read_manifest(folder / "dataset.json")["read"]
    except (DataError, KeyError):
        return None
