"""The figures of a study, each as svg, png and the data behind it."""

from collections.abc import Callable

from posrec import plan
from posrec.analysis import dataset_figures, marker, seed_figures, style, verdict_figures
from posrec.analysis.seed_figures import Drawn
from posrec.analysis.tables import Tables, build_tables
from posrec.study import Study

# Name (see plan.FIGURES) -> how it is drawn.
FIGURES: dict[str, Callable[[Tables], Drawn]] = {
    "claims": verdict_figures.claims,
    "stability": seed_figures.stability,
    "spread": seed_figures.spread,
    "ranks": verdict_figures.ranks,
    "correlation": dataset_figures.correlation,
    "levels": dataset_figures.levels,
    "learning_curves": dataset_figures.learning_curves,
}


def write_figures(study: Study) -> None:
    """Draw every figure of a study, and write last the marker with the analysis id."""
    tables = build_tables(study)
    *paths, last = plan.analysis_files(study)["figures"]
    for name in plan.FIGURES:
        with style.house_style():
            figure, data = FIGURES[name](tables)
            style.save(figure, paths[0].parent / name, data)
    marker.write_marker(last, paths)
