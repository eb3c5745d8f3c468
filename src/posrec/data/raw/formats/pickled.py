"""Matrices in pickle files, read without unpickling: the file's instructions are followed on plain data alone.

`pickletools` splits a pickle into instructions. Those that build numpy arrays (and SciPy's CSR matrices) are followed
here; each call that they request stays a record of the request, and only the records of an array become one.
Nothing is imported, called or restored on the file's behalf.

An `Unpickler` whose `find_class` has an allow-list would take 40 lines, but it calls what it allows with arguments of
the file's choice: it would be as safe as numpy's `_reconstruct`, `dtype` and `__setstate__` are, in every release, with
hostile ones. CARCA's files are downloaded by hand from a shared drive, so the rule "parsers never unpickle" is kept.
"""

import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posrec.data.raw.archives import read_chunks
from posrec.errors import DataError

CSR = "csr_matrix"
MAX_NUMBERS = 2**31  # in a sparse matrix made dense: 8 GiB
KIND = re.compile("[fiub][1248]")  # numpy's codes of float, whole, unsigned and bool


@dataclass
class Call:
    """A call that a pickle requests, never made: the global's name, its arguments, and the state set on its result."""

    name: str
    arguments: Any
    state: Any = None


@dataclass
class Machine:
    """The stack, marks and memo of a pickle that is being followed."""

    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def to_mark(self) -> list[Any]:
        """Take everything above the last mark."""
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken


def read_matrix(path: Path) -> np.ndarray:
    """The float32 matrix (N, F) in a pickle file. Raises DataError for anything else."""
    try:
        content = b"".join(read_chunks(path))
        matrix = _matrix(follow(content))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{path}: not a pickled matrix of numbers ({str(error)[:200]}); nothing in it was run. Only numpy arrays "
            "and SciPy CSR matrices are read: save the matrix again as one"
        ) from None
    if matrix.ndim != 2 or matrix.size == 0:
        raise DataError(f"{path}: the shape {matrix.shape} is not a matrix of items by features")
    return matrix


def follow(content: bytes) -> Any:
    """What a pickle describes: plain values, and a `Call` for each object. Raises whatever a bad one brings about."""
    machine = Machine()
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "STOP":
            return machine.stack.pop()
        if opcode.name in STEPS:
            STEPS[opcode.name](machine, argument)
        elif opcode.name in CONSTANTS:
            machine.stack.append(CONSTANTS[opcode.name])
        elif opcode.name in LITERALS:
            machine.stack.append(argument)
        elif opcode.name not in IGNORED:
            raise ValueError(f"the instruction {opcode.name} builds no array")
    raise ValueError("it ends early")


class Name(str):
    """The name of a global that a pickle asks for, apart from plain text. It is never looked up."""


def _global(machine: Machine, names: str) -> None:
    machine.stack.append(Name(names.rpartition(" ")[2]))


def _stack_global(machine: Machine, _: Any) -> None:
    name, _module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(Name(name))


def _call(machine: Machine, _: Any) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    if not isinstance(called, Name):
        raise ValueError("it calls something other than a name")
    machine.stack.append(Call(called, arguments))


def _build(machine: Machine, _: Any) -> None:
    state = machine.stack.pop()
    if not isinstance(machine.stack[-1], Call):
        raise ValueError("it sets the state of a plain value")
    machine.stack[-1].state = state


def _last(count: int) -> Callable[[Machine, Any], None]:
    def step(machine: Machine, _: Any) -> None:
        start = len(machine.stack) - count
        taken = tuple(machine.stack[start:])
        del machine.stack[start:]
        machine.stack.append(taken)

    return step


def _append(machine: Machine, _: Any) -> None:
    value = machine.stack.pop()
    machine.stack[-1].append(value)


def _appends(machine: Machine, _: Any) -> None:
    values = machine.to_mark()
    machine.stack[-1].extend(values)


def _set_item(machine: Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.stack[-1][key] = value


def _set_items(machine: Machine, _: Any) -> None:
    pairs = _pairs(machine.to_mark())
    machine.stack[-1].update(pairs)


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _put(machine: Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _get(machine: Machine, place: int) -> None:
    machine.stack.append(machine.memo[place])


IGNORED = {"PROTO", "FRAME"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
STEPS: dict[str, Callable[[Machine, Any], Any]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
    "TUPLE1": _last(1),
    "TUPLE2": _last(2),
    "TUPLE3": _last(3),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.to_mark())),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "LIST": lambda machine, _: machine.stack.append(machine.to_mark()),
    "APPEND": _append,
    "APPENDS": _appends,
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "DICT": lambda machine, _: machine.stack.append(_pairs(machine.to_mark())),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    "MEMOIZE": lambda machine, _: _put(machine, len(machine.memo)),
}


def _matrix(described: Any) -> np.ndarray:
    """The float32 array that a `Call` describes. Raises ValueError or TypeError for any other."""
    if not isinstance(described, Call):
        raise ValueError("it holds no array")
    name = described.arguments[0] if described.name == "_reconstructor" else described.name
    with np.errstate(over="ignore", invalid="ignore"):  # `check_finite` finds what becomes infinite
        return _dense(described.state) if name == CSR else _array(described).astype(np.float32)


def _array(call: Any) -> np.ndarray:
    if not isinstance(call, Call):
        raise ValueError("it holds no array")
    if call.name == "_reconstruct":
        _version, shape, kind, fortran, data = call.state
    elif call.name == "_frombuffer":
        data, kind, shape, order = call.arguments
        fortran = order == "F"
    else:
        raise ValueError(f"it asks for {call.name}, which is not an array")
    size = math.prod(int(length) for length in shape)
    if isinstance(data, list):  # an array of objects: plain numbers are taken
        if not all(isinstance(value, int | float) for value in data):
            raise ValueError("it holds objects that are not numbers")
        flat, fortran = np.array(data, dtype=np.float64), False  # numpy lists objects row by row whatever their order
    else:
        flat = np.frombuffer(_bytes(data), dtype=_kind(kind))
    if len(flat) != size:
        raise ValueError(f"it holds {len(flat)} numbers for the shape {shape}")
    return flat.reshape(shape, order="F" if fortran else "C")


def _kind(call: Any) -> np.dtype[Any]:
    """The type of numbers that a `Call` of numpy.dtype describes."""
    code, order = call.arguments[0], call.state[1]
    if call.name != "dtype" or not KIND.fullmatch(code) or order not in ("<", ">", "|", "="):
        raise ValueError(f"it holds an array of {code}, not of numbers")
    return np.dtype(code).newbyteorder(order)


def _bytes(value: Any) -> bytes:
    """Bytes, however a version of Python wrote them: as such, as text, or as text with a call that encodes it."""
    if isinstance(value, Call) and value.name == "encode" and value.arguments[1] == "latin1":
        value = value.arguments[0]
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def _dense(state: dict[str, Any]) -> np.ndarray:
    """The dense float32 form of SciPy's CSR state: data and columns (nnz,), starts of rows (N + 1,)."""
    rows, columns = (int(length) for length in state["_shape"])
    data, indices, starts = (_array(state[name]) for name in ("data", "indices", "indptr"))
    starts = starts.astype(np.int64)
    lengths = starts[1:] - starts[:-1]
    if not 0 < rows * columns <= MAX_NUMBERS or len(starts) != rows + 1 or len(data) != len(indices):
        raise ValueError(f"its parts do not fit the shape ({rows}, {columns})")
    if starts[0] != 0 or starts[-1] != len(data) or (lengths < 0).any():
        raise ValueError("its rows do not follow each other")
    if len(indices) and not 0 <= indices.min() <= indices.max() < columns:
        raise ValueError("it names a column that does not exist")
    dense = np.zeros((rows, columns), dtype=np.float32)
    np.add.at(dense, (np.repeat(np.arange(rows), lengths), indices), data)
    return dense
