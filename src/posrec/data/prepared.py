"""The prepared data set: what `data` writes and `model` reads."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posrec.errors import DataError
from posrec.files import npz_bytes, read_json, read_npz, sha256, write_bytes, write_json

CONTEXT_FEATURES = ("year", "month", "day", "weekday", "day_of_year", "week_of_month")


@dataclass(frozen=True)
class Prepared:
    """Interactions of U users with items 1..I (0 is padding), each user's in the order of time; N in all.

    offsets: (U + 1,) int64; user u has interactions offsets[u] .. offsets[u + 1] - 1.
    items: (N,) int32. times: (N,) int64, seconds since 1970 UTC. context: (N, 6) float32, see CONTEXT_FEATURES.
    train_length: (U,) int32; a user's first train_length[u] interactions are for training.
    validation, test: (U,) int64; index of the held-out interaction, -1 where there is none.
    attribute_offsets: (I + 2,) int64 and attribute_ids: (nnz,) int32: the multi-hot attributes of item i are
    attribute_ids[attribute_offsets[i]:attribute_offsets[i + 1]], each in 0 .. n_attributes - 1; item 0 has none.
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
        """Write the arrays, then the manifest (`about`, the counts and the arrays' checksum)."""
        write_bytes(arrays, npz_bytes(vars(self)))
        counts = {"users": self.n_users, "items": self.n_items, "interactions": len(self.items)}
        write_json(manifest, {**about, "counts": counts, "attributes": self.n_attributes, "checksum": sha256(arrays)})

    @staticmethod
    def load(arrays: Path, manifest: Path) -> "Prepared":
        """Read a prepared data set. Raises DataError when it isn't what its manifest says."""
        about = read_json(manifest)
        expected = about.get("checksum") if isinstance(about, dict) else None
        if not arrays.exists() or sha256(arrays) != expected:
            raise DataError(
                f"{arrays}: missing or damaged (its manifest names another checksum); delete {manifest} and run again"
            )
        return Prepared(**read_npz(arrays))


@dataclass(frozen=True)
class Candidates:
    """Frozen sampled negatives of every user with a test (validation) interaction, in the order of the users.

    test: (number of users with test >= 0, n) int32; validation: likewise. 0 fills a row where a user has fewer than n
    items that it never met.
    """

    test: np.ndarray
    validation: np.ndarray

    def save(self, path: Path) -> None:
        """Write the candidates with a hash of their content."""
        write_bytes(path, npz_bytes({"test": self.test, "validation": self.validation, "digest": self._digest()}))

    @staticmethod
    def load(path: Path) -> "Candidates":
        """Read frozen candidates. Raises DataError when they were changed."""
        content = read_npz(path)
        candidates = Candidates(content["test"], content["validation"])
        if not np.array_equal(content.get("digest", np.empty(0, np.uint8)), candidates._digest()):
            raise DataError(
                f"{path}: the candidates are not those that were frozen (hash differs); delete the file and run again"
            )
        return candidates

    def _digest(self) -> np.ndarray:
        return np.frombuffer(hashlib.sha256(self.test.tobytes() + b"/" + self.validation.tobytes()).digest(), np.uint8)
