"""The figures of a study, each as svg and png, with its numbers and its caption."""

import re
from pathlib import Path

from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from posrec.analysis.tables import marker
from posrec.analysis.tables.build import Tables, build_tables
from posrec.analysis.topics import style, wording
from posrec.files import write_text
from posrec.study.study import Study


def write_figures(study: Study) -> None:
    """Draw the figures that apply to a study, and last write the marker with the analysis id."""
    tables = build_tables(study)
    *paths, last = analysis_files(study)["figures"]
    with marker.marked(last, paths, tables.inputs.checksum):
        for entry in registry.figures(study):
            _write_figure(entry, tables, last.parent)


def _write_figure(entry: registry.Figure, tables: Tables, folder: Path) -> None:
    """All pages of a figure; each has the numbers of the whole figure."""
    module, text = registry.module_of(entry), _plain(wording.caption(entry, tables))
    for name, part in entry.pages(tables.inputs.study):
        with style.house_style():
            figure, data = module.draw(tables, part) if entry.parts is not registry.one else module.draw(tables)
            style.save(figure, folder / name, data)
        write_text(folder / f"{name}.rst", text)


def _plain(text: str) -> str:
    """Escape text for reStructuredText: Snakemake's report shows it below the figure."""
    return re.sub(r"([\\*`|_])", r"\\\1", text) + "\n"
