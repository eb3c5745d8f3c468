"""The report: one self-contained HTML file that needs no network."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from posrec import plan
from posrec.analysis import marker, wording
from posrec.analysis.sections import SECTIONS
from posrec.analysis.tables import Tables, build_tables
from posrec.files import write_text
from posrec.study import Study


def render(tables: Tables) -> str:
    """The report's HTML, from the tables and the figures on disk. Raises DataError where a figure is missing."""
    study = tables.inputs.study
    environment = Environment(
        loader=PackageLoader("posrec", "analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html").render(
        title=study.settings.report.title or f"Positional encodings: {study.name}",
        simulated=wording.simulated_note(tables.inputs),
        sections=[section(tables) for section in SECTIONS],
    )


def write_report(study: Study) -> None:
    """Write report.html from run files and figures, and last the marker with the analysis id.

    Raises DataError where the figures are missing or of another state.
    """
    files = plan.analysis_files(study)
    *figures, drawn = files["figures"]
    marker.check_marker(drawn, figures, "posrec figures")
    page, last = files["report"]
    write_text(page, render(build_tables(study)))
    marker.write_marker(last, [page])
