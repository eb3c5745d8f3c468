"""posrec: which positional encoding should a sequential recommender use, and is the difference real?"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posrec.serve.recommend import Recommender
    from posrec.study.frames import study as study

__version__ = "0.1.0"


def load(folder: str | Path) -> "Recommender":
    """The model in a folder that `posrec export` wrote; see `posrec.serve.recommend.Recommender`.

    Raises posrec.errors.PosrecError for a folder that cannot be read.
    """
    loaded: Recommender = import_module("posrec.serve.recommend").load(folder)  # torch takes seconds
    return loaded


def __getattr__(name: str) -> Any:
    """`posrec.study(df, ...)` without a further import."""
    if name == "study":
        return import_module("posrec.study")
    raise AttributeError(f"module 'posrec' has no attribute {name!r}")
