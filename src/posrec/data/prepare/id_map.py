"""The original ids of a prepared data set, whose arrays know users and items by number alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posrec.data.prepare.prepared import identity_of
from posrec.errors import DataError
from posrec.files import REMEDY, read_checked_npz, write_checked_npz


@dataclass(frozen=True)
class IdMap:
    """users: (U,) ids of users 0 .. U - 1; items: (I,) ids of items 1 .. I; texts, as the raw data have them."""

    users: Sequence[str]
    items: Sequence[str]

    def save(self, path: Path) -> None:
        """Write the ids with the identity that their path says, and a checksum of both."""
        write_checked_npz(path, {**_packed("users", self.users), **_packed("items", self.items)}, identity_of(path))

    @staticmethod
    def load(path: Path) -> "IdMap":
        """Read the ids. Raises DataError for missing or changed ones, ForeignError for those of another data set."""
        kinds = ("users", "items")
        names = [f"{kind}_{part}" for kind in kinds for part in ("text", "length")]
        if not path.exists():
            dataset = path.parent.parent.name
            raise DataError(
                f"{path}: missing: the data were prepared before ids were kept beside them; write it with "
                f"`posrec prepare STUDY --dataset {dataset}` (the raw data are read again, and nothing else changes)"
            )
        arrays = read_checked_npz(path, names, identity_of(path))
        return IdMap(*(_unpacked(path, arrays[f"{kind}_text"], arrays[f"{kind}_length"]) for kind in kinds))


def _packed(kind: str, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Ids as one text in UTF-8 and the number of bytes of each: NumPy's own texts take four bytes a letter."""
    texts = [text.encode() for text in ids]
    return {
        f"{kind}_text": np.frombuffer(b"".join(texts), np.uint8),
        f"{kind}_length": np.array([len(text) for text in texts], np.int32),
    }


def _unpacked(path: Path, text: np.ndarray, length: np.ndarray) -> list[str]:
    ends = np.cumsum(length)
    whole = text.tobytes()
    try:
        return [whole[end - size : end].decode() for end, size in zip(ends, length, strict=True)]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: holds ids that are not UTF-8 ({error}); {REMEDY}") from None
