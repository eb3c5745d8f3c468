"""The sections of the report: small functions from the tables to blocks that the template lays out.

To add a page, write a function and put it into SECTIONS.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from posrec.analysis import registry
from posrec.analysis.claims.verdict import OPEN
from posrec.analysis.report import data_section, published_reading, reading, switch_reading
from posrec.analysis.report.answer import answers
from posrec.analysis.report.summary import summary
from posrec.analysis.report.terms import TERMS
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.columns import UNITS, documented
from posrec.analysis.tables.published import reanalysis
from posrec.analysis.topics import captions, wording
from posrec.analysis.topics import diagnostics as diagnostic_figures
from posrec.errors import DataError
from posrec.plan import ids
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
    alt: str = ""
    source: str = ""
    numbers: str = ""


@dataclass(frozen=True)
class Section:
    """A titled part of the report that the navigation leads to."""

    anchor: str
    title: str
    blocks: list[Block]


def answer(tables: Tables) -> Section:
    """What the study found, in plain words."""
    blocks = [Block("bullets", bullets=tuple(summary(tables)))]
    for title, sentences in answers(tables):
        blocks += [Block("heading", title), Block("bullets", bullets=tuple(sentences))]
    return Section("answer", "The answer", blocks)


def how_to_read(tables: Tables) -> Section:
    """The few terms that the rest of the report needs."""
    inputs = tables.inputs
    texts = filter(None, (wording.candidates(inputs), wording.protocols(inputs), wording.training(inputs.study)))
    return Section("reading", "How to read this", [Block("terms", rows=TERMS), *(Block("paragraph", t) for t in texts)])


def claims(tables: Tables) -> Section:
    """What the paper claims, and what these results say of it."""
    if tables.claims.empty:
        return Section("claims", "Claims", [Block("paragraph", "Claims rest on spreads, which this study hides.")])
    matters = tables.inputs.study.settings.report.smallest_difference
    text = (
        f"What arXiv 2405.10436 claims, judged by these results alone. A verdict other than “{OPEN}” rests on tests "
        "whose error rates were measured; p is after Holm over all tests that the verdict looks at. A difference of "
        f"levels matters here from {matters:g} points on, stated beforehand (report.smallest_difference)."
    )
    header, rows = reading.claim_rows(tables)
    simulated = [Block("paragraph", note)] if (note := wording.simulated_note(tables.inputs)) else []
    return Section(
        "claims", "Claims", [Block("paragraph", text), *simulated, Block("table", "Verdicts", header=header, rows=rows)]
    )


def switches(tables: Tables) -> Section:
    """What each switch of the released code does, where the study has protocols that differ in one."""
    table = tables.more.get("switches")
    if table is None or table.empty:
        text = "This study turns no switch of the released code alone, or hides what seeds do to it."
        return Section("switches", "Switches", [Block("paragraph", text)])
    header, rows = switch_reading.switch_rows(table)
    blocks = [
        Block("bullets", bullets=tuple(switch_reading.switch_answers(table))),
        Block("table", "Effects of the released behaviour", header=header, rows=rows),
    ]
    return Section("switches", "Switches", blocks)


def published(tables: Tables) -> Section:
    """The paper's figures beside ours, where the study says which of its data sets are the paper's."""
    if tables.published.empty:
        text = "This study names no data set of the paper (report.published), so nothing is set beside it."
        return Section("published", "Published figures", [Block("paragraph", text)])
    text = (
        "The paper's cells beside ours of the same encoding, in points. Candidates, selection of the epoch and ties "
        "differ (published: the best of all looks at the test set, and ties go to the positive), so that a difference "
        "is no error of either."
    )
    header, rows = reading.published_rows(tables)
    blocks = [Block("paragraph", text), Block("table", "Published cells", header=header, rows=rows)]
    return Section("published", "Published figures", [*blocks, *_published_again()])


def _published_again() -> list[Block]:
    """Which of the paper's own differences in spread can be told from noise, by its own numbers of runs."""
    blocks = [Block("heading", "The published spreads, looked at again"), Block("paragraph", published_reading.METHOD)]
    for metric, title in published_reading.METRICS.items():
        tests = reanalysis(metric)
        header, rows = published_reading.reanalysis_rows(tests)
        blocks.append(Block("paragraph", f"{title}, all data sets: {published_reading.reanalysis_found(tests)}"))
        blocks.append(Block("table", f"Told apart, {title}", header=header, rows=rows))
    return blocks


def figures(tables: Tables) -> Section:
    """Every figure that has no page of its own, with its caption."""
    return Section("figures", "Figures", _figure_blocks(tables, "figures", headings=True))


def _figure_blocks(tables: Tables, section: str, headings: bool = False) -> list[Block]:
    """The figures that belong to a section."""
    folder = ids.STUDIES / tables.inputs.study.name / "figures"
    blocks = []
    simulated = " (simulated data)" if tables.inputs.simulated else ""
    for entry in registry.figures(tables.inputs.study):
        if entry.section != section:
            continue
        stem = folder / entry.name
        if headings:
            blocks.append(Block("heading", entry.title))
        blocks.append(
            Block(
                "figure",
                captions.caption(entry, tables),
                name=entry.name,
                alt=entry.title + simulated,
                source=_embedded(stem.with_suffix(".svg"), "image/svg+xml"),
                numbers=_embedded(stem.with_suffix(".csv"), "text/csv"),
            )
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
    header, rows = diagnostic_figures.diagnostic_rows(tables)
    if not rows:
        return Section("diagnostics", "Diagnostics", [Block("paragraph", diagnostic_figures.NOTHING)])
    blocks = [Block("paragraph", text) for text in diagnostic_figures.INTRODUCTION]
    blocks.append(Block("table", "Diagnostics by cell, means over seeds", header=header, rows=rows))
    return Section("diagnostics", "Diagnostics", blocks)


def data(tables: Tables) -> Section:
    """What the data sets are like, and how their counts compare with those that others report."""
    header, rows = data_section.data_rows(tables)
    blocks = [
        Block("paragraph", data_section.INTRODUCTION),
        *_figure_blocks(tables, "data"),
        Block("table", "Data sets after preparation", header=header, rows=rows),
        *_known_counts(tables),
    ]
    return Section("data", "Data", blocks)


def _known_counts(tables: Tables) -> list[Block]:
    header, rows = data_section.count_rows(tables)
    if not rows:
        return [Block("paragraph", data_section.NOTHING_KNOWN)]
    return [Block("table", "Counts beside those that are known", header=header, rows=rows)]


def numbers(tables: Tables) -> Section:
    """The tables, shortened for reading; the files hold all columns."""
    blocks = [
        Block(
            "paragraph",
            f"Shortened for reading, in points. The csv files in the folder tables hold every column. There: {UNITS}",
        )
    ]
    for title, folded, (header, rows) in reading.shown_tables(tables):
        blocks.append(Block("table", title, header=header, rows=rows, folded=folded))
    for name, meanings in documented(tables.inputs.study).items():
        rows = tuple(meanings.items())
        blocks.append(Block("table", f"Columns of {name}.csv", header=("column", "meaning"), rows=rows, folded=True))
    return Section("tables", "Tables", blocks)


def failures(tables: Tables) -> Section:
    """Runs that failed or collapsed, with the reason."""
    header, rows = reading.failure_rows(tables)
    if not rows:
        return Section("failures", "Failures", [Block("paragraph", "Every planned run finished, and none collapsed.")])
    text = f"{len(rows)} of {len(tables.runs)} runs failed or collapsed to chance level."
    return Section("failures", "Failures", [Block("table", text, header=header, rows=rows)])


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
        "Where, when and with which software the results were made is no part of this page, which the study alone "
        f"determines. It stands in {ids.PROVENANCE / study.name / 'index.html'}, written by posrec provenance.",
    )
    return Section("settings", "Settings of the study", [Block("code", text), shown, where])


SECTIONS: list[Callable[[Tables], Section]] = [
    answer,
    claims,
    how_to_read,
    figures,
    diagnostics,
    data,
    switches,
    published,
    numbers,
    failures,
    settings,
]
