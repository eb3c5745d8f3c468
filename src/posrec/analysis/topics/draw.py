"""The figures of a study, each as svg and png, with the data behind it and its caption."""

import re

from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from posrec.analysis.tables import marker
from posrec.analysis.tables.build import build_tables
from posrec.analysis.topics import captions, style
from posrec.files import write_text
from posrec.study.study import Study


def write_figures(study: Study) -> None:
    """Draw the figures that a study has, and write last the marker with the analysis id."""
    tables = build_tables(study)
    *paths, last = analysis_files(study)["figures"]
    for entry in registry.figures(study):
        with style.house_style():
            figure, data = registry.of_analysis(entry.draw)(tables)
            style.save(figure, paths[0].parent / entry.name, data)
        write_text(paths[0].parent / f"{entry.name}.rst", _plain(captions.caption(entry, tables)))
    marker.write_marker(last, paths)


def _plain(text: str) -> str:
    """Text as reStructuredText in which no character is markup: Snakemake's report shows it below the figure."""
    return re.sub(r"([\\*`|_])", r"\\\1", text) + "\n"
