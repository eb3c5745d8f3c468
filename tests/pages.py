"""What the tests compare of a generated page: its tables. The wording may change without the command that measured."""


def table_rows(text: str) -> list[str]:
    """The rows of all Markdown tables of a page that contain a number."""
    return [line for line in text.splitlines() if line.startswith("|") and any(letter.isdigit() for letter in line)]
