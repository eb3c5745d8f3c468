"""What was recognised of a table: said in one line, so that a wrong guess is noticed."""

from dataclasses import dataclass, field

NAMES = {"\t": "tabs", " ": "spaces", ",": "commas"}


@dataclass
class Seen:
    """Facts in the order in which they were found, and counts of what was skipped."""

    facts: dict[str, None] = field(default_factory=dict)
    separator: str | None = None  # of a text
    blank_lines: int = 0
    open_end: bool = False  # the last line has no line end
    parts: int = 1

    def note(self, fact: str) -> None:
        """Remember a fact once, whatever the number of parts."""
        self.facts[fact] = None

    def separated(self, separator: str) -> None:
        """Remember what separates the columns of a text."""
        self.separator = separator
        self.note(f"separated by {NAMES.get(separator, repr(separator))}")

    def __str__(self) -> str:
        counts = [
            *([f"{self.parts} parts"] if self.parts > 1 else []),
            *([f"blank lines skipped: {self.blank_lines:,}"] if self.blank_lines else []),
            *(["no line end at the end"] if self.open_end else []),
        ]
        return ", ".join([*self.facts, *counts])
