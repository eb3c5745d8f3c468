"""Variables outside a study that change a training's bytes within its numerics class: trainings refuse them.

Libraries choose their instructions, precision or optimisation by them, so that the same run id would name different
bytes. Variables that change nothing but speed or messages are allowed. Importing this module loads no library.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from posrec.errors import PosrecError
from posrec.files import digest

NUMBA_FILE = Path(".numba_config.yaml")  # numba reads it in the working folder
HARMLESS = re.compile(
    "MKL_(NUM_THREADS|DYNAMIC|VERBOSE|THREADING_LAYER|INTERFACE_LAYER)"
    "|(ONEDNN|DNNL)_(PRIMITIVE_CACHE_CAPACITY|VERBOSE.*|JIT_DUMP)"
    "|NUMBA_(CACHE_.*|NUM_THREADS|THREADING_LAYER.*|.*WARNINGS|COLOR_SCHEME|SHOW_HELP|FULL_TRACEBACKS|DEBUG_CACHE)"
)
TORCH = re.compile(
    "ATEN_CPU_CAPABILITY|(MKL|ONEDNN|DNNL)_.+|OPENBLAS_CORETYPE|BLIS_ARCH_TYPE|NPY_(ENABLE|DISABLE)_CPU_FEATURES"
    "|(NVIDIA_TF32|TORCH_ALLOW_TF32_CUBLAS)_OVERRIDE"
)
NUMBA = re.compile("NUMBA_.+")
GLIBC = "GLIBC_TUNABLES"  # glibc.cpu... chooses among its exponentials and logarithms


def changing(environment: Mapping[str, str], engines: Iterable[str] = ("torch", "numba")) -> dict[str, str]:
    """The variables that change a training's bytes, with their values; numba's only where an engine is numba.

    >>> changing({"NUMBA_OPT": "0", "MKL_CBWR": "COMPATIBLE", "MKL_NUM_THREADS": "4"}, ["torch"])
    {'MKL_CBWR': 'COMPATIBLE'}
    """
    patterns = [TORCH, *([NUMBA] if "numba" in engines else [])]
    found = {
        name: value
        for name, value in sorted(environment.items())
        if any(pattern.fullmatch(name) for pattern in patterns) and not HARMLESS.fullmatch(name)
    }
    glibc = environment.get(GLIBC, "")
    return found | ({GLIBC: glibc} if "glibc.cpu" in glibc else {})


def check(engines: Iterable[str]) -> None:
    """Raise PosrecError where this process's environment changes the bytes of a training by one of these engines."""
    wanted = set(engines)
    found = changing(os.environ, wanted)
    if found:
        shown = ", ".join(f"{name}={value}" for name, value in found.items())
        raise PosrecError(
            f"{shown}: changes the results of a training, and no run id names it; unset it: `unset {' '.join(found)}`"
        )
    if "numba" in wanted and NUMBA_FILE.exists():
        raise PosrecError(
            f"{NUMBA_FILE}: numba reads its settings from this file, and no run id names them; move it away"
        )


def compiled_cache(environment: Mapping[str, str]) -> str | None:
    """Name of the folder for compiled code where the environment changes it; None where it is as usual.

    numba names its files by source and processor, not by these variables: code that was compiled under them would be
    loaded by every later process.
    """
    found = {name: value for name, value in changing(environment).items() if NUMBA.fullmatch(name)}
    return f"numba-{digest(found)}" if found else None
