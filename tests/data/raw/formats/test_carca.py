"""CARCA's files: order or times, and features by the number of the item."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from posrec.data.raw import formats
from posrec.errors import DataError

ORDER = {"format": "carca", "files": {"Video.txt": None}}
FULL = {"format": "carca", "files": {"Video_cxt.txt": None, "Video_feat.dat": None}}


def write_features(folder: Path, matrix: np.ndarray) -> None:
    (folder / "Video_feat.dat").write_bytes(pickle.dumps(matrix, protocol=3))


def test_without_times_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "Video.txt").write_text("1 7\n1 3\n2 7\n")
    assert formats.read_reviews(tmp_path, ORDER).values.tolist() == [["1", "7", 0], ["1", "3", 1], ["2", "7", 2]]
    assert formats.read_attributes(tmp_path, ORDER, ["7"]) == {}
    assert formats.read_features(tmp_path, ORDER) is None


def test_with_times(tmp_path: Path) -> None:
    (tmp_path / "Video_cxt.txt").write_text("1 2 1095379200 \n1 1 1095379200\n")
    expected = [["1", "2", 1_095_379_200], ["1", "1", 1_095_379_200]]
    assert formats.read_reviews(tmp_path, FULL).values.tolist() == expected


@pytest.mark.parametrize("padding", [False, True])
def test_features_belong_to_items_by_number(tmp_path: Path, padding: bool) -> None:
    (tmp_path / "Video_cxt.txt").write_text("1 2 5\n1 3 6\n")
    rows = np.array([[1.5, 0], [2.5, 1], [3.5, 0]])
    write_features(tmp_path, np.vstack([np.zeros((1, 2)), rows]) if padding else rows)
    found = formats.read_features(tmp_path, FULL)
    assert found is not None
    assert found[0] == ["1", "2", "3"]
    assert found[1].dtype == np.float32
    np.testing.assert_array_equal(found[1], rows)


def test_features_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "Video_cxt.txt").write_text("1 2 5\n1 3 6\n")
    write_features(tmp_path, np.zeros((5, 2)))
    with pytest.raises(DataError, match=r"Video_feat.dat: 5 rows for items numbered 1 to 3; expected a row for each"):
        formats.read_features(tmp_path, FULL)
    for bad in (np.nan, np.inf, 1e39):  # the last is infinite as float32
        write_features(tmp_path, np.array([[0.0], [bad], [0]]))
        with pytest.raises(DataError, match=r"Video_feat.dat: row 2 holds a number that is not finite"):
            formats.read_features(tmp_path, FULL)


@pytest.mark.parametrize("line", ["0 1", "-1 1", "1 01", "a 1", "1", "1 1 1", "1  1", " 1 1", "1\t1", "1 1.0"])
def test_bad_lines(tmp_path: Path, line: str) -> None:
    (tmp_path / "Video.txt").write_text(f"1 1\n{line}\n")
    with pytest.raises(DataError, match=r"Video.txt, line 2: .*(from 1|columns, not the 2 of user item)"):
        formats.read_reviews(tmp_path, ORDER)
