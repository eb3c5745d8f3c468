"""`posrec encodings`: list the encodings, explain one, print the documentation's table, check a file of your own."""

import argparse
import os
from pathlib import Path

from posrec.analysis.costs import cost_of
from posrec.errors import StudyError
from posrec.study.encodings import ABOUT, EXAMPLES, FOLDER, Choice, Kind, find, kinds
from posrec.study.formulas import calculated

SIZES = {"D": 64, "L": 50, "H": 2, "N": 1, "causal": True}  # for which costs are stated: the default model
COLUMNS = ("encoding", "family", "formula", "source", "parameters (default)", "learnt", "step", "request")
HEAD = ("encoding", "family", "learnt", "step", "request", "source", "parameters (default)")


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
        rows = [HEAD, *map(_line, kinds().values())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            print("  ".join([*cells, row[-1]]).rstrip())
        print(f"\nlearnt: numbers that it learns at {_sizes()}.")
        print("step, request: CPU time of a training step and of a request, as multiples of those of none.")
        print("`posrec encodings NAME` explains one.")


def _line(kind: Kind) -> tuple[str, ...]:
    learnt, source = _learnt(find(EXAMPLES.get(kind.name, kind.name))), "own" if kind.own else ""
    return kind.name, kind.family, learnt, *_times(kind), kind.about.get("Source", source), _parameters(kind)


def _times(kind: Kind) -> tuple[str, str]:
    """Multiples of the time that `none` takes for a step and for a request; nothing where it was not measured."""
    cost = None if kind.own else cost_of(EXAMPLES.get(kind.name, kind.name), SIZES["L"])
    return ("", "") if cost is None else (f"{cost.step:.2f}", f"{cost.request:.2f}")


def _learnt(choice: Choice) -> str:
    """How many numbers it learns at SIZES; nothing where its docstring does not say."""
    formula = choice.kind.about.get("Learnt")
    return "" if formula is None else f"{calculated(formula, {**SIZES, **choice.parameters}):,.0f}"


def _sizes() -> str:
    return f"width {SIZES['D']}, {SIZES['L']} slots, {SIZES['H']} heads and {SIZES['N']} block"


def table() -> str:
    """The built-in encodings as a Markdown table, from their registration, docstrings and measured costs.

    L: slots, D: width, H: heads, N: blocks (and the decoder, where it has positions); r: row, t: time in days.
    """
    rows = [_row(kind) for kind in kinds().values() if not kind.own]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _row(kind: Kind) -> tuple[str, ...]:
    formula, source, learnt = (kind.about[key] for key in ("Formula", "Source", "Learnt"))
    return f"`{kind.name}`", kind.family, formula, source, _parameters(kind), f"`{learnt}`", *_times(kind)


def explained(name: str) -> str:
    """What is known of an encoding, a line each. Raises StudyError for an unknown name."""
    choice = find(EXAMPLES.get(name, name))
    kind = choice.kind
    lines = [f"{name} ({kind.family})", kind.about.get("Summary", "")]
    lines += [f"{key}: {kind.about[key]}" for key in ABOUT if key in kind.about]
    lines += [f"Cost: {_learnt(choice)} learnt numbers at {_sizes()}{_time(name)}"] if "Learnt" in kind.about else []
    values = [f"{key} = {_word(value)}{_choices(kind, key)}" for key, value in choice.parameters.items()]
    lines += [f"Parameters: {', '.join(values) or 'none'}", f"File: {kind.path}"]
    return "\n".join(line for line in lines if line)


def _time(name: str) -> str:
    cost = cost_of(name, SIZES["L"])
    return f"; a step {cost.step:.2f}, a request {cost.request:.2f} of the CPU time of none" if cost else ""


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
