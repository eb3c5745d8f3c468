"""`posrec encodings`: list the encodings, explain one, print the documentation's table, check a file of your own."""

import argparse
import os
from pathlib import Path

from posrec.errors import StudyError
from posrec.study.encodings import ABOUT, EXAMPLES, FOLDER, Choice, Kind, find, kinds
from posrec.study.formulas import calculated

SIZES = {"D": 64, "L": 50, "H": 2, "N": 1, "causal": True}  # for which costs are stated: the default model
COLUMNS = ("encoding", "family", "formula", "source", "parameters (default)", "learnt")


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    if arguments.check:
        return check(arguments.check)
    show(arguments.name, arguments.markdown)
    return 0


def show(name: str | None, markdown: bool = False) -> None:
    """Print all encodings, as lines or as a Markdown table, or what is known of the one of this name."""
    if name is not None:
        print(explained(name))
    elif markdown:
        print(table(), end="")
    else:
        rows = [("encoding", "family", "learnt", "source", "parameters (default)"), *map(_line, kinds().values())]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            print("  ".join([*cells, row[4]]).rstrip())
        print(f"\nlearnt: numbers that it learns at {_sizes()}. `posrec encodings NAME` explains one.")


def _line(kind: Kind) -> tuple[str, ...]:
    learnt = _learnt(find(EXAMPLES.get(kind.name, kind.name)))
    return kind.name, kind.family, learnt, kind.about.get("Source", "own" if kind.own else ""), _parameters(kind)


def _learnt(choice: Choice) -> str:
    """How many numbers it learns at SIZES; nothing where its docstring does not say."""
    formula = choice.kind.about.get("Learnt")
    return "" if formula is None else f"{calculated(formula, {**SIZES, **choice.parameters}):,.0f}"


def _sizes() -> str:
    return f"width {SIZES['D']}, {SIZES['L']} slots, {SIZES['H']} heads and {SIZES['N']} block"


def table() -> str:
    """The built-in encodings as a Markdown table, from their registration and docstrings.

    L: slots, D: width, H: heads, N: blocks (and the decoder, where it has positions); r: row, t: time in days.
    """
    built_in = [kind for kind in kinds().values() if not kind.own]
    rows = [
        (f"`{k.name}`", k.family, k.about["Formula"], k.about["Source"], _parameters(k), f"`{k.about['Learnt']}`")
        for k in built_in
    ]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def explained(name: str) -> str:
    """What is known of an encoding, a line each. Raises StudyError for an unknown name."""
    choice = find(EXAMPLES.get(name, name))
    kind = choice.kind
    lines = [f"{name} ({kind.family})", kind.about.get("Summary", "")]
    lines += [f"{key}: {kind.about[key]}" for key in ABOUT if key in kind.about]
    lines += [f"Cost: {_learnt(choice)} learnt numbers at {_sizes()}"] if "Learnt" in kind.about else []
    values = [f"{key} = {_word(value)}{_choices(kind, key)}" for key, value in choice.parameters.items()]
    lines += [f"Parameters: {', '.join(values) or 'none'}", f"File: {kind.path}"]
    return "\n".join(line for line in lines if line)


def check(path: Path) -> int:
    """Run a file of one's own and the interface's checks of what it registers. Returns 1 where one fails.

    Raises StudyError where there is no such file, or it registers nothing.
    """
    path = path.resolve()
    if not path.is_file():
        raise StudyError(f"{path}: there is no such file")
    os.environ[FOLDER] = str(path.parent)
    names = [kind.name for kind in kinds().values() if kind.path.resolve() == path]
    if not names:
        raise StudyError(f"{path}: registers no encoding; decorate its class with @register(name, family)")
    from posrec.model.encodings.check import check_encoding

    failed = False
    for name in names:
        print(name)
        for found in check_encoding(name):
            failed |= found.passed is False
            says = {True: "passed", False: "FAILED", None: "note"}[found.passed]
            print(f"  {found.check:<10} {says:<7} {found.text}")
    return int(failed)


def _parameters(kind: Kind) -> str:
    return ", ".join(f"{key} ({_word(value)}{_choices(kind, key)})" for key, value in kind.parameters.items())


def _choices(kind: Kind, key: str) -> str:
    """The other words that a parameter may be."""
    return "".join(f" | {word}" for word in kind.choices.get(key, ())[1:])


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
