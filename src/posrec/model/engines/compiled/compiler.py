"""How loops are compiled: without Python, kept on disk beside the source, the same code on one processor type.

A loop is compiled again when its own file, numba or the processor changes; not when this file changes.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])
# sums may be reordered, so that they use vector instructions; NaN and infinity stay what they are
REORDERED = {"reassoc", "contract", "nsz", "arcp"}


def compiled(loop: Loop) -> Loop:
    """Compile on the first call for each type of arguments; sums of floats may be taken in another order."""
    try:
        return cast(Loop, numba.njit(cache=True, error_model="numpy", fastmath=REORDERED)(loop))
    except RuntimeError:  # no writable cache: every process compiles again, which takes some seconds
        return cast(Loop, numba.njit(error_model="numpy", fastmath=REORDERED)(loop))


def inlined(loop: Loop) -> Loop:
    """Part of the compiled loops that call it: handing over rows of arrays would cost more than what is done there."""
    return cast(Loop, numba.njit(error_model="numpy", fastmath=REORDERED, inline="always")(loop))


def compiled_exactly(loop: Loop) -> Loop:
    """For what `compiled` loops call: every operation in the order in which it is written.

    `fastmath=False` is not the default: numba gives a function without the option that of the caller that it is first
    compiled for, so results would depend on who calls first.
    """
    return cast(Loop, numba.njit(error_model="numpy", fastmath=False)(loop))
