"""The figures and tables of the analysis. Each is one file and one line in this module.

To add a figure NAME:

1. Write `analysis/topics/NAME.py` with two functions of the tables: `draw(tables) -> Drawn` returns the figure and the
   numbers behind it; `caption(tables) -> str` returns one takeaway computed from the tables. READING says what the
   marks are; the report folds it.
2. Add `Figure("NAME", "Its title")` to FIGURES; `applies=` limits it to the studies that it makes sense for, `section=`
   is the part of the report that shows it.

To add a table NAME:

1. Write `analysis/tables/NAME.py` with `COLUMNS`, a mapping of column -> meaning in the order of the file, and
   `build(tables) -> DataFrame`. `tables["cells"]` is another table. An optional `shown(tables) -> Shown` returns the
   rows that the report shows; without it the report shows all columns.
2. Add `Table("NAME", "Its title")` to TABLES.

The workflow's outputs, the files, the report and its list of columns follow. A page of the report is a function in
`posrec.analysis.report.sections.SECTIONS`.

Snakemake imports this module when it parses the Snakefile, so entries name their module and nothing here imports
pandas or matplotlib.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from posrec.study.protocols import single_switches
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.study import Study
from posrec.study.variation import settings_label, settings_of, varied_settings

Applies = Callable[[Study], bool]
MOST_PANELS = 12  # of a figure; a figure of more is drawn as several


def always(study: Study) -> bool:
    """For every study."""
    return True


def several_datasets(study: Study) -> bool:
    """For studies of two or more data sets."""
    return len(study.settings.datasets) > 1


def several_protocols(study: Study) -> bool:
    """For studies of two or more protocols."""
    return len(study.protocols) > 1


def turns_a_switch(study: Study) -> bool:
    """For studies with two protocols that differ in a single switch, one of them a preset."""
    return bool(single_switches(study.protocols))


def holds_streams(study: Study) -> bool:
    """For studies in which some cells hold random streams that other cells let vary."""
    return "held_streams" in varied_settings(study.cells)


def buys_again(study: Study) -> bool:
    """For studies of real data in which a user's repeated items stay; simulated users have an item once."""
    return any(dataset.simulate is None and dataset.repeats == "all" for dataset in study.settings.datasets.values())


def shares_sources(study: Study) -> bool:
    """For studies in which two data sets come from one source and are therefore not independent."""
    origins = [origin(name, dataset) for name, dataset in study.settings.datasets.items()]
    return len(set(origins)) < len(origins)


def origin(name: str, dataset: DatasetSettings) -> str:
    """Where a data set's interactions come from: its source, its own table, or its own simulation."""
    if dataset.table is not None:
        return dataset.table.path
    if dataset.simulate is not None:
        return f"simulated {dataset.simulate.model_dump()}"
    return dataset.source or name


def varies_settings(study: Study) -> bool:
    """For studies that vary a setting and have `none` beside another encoding."""
    names = study.settings.encodings
    return bool(varied_settings(study.cells)) and "none" in names and len(names) > 1


def varies_a_number(study: Study) -> bool:
    """For studies that vary a numeric setting (None allowed), such as the upper bound or the length."""
    return bool(varied_numbers(study))


def varied_numbers(study: Study) -> list[str]:
    """Names of the varied settings whose values are all numbers or None; booleans do not count."""
    values = {name: [settings_of(cell)[name] for cell in study.cells] for name in varied_settings(study.cells)}
    return [name for name, found in values.items() if all(_is_number(value) for value in found)]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def one(study: Study) -> int:
    """A figure whose panels don't grow with the study."""
    return 1


def cases(study: Study) -> int:
    """The groups of cells that differ in their encoding alone: data set, protocol and settings."""
    varied = varied_settings(study.cells)
    labels = [(cell.dataset, settings_label(cell, varied), cell.protocols) for cell in study.cells]
    return len({(name, label, protocol.name) for name, label, protocols in labels for protocol in protocols})


def variants(study: Study) -> int:
    """Data sets and settings, whatever the protocol."""
    varied = varied_settings(study.cells)
    return len({(cell.dataset, settings_label(cell, varied)) for cell in study.cells})


def datasets(study: Study) -> int:
    """The data sets."""
    return len(study.settings.datasets)


def others(study: Study) -> int:
    """The encodings beside none."""
    return max(1, len([name for name in study.settings.encodings if name != "none"]))


@dataclass(frozen=True)
class Figure:
    """A figure, made by `posrec.analysis.topics.NAME`; section: the part of the report that shows it.

    parts: how many times the study has its `panels`; beyond MOST_PANELS panels the figure has several pages, and `draw`
    gets the parts of a page as a slice.
    """

    name: str
    title: str
    applies: Applies = always
    section: str = "details"
    parts: Callable[[Study], int] = one
    panels: int = 1

    def pages(self, study: Study) -> Iterator[tuple[str, slice]]:
        """The name and the parts of each page: NAME, NAME-2, ..."""
        each = MOST_PANELS // self.panels
        for page, first in enumerate(range(0, self.parts(study), each), 1):
            yield self.name + (f"-{page}" if page > 1 else ""), slice(first, first + each)

    @property
    def module(self) -> str:
        """The module with its `draw`, `caption` and, where the marks need words, `READING`."""
        return f"topics.{self.name}"


@dataclass(frozen=True)
class Table:
    """A table, made by `posrec.analysis.tables.NAME` or by `made_in`.

    The report's page of tables shows it under its title, `folded` or open. An untitled table has a page of its own.
    """

    name: str
    title: str = ""
    applies: Applies = always
    made_in: str = ""
    folded: bool = True

    @property
    def module(self) -> str:
        """The module with its `COLUMNS`, `build` and, if the report shows less than all columns, `shown`."""
        return self.made_in or f"tables.{self.name}"


FIGURES = (
    Figure("leads", "Leads over none against the margin", section="answer", parts=cases),
    Figure("stability", "Scores of the seeds by encoding", section="levels", parts=cases),
    Figure("levels", "Mean scores at a glance", section="levels"),
    Figure("spread", "How much the seeds differ", section="stability", parts=cases),
    Figure("choice", "How safe each encoding is as a choice", section="stability"),
    Figure("components", "Where the spread comes from", holds_streams, section="stability"),
    Figure("learning_curves", "Learning curves against none", section="cost", parts=others),
    Figure("data", "What the data sets are like", section="data", parts=datasets, panels=5),
    Figure("ranks", "Which encodings can be distinguished over all data sets", several_datasets),
    Figure(
        "correlation",
        "Does what works follow from deviation or from sparsity?",
        several_datasets,
        parts=others,
        panels=4,
    ),
    Figure("settings", "Level and spread against what the study varies", varies_a_number),
    Figure("protocols", "The protocols side by side", several_protocols, parts=variants, panels=2),
    Figure("diagnostics", "What the trained models do with positions", parts=cases, panels=3),
    Figure("attention", "Where the attention goes", parts=cases, panels=2),
    Figure("ties", "How often scores tie", parts=cases),
    Figure("switches", "What each switch of the released code does", turns_a_switch),
)
TABLES = (
    Table("cells", "Cells (NDCG@10 on the full catalogue unless another metric is named)", folded=False),
    Table("datasets", "Data sets", folded=False),
    Table("comparisons", "Encodings compared, two by two"),
    Table("choice", "Which encoding to take: by data set, over all, and for a new data set", folded=False),
    Table("ranks", "Mean ranks over data sets"),
    Table("correlation", "Correlation over data sets"),
    Table("claims", made_in="claims.judge"),
    Table("published"),
    Table("counts", "Counts beside those that are known"),
    Table("diagnostics", "Diagnostics by cell, measure and place"),
    Table("user_intervals", "Lead over none, for other seeds and other test users"),
    Table("new_targets", "All test targets, and those alone that were not in the history", buys_again),
    Table("thresholds", "From which deviation or sparsity on another encoding is best", several_datasets),
    Table("independent", "Correlation over independent data sets only", shares_sources),
    Table("components", "Where the spread comes from", holds_streams, made_in="topics.components"),
    Table("switches", "What each switch of the released code does", turns_a_switch),
    Table("interactions", "What a setting does to the leads over none", varies_settings),
    Table("runs", "Runs"),
)


def figures(study: Study) -> list[Figure]:
    """The figures that apply to a study."""
    return [figure for figure in FIGURES if figure.applies(study)]


def tables(study: Study) -> list[Table]:
    """The tables that apply to a study."""
    return [table for table in TABLES if table.applies(study)]


def module_of(entry: Figure | Table) -> Any:
    """Import the module that makes a figure or a table."""
    return import_module(f"posrec.analysis.{entry.module}")


def table_module(name: str) -> Any:
    """Import the module that makes the table of this name. Raises KeyError for a name that is not registered."""
    return module_of({table.name: table for table in TABLES}[name])
