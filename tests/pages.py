"""What the tests read of a page: its code, and of a generated one its tables.

The wording of those may change without the command that measured.
"""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def table_rows(text: str) -> list[str]:
    """The rows of all Markdown tables of a page that contain a number."""
    return [line for line in text.splitlines() if line.startswith("|") and any(letter.isdigit() for letter in line)]


def printed(page: str, kind: str) -> list[str]:
    """The blocks of this kind, such as python, that a page of docs/ prints."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [part.partition("```")[0] for part in text.split(f"```{kind}\n")[1:]]
