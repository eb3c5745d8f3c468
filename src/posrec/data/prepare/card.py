"""The card of a prepared data set: counts, sparsity, lengths, ties in time, repeats, popularity."""

from typing import Any

import numpy as np

from posrec.data.prepare.prepared import Prepared, inputs_of, read_manifest
from posrec.data.prepare.repeats import met_before, repeated_targets
from posrec.data.prepare.sequentiality import sequentiality
from posrec.files import write_checked_json
from posrec.plan import ids
from posrec.study.study import Study

DAY = 86_400  # seconds
QUANTILES = {"min": 0.0, "25": 0.25, "50": 0.5, "75": 0.75, "90": 0.9, "max": 1.0}
RUN_NAMES = ("1", "2", "3", "4", "5 or more")  # lengths of runs of one time stamp


def describe_dataset(study: Study, name: str) -> None:
    """Write the card of the data set `name` of a study. Raises DataError for damaged data."""
    files = ids.dataset_files(study, name)
    dataset = study.settings.datasets[name]
    manifest = read_manifest(files.manifest, files.arrays)
    about = {key: manifest[key] for key in ("dataset_id", "title", "simulated")} | manifest["read"]
    settings = {"k_core": dataset.k_core, "tied_times": dataset.tied_times, "inputs": inputs_of(files.manifest)}
    write_checked_json(
        files.card, {"dataset": name, **about, **settings, **summary(Prepared.load(files.arrays, files.manifest))}
    )


def summary(prepared: Prepared) -> dict[str, Any]:
    """The figures of the card that depend on the data alone."""
    lengths = np.diff(prepared.offsets)
    interactions = len(prepared.items)
    density = interactions / (prepared.n_users * prepared.n_items)
    return {
        "users": prepared.n_users,
        "items": prepared.n_items,
        "interactions": interactions,
        "density": density,
        "sparsity": 1 - density,
        "mean_length": interactions / prepared.n_users,
        "length_quantiles": {key: float(np.quantile(lengths, level)) for key, level in QUANTILES.items()},
        "users_with_test_share": float((prepared.test >= 0).mean()),
        "one_item_training_share": float((prepared.train_length == 1).mean()),
        "tied_pairs_share": tied_pairs_share(prepared.offsets, prepared.times),
        "tied_run_lengths": tied_run_lengths(prepared.offsets, prepared.times),
        "repeat_rate": repeat_rate(prepared),
        "repeated_targets": repeated_targets(prepared),
        "popularity_gini": gini(np.bincount(prepared.items, minlength=prepared.n_items + 1)[1:]),
        "first_day": _day(prepared.times.min()),
        "last_day": _day(prepared.times.max()),
        "days": int(prepared.times.max() - prepared.times.min()) // DAY,
        **_order(prepared),
        "attributes": prepared.n_attributes,
        "attributes_per_item": len(prepared.attribute_ids) / prepared.n_items,
    }


def tied_pairs_share(offsets: np.ndarray, times: np.ndarray) -> float:
    """Share of the pairs of a user's consecutive interactions that have the same time; 0 where there are no pairs."""
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pairs = users[1:] == users[:-1]
    return float((times[1:] == times[:-1])[pairs].mean()) if pairs.any() else 0.0


def tied_run_lengths(offsets: np.ndarray, times: np.ndarray) -> dict[str, int]:
    """How many runs of a user's consecutive interactions with one time there are, by length: RUN_NAMES."""
    lengths = np.minimum(run_lengths(offsets, times), len(RUN_NAMES))
    counted = np.bincount(lengths, minlength=len(RUN_NAMES) + 1)[1:]
    return {name: int(count) for name, count in zip(RUN_NAMES, counted, strict=True)}


def run_lengths(offsets: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Lengths (r,) of the runs of a user's consecutive interactions with one time."""
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    begins = np.flatnonzero(np.r_[True, (users[1:] != users[:-1]) | (times[1:] != times[:-1])])
    return np.diff(np.r_[begins, len(times)])


def _order(prepared: Prepared) -> dict[str, Any]:
    found = sequentiality(prepared)
    if found is None:
        return {"sequentiality": None}
    figures = {"hit10": found.hit10, "shuffled_hit10": found.shuffled_hit10, "shuffled_sd": found.shuffled_hit10_sd}
    return {"sequentiality": found.score, "markov_chain": figures}


def repeat_rate(prepared: Prepared) -> float:
    """Share of the interactions with an item that their user had before."""
    new = ~met_before(prepared.offsets, prepared.items)
    return 1 - int(new.sum()) / len(new)


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of counts (n,): 0 when all are equal, near 1 when one holds everything."""
    ordered = np.sort(counts).astype(np.float64)
    n = len(ordered)
    return float(2 * (np.arange(1, n + 1) * ordered).sum() / (n * ordered.sum()) - (n + 1) / n)


def _day(seconds: Any) -> str:
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))
