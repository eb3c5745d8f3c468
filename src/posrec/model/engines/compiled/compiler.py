"""How loops are compiled: without Python, kept on disk beside the source, the same code on one processor type.

What is kept is compiled anew when its own file changes, or numba or the processor; not when this one does.
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
    except RuntimeError:  # no place for the cache: every process compiles anew, for some seconds
        return cast(Loop, numba.njit(error_model="numpy", fastmath=REORDERED)(loop))


def inlined(loop: Loop) -> Loop:
    """Part of the compiled loops that call it: handing over rows of arrays would cost more than what is done there."""
    return cast(Loop, numba.njit(error_model="numpy", fastmath=REORDERED, inline="always")(loop))


def compiled_exactly(loop: Loop) -> Loop:
    """For what `compiled` loops call: every operation in the order in which it is written."""
    return cast(Loop, numba.njit(error_model="numpy")(loop))
