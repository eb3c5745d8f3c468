"""The prepared data set: what `data` writes and `model` reads."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posrec.files import (
    FILES,
    check_files,
    checksum_of,
    read_checked_json,
    read_checked_npz,
    read_npz,
    write_checked_json,
    write_checked_npz,
    write_npz,
)

IDS = {
    "baselines": "evaluation_id",
    "candidates": "candidates_id",
}  # kind of file beside prepared data -> the id in its name
CONTEXT_FEATURES = (  # of `time_features: calendar`
    "year",
    "month",
    "day",
    "weekday",
    "day_of_year",
    "week_of_month",
)


def identity_of(path: Path) -> dict[str, str]:
    """What a file beside prepared data must say of itself, from its place <data set>/<dataset id>/<kind>[=<id>].*.

    >>> identity_of(Path("data/toy/46868aa30501/baselines=fccde0d6779b.json"))
    {'dataset': 'toy', 'dataset_id': '46868aa30501', 'evaluation_id': 'fccde0d6779b'}
    """
    kind, _, own = path.stem.partition("=")
    named = {"dataset": path.parent.parent.name, "dataset_id": path.parent.name}
    return named | ({IDS[kind]: own} if kind in IDS else {})


@dataclass(frozen=True)
class Prepared:
    """Interactions of U users with items 1..I (0 is padding), each user's in the order of time; N in all.

    offsets: (U + 1,) int64; user u has interactions offsets[u] .. offsets[u + 1] - 1.
    items: (N,) int32. times: (N,) int64, seconds since 1970 UTC. context: (N, C) float32, see
    `context.context_features`.
    train_length: (U,) int32; a user's first train_length[u] interactions are for training.
    validation, test: (U,) int64; index of the held-out interaction, -1 where there is none.
    attribute_offsets: (I + 2,) int64 and attribute_ids: (nnz,) int32: the multi-hot attributes of item i are
    attribute_ids[attribute_offsets[i]:attribute_offsets[i + 1]], each in 0 .. n_attributes - 1; item 0 has none.
    features: (I + 1, F) float32, dense features of items, memory-mapped when loaded; F = 0: none, and then not in the
    file.
    """

    offsets: np.ndarray
    items: np.ndarray
    times: np.ndarray
    context: np.ndarray
    train_length: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    attribute_offsets: np.ndarray
    attribute_ids: np.ndarray
    features: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        if not self.features.size:
            object.__setattr__(self, "features", np.zeros((self.n_items + 1, 0), np.float32))

    @property
    def n_users(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_items(self) -> int:
        return len(self.attribute_offsets) - 2

    @property
    def n_attributes(self) -> int:
        return int(self.attribute_ids.max()) + 1 if len(self.attribute_ids) else 0

    def save(self, arrays: Path, manifest: Path, about: dict[str, Any]) -> None:
        """Write the arrays, then the manifest: `about`, what is counted in the arrays, and the envelope of both."""
        write_npz(arrays, {name: array for name, array in vars(self).items() if name != "features" or array.size})
        write_checked_json(manifest, {**about, **self.counted()}, [arrays])

    def counted(self) -> dict[str, Any]:
        """What the manifest says of the arrays."""
        counts = {"users": self.n_users, "items": self.n_items, "interactions": len(self.items)}
        return {"counts": counts, "attributes": self.n_attributes, "dense_features": self.features.shape[1]}

    @staticmethod
    def load(arrays: Path, manifest: Path) -> "Prepared":
        """Read a prepared data set. Raises DataError when it isn't what its manifest says.

        Raises ForeignError when the manifest is of another data set than the folder, whose name is the dataset id.
        """
        read_manifest(manifest, arrays)
        return Prepared(**read_npz(arrays, mapped=("features",)))


def read_manifest(manifest: Path, arrays: Path | None = None) -> dict[str, Any]:
    """What the manifest says, without its checksum; with `arrays` only if it names these. Raises as `Prepared.load`."""
    about = read_checked_json(manifest, dataset_id=manifest.parent.name)
    if arrays is not None:
        check_files(manifest, about, [arrays.name])
    return about


def inputs_of(manifest: Path, candidates: Path | None = None) -> dict[str, str]:
    """Checksums of prepared data and candidates, which name what was computed from them. Raises as `Prepared.load`."""
    named = {"dataset": str(next(iter(read_manifest(manifest)[FILES].values())))}
    return named | ({} if candidates is None else {"candidates": Candidates.load(candidates).checksum(candidates)})


@dataclass(frozen=True)
class Candidates:
    """Frozen sampled negatives of every user with a test (validation) interaction, in the order of the users.

    test: (number of users with test >= 0, n) int32; validation: likewise. 0 fills a row where a user has fewer than n
    items that it never met.
    """

    test: np.ndarray
    validation: np.ndarray

    def save(self, path: Path) -> None:
        """Write the candidates with the identity that their path says, and a checksum of both."""
        write_checked_npz(path, vars(self), identity_of(path))

    @staticmethod
    def load(path: Path) -> "Candidates":
        """Read frozen candidates. Raises DataError for changed ones, ForeignError for those of another data set."""
        return Candidates(**read_checked_npz(path, ("test", "validation"), identity_of(path)))

    def checksum(self, path: Path) -> str:
        """The checksum of these candidates in the file at `path`."""
        return checksum_of(vars(self), identity_of(path))
