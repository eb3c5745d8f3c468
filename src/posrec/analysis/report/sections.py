"""The sections of the report: small functions from the tables to blocks that the template lays out.

To add a page, write a function and add it to SECTIONS. Figures and tables: see `posrec.analysis.registry`.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from posrec.analysis import registry
from posrec.analysis.claims import judge
from posrec.analysis.claims.verdict import OPEN
from posrec.analysis.costs import cost_of
from posrec.analysis.report import first, svg
from posrec.analysis.report.answer import answers
from posrec.analysis.report.summary import summary
from posrec.analysis.report.terms import TERMS
from posrec.analysis.tables import counts, reanalysis, runs
from posrec.analysis.tables import published as published_cells
from posrec.analysis.tables.build import UNITS, Tables, documented
from posrec.analysis.tables.reading import MOST_ROWS, Shown, all_columns, listing, without_idle
from posrec.analysis.topics import data as data_topic
from posrec.analysis.topics import diagnostics as diagnostics_topic
from posrec.analysis.topics import switches as switches_topic
from posrec.analysis.topics import wording
from posrec.errors import DataError
from posrec.plan import ids
from posrec.study.encodings import find
from posrec.study.variation import format_setting, settings_of


@dataclass(frozen=True)
class Block:
    """One piece of a section; `kind` chooses its layout in page.html."""

    kind: str
    text: str = ""
    bullets: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    folded: bool = False
    name: str = ""
    source: str = ""
    numbers: str = ""
    more: str = ""


@dataclass(frozen=True)
class Section:
    """A titled part of the report that the navigation leads to."""

    anchor: str
    title: str
    blocks: list[Block]
    folded: bool = False


def _table(title: str, shown: Shown, folded: bool = False) -> Block:
    header, rows = shown
    return Block("table", title, header=header, rows=rows, folded=folded)


def _registered(tables: Tables, entry: registry.Table) -> Block:
    """A table of the registry, without idle columns."""
    table, several = tables[entry.name], len(tables.inputs.study.settings.protocols) > 1
    shown = without_idle(_rows_of(tables, entry), several)
    cut = f" (the first {MOST_ROWS} of {len(table)} rows; all are in {entry.name}.csv)"
    return _table(entry.title + (cut if len(shown[1]) < len(table) else ""), shown, entry.folded)


def _rows_of(tables: Tables, entry: registry.Table) -> Shown:
    """The rows that a table's module shows, or else its first rows with all columns."""
    module = registry.module_of(entry)
    if hasattr(module, "shown"):
        shown: Shown = module.shown(tables)
        return shown
    named = {name: tables.inputs.label(name) for name in tables.inputs.simulated}
    return all_columns(tables[entry.name].head(MOST_ROWS).replace({"dataset": named}))


def answer(tables: Tables) -> Section:
    """The first screen: five questions, one sentence per data set, and the leads over none."""
    several = dict(first.sentences(tables))
    blocks = [
        Block("questions", rows=first.questions(tables)),
        Block("verdicts", rows=tuple(several.items())),
        *_figure_blocks(tables, "answer"),
        Block("paragraph", wording.margin_note(tables.inputs.study)),
    ]
    return Section("answer", "The answer", blocks)


def levels(tables: Tables) -> Section:
    """Scores of the encodings."""
    return Section("levels", "Levels", _figure_blocks(tables, "levels"))


def stability(tables: Tables) -> Section:
    """How much the seeds differ, and how safe each choice is."""
    return Section("stability", "Stability", _figure_blocks(tables, "stability"))


def cost(tables: Tables) -> Section:
    """Epochs, learnt parameters and curves of training."""
    where = ids.PROVENANCE / tables.inputs.study.name / "index.html"
    text = (
        f"Seconds and memory of these runs depend on the machine: they are in {where}. CPU times beside none were "
        "measured once for all studies, with the default recipe (docs/measured/encodings-cost.md)."
    )
    blocks = [_table("What each encoding costs", costs(tables)), Block("paragraph", text)]
    return Section("cost", "Cost", [*blocks, *_figure_blocks(tables, "cost")])


def costs(tables: Tables) -> Shown:
    """Per encoding what it learns and how long its runs train, medians over the scoring runs of all data sets."""
    runs = tables["runs"].query("role == 'scoring' and status == 'finished'")
    rows = []
    for name in tables.inputs.study.settings.encodings:
        own = runs[runs["encoding"] == name]
        if len(own):
            medians = (f"{own[column].astype(float).median():g}" for column in ("epochs_trained", "selected_epoch"))
            about = find(name).kind.about.get("Learnt", "")
            rising = str(int(own["still_rising"].fillna(False).astype(bool).sum()))
            rows.append((name, about, *_times(name, tables), *medians, rising))
    times = ("CPU time of a step, x none", "of a request, x none")
    return ("encoding", "learnt parameters", *times, "epochs trained", "best epoch", "runs still rising"), tuple(rows)


def _times(name: str, tables: Tables) -> tuple[str, str]:
    """What a step and a request cost beside `none`, measured at the length nearest to the study's; empty: unknown."""
    cost = cost_of(name, tables.inputs.study.cells[0].model.max_length)
    return (f"{cost.step:.2f}", f"{cost.request:.2f}") if cost else ("", "")


def claims(tables: Tables) -> Section:
    """What the paper claims, and what these results say about it: the claims that the study can ask."""
    if tables["claims"].empty:
        return Section("claims", "Claims", [Block("paragraph", "Claims need spreads, which this study hides.")])
    asked, unasked = judge.asked(tables)
    text = (
        f"What arXiv 2405.10436 claims, judged by these results alone. A verdict other than “{OPEN}” follows from "
        "intervals that hold for the whole family of the claim together, against the margin."
    )
    missing = [Block("paragraph", f"This study can't ask {listing(unasked)}.")] if unasked else []
    rows = tuple((claim.name, claim.rule) for claim in judge.CLAIMS)
    rules = _table("When a claim counts as supported or contradicted", (("claim", "rule"), rows), folded=True)
    return Section("claims", "Claims", [Block("paragraph", text), _table("Verdicts", asked), *missing, rules])


def glossary(tables: Tables) -> Section:
    """The terms that the rest of the report uses."""
    inputs = tables.inputs
    texts = filter(None, (wording.candidates(inputs), wording.protocols(inputs), wording.training(inputs.study)))
    return Section("glossary", "Glossary", [Block("terms", rows=TERMS), *(Block("paragraph", t) for t in texts)])


def by_dataset(tables: Tables) -> Section:
    """Every data set in more sentences: level, rivals, steadiness, baselines, gaps."""
    blocks = [Block("bullets", bullets=tuple(summary(tables)))]
    for title, said in answers(tables):
        blocks += [Block("heading", title), Block("bullets", bullets=tuple(said))]
    return Section("datasets", "Data set by data set", blocks, folded=True)


def switches(tables: Tables) -> Section:
    """What each switch of the released code does, where the study has protocols that differ in one."""
    if not registry.turns_a_switch(tables.inputs.study) or tables["switches"].empty:
        text = "This study turns no switch of the released code alone, or hides what seeds do to it."
        return Section("switches", "Switches", [Block("paragraph", text)], folded=True)
    table = tables["switches"]
    blocks = [
        Block("bullets", bullets=tuple(switches_topic.answers(table))),
        _table("Effects of the released behaviour", switches_topic.rows(table)),
    ]
    return Section("switches", "Switches", blocks, folded=True)


def published(tables: Tables) -> Section:
    """The paper's figures beside ours, where the study says which of its data sets are the paper's."""
    if tables["published"].empty:
        text = "This study names no data set of the paper (report.published), so there is nothing to compare."
        return Section("published", "Published figures", [Block("paragraph", text)], folded=True)
    text = (
        "The paper's cells beside ours of the same encoding, in points. Candidates, selection of the epoch and ties "
        "differ (published: the best of all looks at the test set, and ties go to the positive), so a difference "
        "is not an error of either."
    )
    blocks = [Block("paragraph", text), _table("Published cells", published_cells.shown(tables))]
    return Section("published", "Published figures", [*blocks, *_published_again()], folded=True)


def _published_again() -> list[Block]:
    """Which of the paper's spreads differ from that of `none`, by its own numbers of runs."""
    blocks = [Block("heading", "The published spreads, tested again"), Block("paragraph", reanalysis.METHOD)]
    for metric, title in reanalysis.METRICS.items():
        tests = reanalysis.reanalysis(metric)
        blocks.append(Block("paragraph", f"{title}, all data sets: {reanalysis.found(tests)}"))
        blocks.append(_table(f"Different from none, {title}", reanalysis.rows_below(tests)))
    return blocks


def details(tables: Tables) -> Section:
    """The figures that few readers need."""
    return Section("details", "More figures", _figure_blocks(tables, "details"), folded=True)


def _figure_blocks(tables: Tables, section: str) -> list[Block]:
    """The figures that belong to a section, each page with its drawing, takeaway and numbers."""
    folder = ids.STUDIES / tables.inputs.study.name / "figures"
    blocks = []
    for entry in registry.figures(tables.inputs.study):
        if entry.section != section:
            continue
        blocks.append(Block("heading", entry.title))
        takeaway, marks = wording.takeaway(entry, tables), wording.reading(entry)
        pages = list(entry.pages(tables.inputs.study))
        for number, (name, _) in enumerate(pages):
            drawn = svg.inlined(folder / f"{name}.svg", name, entry.title, takeaway)
            numbers = _embedded(folder / f"{name}.csv", "text/csv")
            last = number == len(pages) - 1
            blocks.append(
                Block("figure", takeaway if last else "", name=name, source=drawn, numbers=numbers, more=marks * last)
            )
    return blocks


def _embedded(path: Path, kind: str) -> str:
    """A file as a data URI: nothing inside it can clash with another figure's ids or reach the network."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); run `posrec figures`") from None
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def diagnostics(tables: Tables) -> Section:
    """What the trained models do with positions."""
    shown = diagnostics_topic.rows(tables)
    if not shown[1]:
        return Section("diagnostics", "Diagnostics", [Block("paragraph", diagnostics_topic.NOTHING)], folded=True)
    blocks = [Block("paragraph", text) for text in diagnostics_topic.INTRODUCTION]
    blocks.append(_table("Diagnostics by cell, means over seeds", shown))
    return Section("diagnostics", "Diagnostics", blocks, folded=True)


def data(tables: Tables) -> Section:
    """What the data sets are like, and how their counts compare with those that others report."""
    known = counts.shown(tables)
    blocks = [
        Block("paragraph", data_topic.INTRODUCTION),
        *_figure_blocks(tables, "data"),
        _table("Data sets after preparation", data_topic.rows(tables)),
        _table("Counts beside known ones", known) if known[1] else Block("paragraph", data_topic.NOTHING_KNOWN),
    ]
    return Section("data", "Data", blocks)


def numbers(tables: Tables) -> Section:
    """The tables, shortened for reading; the files hold all columns."""
    blocks = [
        Block(
            "paragraph",
            f"Shortened for reading, in points. The csv files in the folder tables have every column. There: {UNITS}",
        )
    ]
    blocks += [_registered(tables, entry) for entry in registry.tables(tables.inputs.study) if entry.title]
    for name, meanings in documented(tables.inputs.study).items():
        rows = tuple(meanings.items())
        blocks.append(Block("table", f"Columns of {name}.csv", header=("column", "meaning"), rows=rows, folded=True))
    return Section("tables", "Tables", blocks, folded=True)


def failures(tables: Tables) -> Section:
    """Runs that failed or collapsed, with the reason."""
    failed = runs.failures(tables)
    if not failed[1]:
        return Section("failures", "Failures", [Block("paragraph", "Every planned run finished, and none collapsed.")])
    text = f"{len(failed[1])} of {len(tables['runs'])} runs failed or collapsed to chance level."
    return Section(
        "failures", "Failures", [_table(text, without_idle(failed, len(tables.inputs.study.settings.protocols) > 1))]
    )


def settings(tables: Tables) -> Section:
    """The study as it was run."""
    study = tables.inputs.study
    text = yaml.safe_dump(
        study.settings.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True
    )
    values: dict[str, dict[str, Any]] = {}
    for cell in study.cells:
        for name, value in settings_of(cell).items():
            values.setdefault(name, {})[format_setting(value)] = None
    rows = tuple((name, ", ".join(found)) for name, found in values.items())
    shown = Block(
        "table",
        "Every setting of the trainings, defaults included",
        header=("setting", "values"),
        rows=rows,
        folded=True,
    )
    where = Block(
        "paragraph",
        "This page follows from the study alone. Where, when and with which software the results were made is in "
        f"{ids.PROVENANCE / study.name / 'index.html'}, written by posrec provenance.",
    )
    return Section("settings", "Settings of the study", [Block("code", text), shown, where], folded=True)


SECTIONS: list[Callable[[Tables], Section]] = [
    answer,
    levels,
    stability,
    cost,
    data,
    claims,
    failures,
    by_dataset,
    details,
    diagnostics,
    switches,
    published,
    numbers,
    settings,
    glossary,
]
