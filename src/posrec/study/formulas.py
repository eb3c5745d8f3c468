"""The value of a formula of sizes, such as that of an encoding's learnt parameters, without running it as code."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculated(formula: str, sizes: Mapping[str, Any]) -> Any:
    """What a formula of + - * / not == and `a if b else c` is for these sizes. Raises ValueError for anything else.

    >>> calculated("2 * N * (clip + 1) * D / H", {"N": 1, "clip": 4, "D": 8, "H": 2})
    40.0
    """
    try:
        return _value(ast.parse(formula, mode="eval").body, sizes)
    except (SyntaxError, KeyError) as error:
        raise ValueError(f"'{formula}': is not a formula of {', '.join(sizes)} ({error})") from None


def _value(formula: ast.expr, sizes: Mapping[str, Any]) -> Any:
    if isinstance(formula, ast.BinOp):
        first, second = (_value(side, sizes) for side in (formula.left, formula.right))
        return OPERATIONS[type(formula.op)](first, second)
    if isinstance(formula, ast.UnaryOp) and isinstance(formula.op, ast.Not):
        return not _value(formula.operand, sizes)
    if isinstance(formula, ast.Compare):
        (other,) = formula.comparators
        return _value(formula.left, sizes) == _value(other, sizes)
    if isinstance(formula, ast.IfExp):
        return _value(formula.body if _value(formula.test, sizes) else formula.orelse, sizes)
    if isinstance(formula, ast.Name):
        return sizes[formula.id]
    return ast.literal_eval(formula)
