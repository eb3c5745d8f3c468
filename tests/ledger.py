"""The table of scenarios: what was done, what ran, what was trained and how it ended, as the tests saw it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: ([^)]+)\)", re.MULTILINE)
TARGETS = {"all", "raw", "data", "trained", "tables", "figures", "report"}
HEAD = "| Scenario | Steps | Jobs | Trained | Outcome |\n|---|---|---|---|---|\n"
INTRODUCTION = """# Scenarios

Written by `make scenarios`; don't edit. Each row is a test that ran snakemake, dvc and posrec for real on a tiny study
(two encodings, three seeds, a simulated data set). *Steps* lists the commands of the scenario after the study it starts
from was made. *Jobs* counts the jobs that Snakemake finished, without its target rules. *Trained* counts the runs that
were trained or trained again. `make scenarios ONLY=NAME` runs the scenarios whose name contains NAME and replaces only
their rows.
"""


@dataclass
class Step:
    """One thing that a scenario did."""

    what: str
    ran: Counter[str] = field(default_factory=Counter)
    trained: int = 0


@dataclass
class Row:
    """One scenario of the table."""

    group: str
    name: str
    steps: list[Step]
    outcome: str


Stored = dict[tuple[str, str], dict[str, int]]  # files of every training and their times, by run id and seed
STEPS: list[Step] = []  # of the test that runs now


def note(what: str, output: str = "", trained: int = 0) -> None:
    """Add a step to the scenario that runs now; `output` is what snakemake printed."""
    ran = Counter(rule for rule in FINISHED.findall(output) if rule not in TARGETS)
    STEPS.append(Step(what, ran, trained))


def trained_so_far() -> int:
    """Runs that the scenario's commands have trained."""
    return sum(step.trained for step in STEPS)


def stored(folder: Path) -> Stored:
    """What a store holds."""
    found: Stored = {}
    for path in folder.glob("runs/*/seed=*/*"):
        if not path.name.startswith("."):
            found.setdefault((path.parts[-3], path.parts[-2]), {})[path.name] = path.stat().st_mtime_ns
    return found


def trained(before: Stored, after: Stored) -> int:
    """How many trainings of `after` are new or were done again; an evaluation of kept weights is none."""
    return sum(_done_anew(before.get(key, {}), files) for key, files in after.items())


def _done_anew(before: dict[str, int], after: dict[str, int]) -> bool:
    kept = {name for name in before if name.endswith(".pt") and after.get(name) == before[name]}
    return after != before and not kept


def document(rows: list[Row], before: str = "") -> str:
    """The table as Markdown, a section a group; the same rows give the same text.

    before: a document whose other rows stay; those of the scenarios that were run stand where theirs were.
    """
    sections = _sections(before)
    for group in dict.fromkeys(row.group for row in rows):
        found: dict[str, list[str]] = {}
        for row in rows:
            if row.group == group:
                found.setdefault(row.name, []).append(_line(row))
        sections[group] = {**sections.get(group, {}), **found}
    parts = [
        f"## {group}\n\n{HEAD}" + "".join(line for lines in named.values() for line in lines)
        for group, named in sections.items()
    ]
    return "\n".join([INTRODUCTION, *parts])


def _sections(text: str) -> dict[str, dict[str, list[str]]]:
    """The rows of a document by group and name of the scenario."""
    found: dict[str, dict[str, list[str]]] = {}
    group = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("## "):
            group = line[3:].strip()
        elif line.startswith("| ") and line not in HEAD:
            found.setdefault(group, {}).setdefault(line[2:].partition(" | ")[0], []).append(line)
    return found


def _line(row: Row) -> str:
    ran = sum((step.ran for step in row.steps), Counter[str]())
    counts = ", ".join(f"{number} {rule}" for rule, number in sorted(ran.items())) or "nothing"
    steps = "; ".join(_folded(step.what for step in row.steps)) or "read"
    trainings = sum(step.trained for step in row.steps)
    cells = (row.name, steps, counts, str(trainings), row.outcome)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def _folded(steps: Iterator[str]) -> Iterator[str]:
    """Equal steps in a row as one, with their number."""
    last, number = "", 0
    for step in [*steps, ""]:
        if step != last and number:
            yield f"{last} ({number} times)" if number > 1 else last
        last, number = step, number + 1 if step == last else 1
