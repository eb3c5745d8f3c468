"""The prepared data set: what `data` writes and `model` reads."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posrec.errors import DataError
from posrec.files import (
    REMEDY,
    check_identity,
    npz_bytes,
    read_json,
    read_npz,
    sha256,
    write_bytes,
    write_json,
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
        """Write the arrays, then the manifest: `about`, what is counted in the arrays, and their checksum."""
        write_npz(arrays, {name: array for name, array in vars(self).items() if name != "features" or array.size})
        write_json(manifest, {**about, **self.counted(), "checksum": sha256(arrays)})

    def counted(self) -> dict[str, Any]:
        """What the manifest says of the arrays."""
        counts = {"users": self.n_users, "items": self.n_items, "interactions": len(self.items)}
        return {"counts": counts, "attributes": self.n_attributes, "dense_features": self.features.shape[1]}

    @staticmethod
    def load(arrays: Path, manifest: Path) -> "Prepared":
        """Read a prepared data set. Raises DataError when it isn't what its manifest says.

        Raises ForeignError when the manifest is of another data set than the folder, whose name is the dataset id.
        """
        about = read_json(manifest)
        expected = about.get("checksum") if isinstance(about, dict) else None
        if not arrays.exists() or sha256(arrays) != expected:
            raise DataError(
                f"{arrays}: missing or damaged (its manifest names another checksum); delete {manifest} and run again"
            )
        check_identity(manifest, about, {"dataset_id": manifest.parent.name})
        return Prepared(**read_npz(arrays, mapped=("features",)))


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
        identity = json.dumps(identity_of(path), sort_keys=True)
        content = {"test": self.test, "validation": self.validation, "identity": np.array(identity)}
        write_bytes(path, npz_bytes({**content, "checksum": np.array(self._checksum(identity))}))

    @staticmethod
    def load(path: Path) -> "Candidates":
        """Read frozen candidates. Raises DataError for changed ones, ForeignError for those of another data set."""
        content = read_npz(path)
        if set(content) != {"test", "validation", "identity", "checksum"}:
            raise DataError(f"{path}: holds {', '.join(content)}, not candidates of this version; {REMEDY}")
        candidates, identity = Candidates(content["test"], content["validation"]), str(content["identity"])
        if str(content["checksum"]) != candidates._checksum(identity):
            raise DataError(f"{path}: the checksum does not match: the file was damaged or edited; {REMEDY}")
        check_identity(path, json.loads(identity), identity_of(path))
        return candidates

    def _checksum(self, identity: str) -> str:
        parts = (self.test.tobytes(), self.validation.tobytes(), identity.encode())
        return hashlib.sha256(b"/".join(parts)).hexdigest()
