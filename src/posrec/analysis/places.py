"""Where the tables, figures and report of a study are, and the id that says whether they are current."""

from pathlib import Path

from posrec.analysis import registry
from posrec.files import digest
from posrec.plan import ids
from posrec.plan.run import run_files
from posrec.study import variation
from posrec.study.study import Study

FIGURE_FILES = ("svg", "png", "csv", "rst")  # drawing, drawing, data, caption


def analysis_id(study: Study) -> str:
    """Id of tables, figures and report.

    It covers the planned run files, the text of the analysis code, the published figures and the report settings.
    """
    code = [*sorted(Path(__file__).parent.rglob("*")), Path(variation.__file__)]
    texts = [path.read_text(encoding="utf-8") for path in code if path.suffix in (".py", ".html", ".csv")]
    runs = [str(path) for path in run_files(study)]
    stated = [study.settings.report.model_dump(), study.settings.deviation_seeds, list(study.settings.looks)]
    return digest([runs, texts, *stated])


def analysis_files(study: Study) -> dict[str, list[Path]]:
    """Outputs of the analysis rules; the last of each is the marker, named after the analysis id and written last."""
    folder = ids.STUDIES / study.name
    marker = f"analysis={analysis_id(study)}.json"
    drawn = [name for figure in registry.figures(study) for name, _ in figure.pages(study)]
    figures = [folder / "figures" / f"{name}.{kind}" for name in drawn for kind in FIGURE_FILES]
    tables = [*(f"{table.name}.csv" for table in registry.tables(study)), "metrics.json"]
    return {
        "tables": [*(folder / "tables" / name for name in tables), folder / "tables" / marker],
        "figures": [*figures, folder / "figures" / marker],
        "report": [folder / "report.html", folder / "report" / marker],
    }


def left_over(study: Study) -> list[Path]:
    """What is in the folders of tables, figures and report that the study does not plan."""
    planned = {path for paths in analysis_files(study).values() for path in paths}
    folders = sorted({paths[-1].parent for paths in analysis_files(study).values()})
    there = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file()]
    return [path for path in there if path not in planned]


def provenance_files(study: Study) -> list[Path]:
    """The page of where the results come from, and its marker: outside the study's folder and not a DVC out."""
    folder = ids.PROVENANCE / study.name
    return [folder / "index.html", folder / f"analysis={analysis_id(study)}.json"]
