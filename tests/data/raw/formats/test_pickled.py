"""Pickled matrices: numpy arrays and SciPy's CSR come out as they went in; nothing else does, and nothing runs."""

import io
import pickle
import pickletools
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posrec.data.raw.formats.pickled import read_matrix
from posrec.errors import DataError

MATRIX = np.array([[0.5, -1, 2e6], [0, 3, 4]])
CODE = b"cos\nsystem\n(S'touch pwned'\ntR."


def dump(folder: Path, value: Any, protocol: int = 3) -> Path:
    path = folder / "Shop_feat.dat"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["f8", "f4", "f2", ">f8", ">i4", "i8", "u1", "?", "O"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_kind_and_protocol(tmp_path: Path, protocol: int, kind: str, order: Any) -> None:
    matrix = np.array([[0, 1, 2], [3, 4, 5]]).astype(kind, order=order)
    found = read_matrix(dump(tmp_path, matrix, protocol))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, matrix.astype(np.float32))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_sparse_matrices(tmp_path: Path, protocol: int) -> None:
    matrix = scipy.sparse.csr_matrix(MATRIX)
    np.testing.assert_array_equal(read_matrix(dump(tmp_path, matrix, protocol)), MATRIX.astype(np.float32))


def test_the_module_that_numpy_had_before(tmp_path: Path) -> None:
    """CARCA's files were written by numpy 1.18."""
    content = pickle.dumps(MATRIX, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core" in content
    np.testing.assert_array_equal(read_matrix(dump(tmp_path, content)), MATRIX.astype(np.float32))


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        Hostile(eval, "open('pwned', 'w').close()"),
        [MATRIX, Hostile(eval, "open('pwned', 'w').close()")],
        np.array([[Hostile(eval, "open('pwned', 'w').close()")]], dtype=object),
        {"matrix": MATRIX},
        "text",
        np.array([["a", "b"]]),
        np.array([[1 + 2j]]),
        scipy.sparse.coo_matrix(MATRIX),
    ],
    ids=["call", "list", "objects", "dictionary", "text", "texts", "complex", "another sparse form"],
)
def test_anything_else_is_refused_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"Shop_feat.dat: not a pickled matrix of numbers .*; nothing in it was run"):
        read_matrix(dump(tmp_path, value, protocol))
    assert not Path("pwned").exists()


def test_code_written_by_hand_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good = pickle.dumps(MATRIX, protocol=0)
    for content in (CODE, CODE[:-1] + b"0" + good, good[:-1] + b"0" + CODE):
        with pytest.raises(DataError, match=r"not a pickled matrix|no array"):
            read_matrix(dump(tmp_path, content))
    assert not Path("pwned").exists()


def test_shapes_that_are_no_matrix(tmp_path: Path) -> None:
    for matrix in (np.zeros(3), np.zeros((2, 0)), np.zeros((1, 2, 3))):
        with pytest.raises(DataError, match=r"the shape \(.*\) is not a matrix of items by features"):
            read_matrix(dump(tmp_path, matrix))


def test_a_shape_that_lies_takes_no_memory(tmp_path: Path) -> None:
    content = pickle.dumps(np.zeros((2, 3)), protocol=0).replace(b"I2\n", b"I2000000000000\n")
    assert b"I2000000000000\n" in content
    with pytest.raises(DataError, match="it holds 6 numbers for the shape"):
        read_matrix(dump(tmp_path, content))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_shape": (2**20, 2**20)}, "do not fit the shape"),
        ({"indices": np.array([0, 1, 9, 1, 2], dtype=np.int32)}, "a column that does not exist"),
        ({"indptr": np.array([0, 9, 5], dtype=np.int32)}, "rows do not follow each other"),
        ({"data": np.array([1.0])}, "do not fit the shape"),
    ],
)
def test_sparse_parts_that_do_not_fit(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    matrix = scipy.sparse.csr_matrix(np.array([[1.0, 2, 3], [0, 4, 5]]))
    vars(matrix).update(change)
    with pytest.raises(DataError, match=reason):
        read_matrix(dump(tmp_path, matrix))


def test_every_instruction_that_is_followed_exists() -> None:
    from posrec.data.raw.formats.pickled import CONSTANTS, IGNORED, LITERALS, STEPS

    known = {opcode.name for opcode in pickletools.opcodes}
    assert {*CONSTANTS, *IGNORED, *LITERALS, *STEPS} <= known
    assert {"INST", "OBJ", "NEWOBJ_EX", "EXT1", "PERSID", "BINPERSID"}.isdisjoint(STEPS)


@settings(
    max_examples=300,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), protocol=st.integers(0, pickle.HIGHEST_PROTOCOL), sparse=st.booleans())
def test_mangled_pickles_stop_or_give_a_matrix(
    data: st.DataObject, protocol: int, sparse: bool, tmp_path: Path
) -> None:
    """A pickle has no checksum (the lock file has): other numbers may come out, but never anything else."""
    buffer = io.BytesIO()
    pickle.dump(scipy.sparse.csr_matrix(MATRIX) if sparse else MATRIX, buffer, protocol=protocol)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(st.binary(max_size=3))
        content[place : place + data.draw(st.integers(0, 3))] = new
        if not content:
            return
    try:
        found = read_matrix(dump(tmp_path, bytes(content)))
    except DataError:
        return
    assert found.dtype == np.float32
    assert found.ndim == 2
    assert found.size < 1000
