"""Image features: mapped, not loaded; every record is checked."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posrec.data.raw import formats
from posrec.data.raw.formats import images
from posrec.errors import DataError

SOURCE = {"format": "amazon2014", "files": {"reviews_Toys_5.json.gz": None, "image_features_Toys.b": None}}
Records = list[tuple[bytes, np.ndarray]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Records], Path]:
    def write(records: Records) -> Path:
        path = tmp_path / "image_features_Toys.b"
        path.write_bytes(b"".join(asin + features.astype("<f4").tobytes() for asin, features in records))
        return path

    return write


def record(asin: bytes, seed: int) -> tuple[bytes, np.ndarray]:
    return asin, np.random.default_rng(seed).normal(size=images.FEATURES).astype(np.float32)


GOOD = [record(b"B000000001", 1), record(b"0000031852", 2), record(b"B00ABCDEFG", 3)]


def test_ids_and_features(tmp_path: Path, write: Callable[[Records], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write(GOOD)
    monkeypatch.setattr(images, "BLOCK", 2)
    found = formats.read_features(tmp_path, SOURCE)
    assert found is not None
    ids, matrix = found
    assert ids == ["B000000001", "0000031852", "B00ABCDEFG"]
    assert isinstance(matrix, np.memmap)
    assert (matrix.dtype, matrix.shape) == (np.float32, (3, 4096))
    for row, (_, features) in zip(matrix, GOOD, strict=True):
        np.testing.assert_array_equal(row, features)


def test_a_source_without_images_has_no_features(tmp_path: Path) -> None:
    assert formats.read_features(tmp_path, {"format": "amazon2014", "files": {"reviews_Toys_5.json.gz": None}}) is None


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([record(b"B0000000\x001", 1)], r"record 2 has the ASIN 'B0000000\\x001', not ten letters and digits"),
        ([record(b"B00000000\xe4", 1)], "record 2 has the ASIN"),
        ([record(b"B00000000\n", 1)], "record 2 has the ASIN"),
        ([GOOD[0]], "record 2: the ASIN B000000001 is there twice"),
        ([(b"B000000009", np.full(4096, np.nan))], "row 2 holds a number that is not finite"),
        ([(b"B000000009", np.r_[np.zeros(4095), np.inf])], "row 2 holds a number that is not finite"),
        ([(b"B000000009", np.zeros(4095))], "32,784 bytes are not a whole number of records of 16,394"),
    ],
)
def test_damaged_records(tmp_path: Path, write: Callable[[Records], Path], records: Records, reason: str) -> None:
    write([GOOD[0], *records])
    with pytest.raises(DataError, match=f"image_features_Toys.b: {reason}"):
        formats.read_features(tmp_path, SOURCE)


def test_empty_and_missing_files(tmp_path: Path, write: Callable[[Records], Path]) -> None:
    with pytest.raises(DataError, match=r"image_features_Toys.b: cannot be read \(No such file"):
        formats.read_features(tmp_path, SOURCE)
    write([])
    with pytest.raises(DataError, match="0 bytes are not a whole number of records"):
        formats.read_features(tmp_path, SOURCE)


@settings(
    max_examples=80,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.integers(0, 3 * images.RECORD.itemsize - 1), new=st.binary(max_size=4), cut=st.integers(0, 4))
def test_mangled_files_change_what_was_changed_or_stop(
    tmp_path: Path, write: Callable[[Records], Path], place: int, new: bytes, cut: int
) -> None:
    """Bytes are read as they are: what was not touched is as before."""
    path = write(GOOD)
    content = path.read_bytes()
    path.write_bytes(content[:place] + new + content[place + cut :])
    try:
        found = formats.read_features(tmp_path, SOURCE)
    except DataError:
        return
    assert found is not None
    ids, matrix = found
    again = b"".join(asin.encode() + row.tobytes() for asin, row in zip(ids, matrix, strict=True))
    assert again == path.read_bytes()
    assert len(new) == min(cut, len(content) - place)
