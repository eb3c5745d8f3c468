"""The figures of a study, each as svg and png, with its numbers and its caption."""

import re

from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from posrec.analysis.tables import marker
from posrec.analysis.tables.build import build_tables
from posrec.analysis.topics import style, wording
from posrec.files import write_text
from posrec.study.study import Study


def write_figures(study: Study) -> None:
    """Draw the figures that apply to a study, and last write the marker with the analysis id."""
    tables = build_tables(study)
    *paths, last = analysis_files(study)["figures"]
    for entry in registry.figures(study):
        with style.house_style():
            figure, data = registry.module_of(entry).draw(tables)
            style.save(figure, paths[0].parent / entry.name, data)
        write_text(paths[0].parent / f"{entry.name}.rst", _plain(wording.caption(entry, tables)))
    marker.write_marker(last, paths)


def _plain(text: str) -> str:
    """Escape text for reStructuredText: Snakemake's report shows it below the figure."""
    return re.sub(r"([\\*`|_])", r"\\\1", text) + "\n"
