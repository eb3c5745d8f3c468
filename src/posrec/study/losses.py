"""Which losses exist, without importing torch: read from the `@register(...)` lines of their file.

>>> names()
('shared_softmax', 'softmax', 'bce', 'gbce', 'ce')
"""

import ast
from pathlib import Path

FILE = Path(__file__).parents[1] / "model" / "losses.py"


def names(path: Path = FILE) -> tuple[str, ...]:
    """The names of the losses that a file registers, in its order."""
    functions = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    calls = [call for function in functions for call in function.decorator_list if isinstance(call, ast.Call)]
    found = [call for call in calls if ast.unparse(call.func) == "register"]
    return tuple(ast.literal_eval(name) for call in found for name in call.args)
