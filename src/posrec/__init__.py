"""posrec: which positional encoding should a sequential recommender use, and is the difference real?"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posrec.study.frames import study as study

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`posrec.study(df, ...)` without a further import."""
    if name == "study":
        return import_module("posrec.study")
    raise AttributeError(f"module 'posrec' has no attribute {name!r}")
