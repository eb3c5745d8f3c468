"""Text for terminals."""

from collections.abc import Collection, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Lines of aligned columns: to the left those whose numbers are in `left`, the others to the right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_cells(line, widths, left)).rstrip() for line in lines)


def _cells(line: Sequence[str], widths: Sequence[int], left: Collection[int]) -> list[str]:
    return [
        text.ljust(width) if number in left else text.rjust(width)
        for number, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
