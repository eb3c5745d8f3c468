"""Rows of a table that cannot be used: counted, and an error where they are more than the study allows."""

import sys
from pathlib import Path

from posrec.data.raw.formats.text import SHOWN, BadLineError
from posrec.errors import DataError


class BadRows:
    """Counts the rows of a table, in all its parts, that cannot be used.

    lines: how many are allowed (`bad_lines`); share: or which share of all rows (`tolerate`).
    """

    def __init__(self, table: Path, lines: int = 0, share: float = 0.0) -> None:
        self.table, self.lines, self.share = table, lines, share
        self.found: list[tuple[Path, int, str]] = []

    def take(self, part: Path, number: int, reason: str) -> None:
        """Count a bad row. Raises BadLineError for one too many, at once where no share is allowed."""
        self.found.append((part, number, reason))
        if not self.share and len(self.found) > self.lines:
            beyond = f" (bad line {len(self.found)}, and bad_lines allows {self.lines})" if self.lines else ""
            raise BadLineError(part, number, reason + beyond)

    def report(self, rows: int) -> None:
        """Say on stderr how many of `rows` were left out, and why the first were. Raises DataError for too many."""
        if not self.found:
            return
        count, allowed = len(self.found), max(self.lines, self.share * rows)
        said = f"{count:,} of {rows:,} rows cannot be used ({count / max(rows, 1):.2%})"
        if count > allowed:
            raise DataError(f"{self.table}: {said}, and tolerate allows {self.share:.2%}: {self._first()}")
        allows = f"tolerate allows {self.share:.2%}" if self.share else f"bad_lines allows {self.lines}"
        text = f"posrec: {self.table}: bad lines left out: {count} ({allows}): {self._first()}"
        print(text, file=sys.stderr)

    def _first(self) -> str:
        several = any(part != self.table for part, _, _ in self.found)
        shown = [f"{f'{part}, ' * several}line {number}: {reason}" for part, number, reason in self.found[:SHOWN]]
        more = f"; and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        return "; ".join(shown) + more
