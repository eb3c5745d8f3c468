"""The one registry of what the analysis writes: an entry here is all that a new figure or table needs.

The workflow reads it while it parses, so functions of posrec.analysis are named, not imported: "module.function".
A page of the report is a function in posrec.analysis.sections.SECTIONS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from posrec.study.protocols import single_switches
from posrec.study.settings import DatasetSettings
from posrec.study.study import Study
from posrec.study.variation import settings_of, varied_settings

Applies = Callable[[Study], bool]


def always(study: Study) -> bool:
    """For every study."""
    return True


def several_datasets(study: Study) -> bool:
    """For studies of two data sets or more."""
    return len(study.settings.datasets) > 1


def several_protocols(study: Study) -> bool:
    """For studies with a second protocol."""
    return len(study.protocols) > 1


def turns_a_switch(study: Study) -> bool:
    """For studies with a protocol that is one switch away from a preset that the study has, too."""
    return bool(single_switches(study.protocols))


def holds_streams(study: Study) -> bool:
    """For studies in which some cells hold random streams that others let vary."""
    return "held_streams" in varied_settings(study.cells)


def shares_sources(study: Study) -> bool:
    """For studies in which two data sets come from the same source, so that they are not independent."""
    origins = [origin(name, dataset) for name, dataset in study.settings.datasets.items()]
    return len(set(origins)) < len(origins)


def origin(name: str, dataset: DatasetSettings) -> str:
    """What a data set's interactions are taken from: its source, its own table, or its own simulation."""
    if dataset.table is not None:
        return dataset.table.path
    if dataset.simulate is not None:
        return f"simulated {dataset.simulate.model_dump()}"
    return dataset.source or name


def varies_a_number(study: Study) -> bool:
    """For studies that vary a setting that is a number (or none), such as the upper bound or the length."""
    return bool(varied_numbers(study))


def varied_numbers(study: Study) -> list[str]:
    """Names of the varied settings whose values are numbers or none; a switch is none such."""
    values = {name: [settings_of(cell)[name] for cell in study.cells] for name in varied_settings(study.cells)}
    return [name for name, found in values.items() if all(_is_number(value) for value in found)]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


@dataclass(frozen=True)
class Figure:
    """A figure: `draw` takes the tables and gives figure and data, `caption` takes them and says what to see.

    section: the page of the report that shows it.
    """

    name: str
    title: str
    draw: str
    caption: str
    applies: Applies = always
    section: str = "figures"


@dataclass(frozen=True)
class Table:
    """A table: `build` takes the tables made before it; `columns` names a mapping of its columns to their meaning.

    Without `build` it is one of those that `analysis.tables.Tables` holds.
    """

    name: str
    title: str = ""
    build: str = ""
    columns: str = ""
    applies: Applies = always


FIGURES = (
    Figure("claims", "Which claims of the paper stand", "topics.verdicts.claims", "topics.captions.claims"),
    Figure("stability", "Scores of the seeds by encoding", "topics.seeds.stability", "topics.captions.stability"),
    Figure("spread", "How much the seeds differ", "topics.seeds.spread", "topics.captions.spread"),
    Figure(
        "ranks",
        "Which encodings are told apart over all data sets",
        "topics.verdicts.ranks",
        "topics.captions.ranks",
        several_datasets,
    ),
    Figure(
        "correlation",
        "Does what works follow from deviation or from sparsity?",
        "topics.datasets.correlation",
        "topics.captions.correlation",
        several_datasets,
    ),
    Figure(
        "settings",
        "Level and spread against what the study varies",
        "topics.settings.by_setting",
        "topics.captions.by_setting",
        varies_a_number,
    ),
    Figure(
        "protocols",
        "The protocols side by side",
        "topics.settings.by_protocol",
        "topics.captions.by_protocol",
        several_protocols,
    ),
    Figure(
        "components",
        "Where the spread comes from",
        "topics.components.components",
        "topics.captions.components",
        holds_streams,
    ),
    Figure("levels", "Mean scores at a glance", "topics.levels.levels", "topics.captions.levels"),
    Figure("learning_curves", "Learning curves", "topics.datasets.learning_curves", "topics.captions.learning_curves"),
    Figure(
        "diagnostics",
        "What the trained models do with positions",
        "topics.diagnostics.diagnostics",
        "topics.captions.diagnostics",
    ),
    Figure("ties", "How often scores tie", "topics.settings.ties", "topics.captions.ties"),
    Figure(
        "switches",
        "What each switch of the released code does",
        "topics.switches.switches",
        "topics.captions.switches",
        turns_a_switch,
    ),
    Figure("data", "What the data sets are like", "topics.cards.data", "topics.captions.data", section="data"),
)
TABLES = (
    *(Table(name) for name in ("runs", "cells", "datasets", "comparisons", "ranks", "correlation", "claims")),
    Table("published"),
    Table(
        "counts",
        "Counts beside those that are known",
        "tables.known_counts.count_table",
        "tables.known_counts.COLUMNS",
    ),
    Table(
        "diagnostics",
        "Diagnostics by cell, measure and place",
        "tables.diagnostics.diagnostic_table",
        "tables.diagnostics.COLUMNS",
    ),
    Table(
        "user_intervals",
        "Lead over none, with seeds and test users resampled",
        "tables.user_intervals.user_table",
        "tables.user_intervals.COLUMNS",
    ),
    Table(
        "thresholds",
        "From which deviation or sparsity on another encoding is best",
        "tables.thresholds.threshold_table",
        "tables.thresholds.COLUMNS",
        several_datasets,
    ),
    Table(
        "independent",
        "Correlation over independent data sets only",
        "tables.independence.independent_table",
        "tables.independence.COLUMNS",
        shares_sources,
    ),
    Table(
        "components",
        "Where the spread comes from",
        "topics.components.component_table",
        "topics.components.COLUMNS",
        holds_streams,
    ),
    Table(
        "switches",
        "What each switch of the released code does",
        "tables.switches.switch_table",
        "tables.switches.MEANINGS",
        turns_a_switch,
    ),
)


def figures(study: Study) -> list[Figure]:
    """The figures of a study: those that apply to it."""
    return [figure for figure in FIGURES if figure.applies(study)]


def tables(study: Study) -> list[Table]:
    """The tables of a study: those that apply to it."""
    return [table for table in TABLES if table.applies(study)]


def of_analysis(name: str) -> Any:
    """The function or mapping of posrec.analysis that an entry names, such as "topics.verdicts.claims"."""
    module, attribute = name.rsplit(".", 1)
    return getattr(import_module(f"posrec.analysis.{module}"), attribute)
