"""The figures of a study, each as svg and png, with the data behind it and its caption."""

import re

from posrec import outputs, plan
from posrec.analysis import captions, marker, style
from posrec.analysis.tables import build_tables
from posrec.files import write_text
from posrec.study import Study


def write_figures(study: Study) -> None:
    """Draw the figures that a study has, and write last the marker with the analysis id."""
    tables = build_tables(study)
    *paths, last = plan.analysis_files(study)["figures"]
    for entry in outputs.figures(study):
        with style.house_style():
            figure, data = outputs.of_analysis(entry.draw)(tables)
            style.save(figure, paths[0].parent / entry.name, data)
        write_text(paths[0].parent / f"{entry.name}.rst", _plain(captions.caption(entry, tables)))
    marker.write_marker(last, paths)


def _plain(text: str) -> str:
    """Text as reStructuredText in which no character is markup: Snakemake's report shows it below the figure."""
    return re.sub(r"([\\*`|_])", r"\\\1", text) + "\n"
