"""Study files: read, checked and expanded into cells.

`posrec.study(df, user=..., item=..., time=...)` writes one for a data frame: see `posrec.study.frames.study`.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """This package, which can be called as well, since the function has its name."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from posrec.study.frames import study

        return study(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
