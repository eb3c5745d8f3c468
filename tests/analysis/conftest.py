"""Fixtures: studies with made-up results, in a folder of their own."""

from pathlib import Path

import pytest

from posrec.analysis.report import write
from posrec.analysis.tables import build
from posrec.analysis.topics import draw
from posrec.study.study import Cell, Study
from tests.analysis import made_up


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _score(cell: Cell, seed: int) -> float:
    """Level and spread of every encoding differ from data set to data set."""
    number = int(cell.dataset[-1])
    place = ["none", "abs", "rope"].index(cell.encoding)
    return made_up.plain_score(cell, seed) + 0.001 * number * (seed % 3) + 0.002 * number * place * (seed % 2)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """Four simulated data sets with 3 seeds, one failed and one collapsed run: everything written once."""
    folder = tmp_path_factory.mktemp("rendered")
    study = made_up.make_study(4)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made_up.write_study(study, _score)
        cell = study.cells[1]
        made_up.write_run(study, cell, 2, made_up.failed_record(study, cell, 2))
        cell = study.cells[2]
        made_up.write_run(study, cell, 3, made_up.collapsed_record(study, cell, 3))
        build.write_tables(study)
        draw.write_figures(study)
        write.write_report(study)
    return folder, study
