"""The report: one self-contained HTML file that needs no network."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from posrec.analysis.places import analysis_files
from posrec.analysis.report.sections import SECTIONS
from posrec.analysis.tables import marker
from posrec.analysis.tables.build import Tables, build_tables
from posrec.analysis.topics import wording
from posrec.files import write_text
from posrec.study.study import Study

MOST_COLUMNS = 9  # of a table before "more"
LONG = 40  # letters of a cell that wraps
NUMBER = re.compile(r"[-+±]?[0-9][0-9,.e+-]*( ?%)?( \[[-+0-9., e]+\])?|-")


def render(tables: Tables) -> str:
    """The report's HTML, from the tables and the figures on disk. Raises DataError where a figure is missing."""
    study = tables.inputs.study
    environment = Environment(
        loader=PackageLoader("posrec.analysis.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html").render(
        title=study.settings.report.title or f"Positional encodings: {study.name}",
        simulated=wording.simulated_note(tables.inputs),
        sections=[section(tables) for section in SECTIONS],
        most_columns=MOST_COLUMNS,
        look=_look,
    )


def _look(value: str, column: int) -> Markup:
    """The classes of a table's cell: numbers are aligned right, long text wraps, late columns open with "more"."""
    classes = ["number"] * bool(NUMBER.fullmatch(value)) + ["text"] * (len(value) > LONG)
    classes += ["more"] * (column > MOST_COLUMNS)
    return Markup(f' class="{" ".join(classes)}"' if classes else "")


def write_report(study: Study) -> None:
    """Write report.html from run files and figures, and last the marker with the analysis id.

    Raises DataError where the figures are missing, not current or drawn from other results.
    """
    files = analysis_files(study)
    *figures, drawn = files["figures"]
    tables = build_tables(study)
    marker.check_marker(drawn, figures, "posrec figures", tables.inputs.checksum)
    page, last = files["report"]
    with marker.marked(last, [page], tables.inputs.checksum):
        write_text(page, render(tables))
