"""Numbers, intervals and tables as readers see them: few columns, rounded, in points."""

from typing import Any, TypeAlias

import pandas as pd

from posrec.analysis.tables.scores import POINTS

MOST_ROWS = 500
Shown = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]  # header, rows
Row: TypeAlias = "pd.Series[Any]"


def listing(words: list[str]) -> str:
    """Words as a list in a sentence.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    >>> listing(["a (x, y)"])
    'a (x, y)'
    """
    *first, last = words or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def number(value: float | None, digits: int = 2) -> str:
    """A number for readers; a dash where there is none.

    >>> number(0.12345), number(None)
    ('0.12', '-')
    """
    return "-" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def between(low: float, high: float, digits: int = 2) -> str:
    """An interval for readers; empty where there is none.

    >>> between(-0.5, 1.0)
    '[-0.50, 1.00]'
    """
    return "" if pd.isna(low) or pd.isna(high) else f"[{number(low, digits)}, {number(high, digits)}]"


def text(value: Any) -> str:
    """A value as text; empty where there is none."""
    return "" if pd.isna(value) else str(value)


def points(row: Row, name: str, digits: int = 2) -> str:
    """A fraction of a row in points."""
    return number(POINTS * row[name] if pd.notna(row[name]) else None, digits)


def points_with_interval(row: Row, name: str, digits: int = 2) -> str:
    """A fraction of a row in points, with the interval in the columns NAME_low and NAME_high."""
    low, high = (POINTS * row[f"{name}_{end}"] for end in ("low", "high"))
    return f"{points(row, name, digits)} {between(low, high, digits)}".strip()


def all_columns(table: pd.DataFrame) -> Shown:
    """A table as it is, rounded to four digits."""
    rows = (tuple("" if pd.isna(v) else _short(v) for v in row) for row in table.itertuples(index=False))
    return tuple(str(name).replace("_", " ") for name in table.columns), tuple(rows)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def without_idle(shown: Shown, several_protocols: bool) -> Shown:
    """Leave out empty columns, and the protocol where there is only one."""
    header, rows = shown
    idle = {name for name, *values in zip(header, *rows, strict=True) if not any(values)}
    kept = [i for i, name in enumerate(header) if name not in idle and (several_protocols or name != "protocol")]
    return tuple(header[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows)
