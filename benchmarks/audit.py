"""The page of the audit from its committed runs: `python -m benchmarks.audit` writes docs/results/audit anew.

A study that was run here (`snakemake tables --configfile studies/audit.yaml`) gives its runs first. The effects also go
into docs/reference/released-code.md, between its two marks.
"""

from pathlib import Path

import pandas as pd

from posrec import versions
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import PRIMARY, Inputs
from posrec.analysis.topics import style, switches
from posrec.errors import PosrecError
from posrec.files import write_text
from posrec.plan import ids
from posrec.study import study

FOLDER = Path("docs/results/audit")
DESCRIPTION = Path("docs/reference/released-code.md")
MARKS = ("<!-- effects -->\n", "<!-- end of effects -->\n")
EFFECTS = (
    "switch",
    "others",
    "cells",
    "seeds",
    "Hit@10, points",
    "NDCG@10, points",
    "spreads of Hit@10",
    "beyond the margin",
)
STUDIES = ("audit", "audit_dot", "audit_rope", "audit_softmax", "audit_released", "audit_screen")  # as on the page
READ_EVERY = 2  # epochs between two readings of these studies
WORDS = {"level": "effect", "spread": "spread"}
COMPARISON = ["dataset", "settings", "encoding", "switch", "others", "metric"]
INTRODUCTION = """# What each switch of the released code does, on real data

Written by `python -m benchmarks.audit` from the runs in [runs/](runs), of these studies:

{studies}

The studies are small on purpose: a subset of the users, few epochs, our own hyper-parameters. An effect is released
minus sound over the same seeds, with a 95 % interval that holds for all effects on the metric in its study together. A
switch raises or lowers a level if that interval is beyond the margin (2 % of the mean of `none`, at least 0.1 points),
and leaves it if the interval is within; else the effect is open. The last columns say whether the switch changes an
encoding's lead over `none`. `others` is the value of all other switches. Most of these trainings were still rising when
they ended after eight epochs: a word about a switch of the training is withheld where more epochs could undo it, while
switches of the evaluation score the same trainings. Where several studies measure a switch, the table shows the one
with the most seeds. [The page on the released code](../../reference/released-code.md) describes the switches;
[switches.csv](switches.csv) has all columns.
"""


def take_runs() -> None:
    """Copy the runs of studies that were run here, with the versions that they were made with.

    Raises PosrecError where those are not the present ones.
    """
    for name in STUDIES:
        made = ids.STUDIES / name / "tables" / "runs.csv"
        if made.exists():
            runs, loaded = pd.read_csv(made, dtype=str, keep_default_na=False), study.load(f"studies/{name}.yaml")
            if not set(runs["run_id"]) <= {ids.run_id(loaded, cell) for cell in loaded.cells}:
                raise PosrecError(
                    f"{made}: not the runs that studies/{name}.yaml plans now; run it again, or remove it"
                )
            runs = runs.assign(
                training_version=versions.TRAINING_VERSION, evaluation_version=versions.EVALUATION_VERSION
            )
            write_text(FOLDER / "runs" / f"{name}.csv", runs.to_csv(index=False, lineterminator="\n"))


def read_runs(name: str) -> pd.DataFrame:
    """The committed runs of a study; none where it was never run."""
    path = FOLDER / "runs" / f"{name}.csv"
    if not path.exists():
        return pd.DataFrame()
    runs = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"settings": "object"})
    runs = runs.assign(settings=runs["settings"].fillna(""))
    return runs if "still_rising" in runs else runs.assign(still_rising=_rising(runs))


def _rising(runs: pd.DataFrame) -> "pd.Series[bool]":
    """Whether the best of a run's readings was one of the last two. Runs without that column had 8 epochs at most."""
    longest, last = runs["epochs_trained"].max(), runs["selected_epoch"]
    return (runs["epochs_trained"] == longest) & (last > longest - 2 * READ_EVERY)


def switches_of(name: str) -> pd.DataFrame:
    """The table of switches of a study's committed runs, with the study's name; empty without runs."""
    runs = read_runs(name)
    if runs.empty:
        return runs
    inputs = Inputs(study.load(f"studies/{name}.yaml"), runs, {}, {})
    table = Tables(inputs)["switches"]
    return table.assign(study=name, settings=table["settings"].str.replace("head=carca", ""))  # the usual head


def all_switches() -> pd.DataFrame:
    """Every comparison once, from the study that has the most seeds of it, in the order of the studies."""
    tables = [switches_of(name) for name in STUDIES]
    table = pd.concat([each for each in tables if not each.empty], ignore_index=True)
    best = table.sort_values("pairs", ascending=False, kind="stable").drop_duplicates(COMPARISON).index
    return table.loc[best.sort_values()].reset_index(drop=True)


def describe(name: str) -> str:
    """One line on a study: its size, and what its runs were made with."""
    runs = read_runs(name)
    cells = " and ".join(dict.fromkeys(runs["dataset"]))
    made = " and ".join(f"{key.upper()} {runs[key].iloc[0]}" for key in ("training_version", "evaluation_version"))
    number, seeds = runs[["run_id", "seed"]].drop_duplicates().shape[0], runs["seed"].nunique()
    planned = sum(len(cell.seeds) for cell in study.load(f"studies/{name}.yaml").cells)
    trained = f"{number} trainings" if number == planned else f"{number} of its {planned} trainings so far"
    return f"- `studies/{name}.yaml`: {cells}, {seeds} seeds, {trained}, with {made}"


def page(table: pd.DataFrame) -> str:
    """The page as Markdown."""
    known = [name for name in STUDIES if not read_runs(name).empty]
    text = INTRODUCTION.format(studies="\n".join(describe(name) for name in known))
    text += "\n![Effects of the switches](switches.png)\n"
    for name in known:
        rows = table[table["study"] == name]
        if len(rows):
            text += f"\n## {name}\n\n{_section(rows)}\n"
    return text


def effects(table: pd.DataFrame) -> str:
    """A line for each switch, from the smallest to the largest effect over its cells, as a Markdown table."""
    lines: list[tuple[str, ...]] = [EFFECTS, ("---",) * len(EFFECTS)]
    for (switch, others), rows in table.groupby(["switch", "others"], sort=False):
        hit, ndcg = (rows[rows["metric"] == metric] for metric in ("sampled_hit10", PRIMARY))
        seeds = _range(hit["pairs"].astype(float), ".0f")
        levels = [_range(hit["effect_points"], "+.1f"), _range(ndcg["effect_points"], "+.2f")]
        spread = _range(hit["spread_ratio"], ".2f")
        lines.append((f"`{switch}`", str(others), str(len(hit)), seeds, *levels, spread, _found(rows)))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _range(values: "pd.Series[float]", form: str) -> str:
    ends = [f"{value:{form}}" for value in (values.min(), values.max())]
    return " to ".join(dict.fromkeys(ends))


def _found(rows: pd.DataFrame) -> str:
    """What is beyond the margin, in how many of the comparisons."""
    counts = {what: int(rows[word].isin(switches.DECIDED).sum()) for what, word in WORDS.items()}
    return ", ".join(f"{what} {count} of {len(rows)}" for what, count in counts.items() if count) or "nothing"


def description(text: str, table: pd.DataFrame) -> str:
    """The page on the released code with these effects between its marks."""
    before, rest = text.split(MARKS[0])
    return before + MARKS[0] + effects(table) + MARKS[1] + rest.split(MARKS[1])[1]


def _section(rows: pd.DataFrame) -> str:
    header, body = switches.rows(rows)
    lines = [header, ("---",) * len(header), *body]
    said = "\n".join(f"- {sentence}" for sentence in switches.answers(rows))
    return said + "\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Take what was run here, then write switches.csv, the figure and README.md."""
    take_runs()
    table = all_switches()
    write_text(FOLDER / "README.md", page(table))
    write_text(DESCRIPTION, description(DESCRIPTION.read_text(encoding="utf-8"), table))
    with style.house_style():
        style.save(switches.switch_map(table), FOLDER / "switches", table)


if __name__ == "__main__":
    main()
