"""The page of the audit from its committed runs: `python -m benchmarks.audit` writes docs/results/audit anew."""

from pathlib import Path

import pandas as pd

from posrec import study
from posrec.analysis import style, switch_figures, switch_reading
from posrec.analysis.load import Inputs
from posrec.analysis.switches import switch_table
from posrec.analysis.tables import Tables
from posrec.files import write_text

FOLDER = Path("docs/results/audit")
STUDY = Path("studies/audit_screen.yaml")
INTRODUCTION = """# What each switch of the released code does: the screen on real data

Written by `python -m benchmarks.audit` from [runs.csv](runs.csv), the runs of `studies/audit_screen.yaml`: 3,000 users
of Amazon Beauty 5-core, eight epochs. An effect is that of the released behaviour: released minus sound, over the same
seeds, with its 95 % interval for that comparison alone; p is after Holm over all tests of the metric. `others` says
what all other switches are. The runs were made on 2026-11-25 with TRAINING_VERSION 1 and EVALUATION_VERSION 1.
The switches are those of [the page on the released code](../../released-code.md).
"""


def read_tables(folder: Path = FOLDER) -> Tables:
    """The runs as they are committed, and the table of switches made of them; all else is empty."""
    runs, none = pd.read_csv(folder / "runs.csv", keep_default_na=False, na_values=[""]), pd.DataFrame()
    runs["settings"] = runs["settings"].fillna("")
    inputs = Inputs(study.load(STUDY), runs, {}, {})
    tables = Tables(inputs, runs, none, none, none, none, none, none, none, {})
    tables.more["switches"] = switch_table(tables)
    return tables


def page(tables: Tables) -> str:
    """The page as Markdown."""
    header, rows = switch_reading.switch_rows(tables.more["switches"])
    lines = [header, ("---",) * len(header), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    said = "\n".join(f"- {sentence}" for sentence in switch_reading.switch_answers(tables.more["switches"]))
    return f"{INTRODUCTION}\n{said}\n\n![Effects of the switches](switches.png)\n\n{table}\n"


def main() -> None:
    """Write switches.csv, the figure and README.md."""
    tables = read_tables()
    write_text(FOLDER / "README.md", page(tables))
    with style.house_style():
        figure, data = switch_figures.switches(tables)
        style.save(figure, FOLDER / "switches", data)


if __name__ == "__main__":
    main()
