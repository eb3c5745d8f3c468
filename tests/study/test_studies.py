"""Every study in studies/ is valid and can be planned without the network and without any raw file."""

from pathlib import Path

import pytest

from posrec.commands import plan
from posrec.plan.run import run_files
from posrec.study import study
from posrec.study.encodings import built_in_forms

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_valid_and_planned(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_MIRROR", raising=False)
    loaded = study.load(path)
    assert loaded.name == path.stem
    if sum(len(cell.seeds) for cell in loaded.cells) < 2000:  # printing a large plan looks for each of its files
        plan.print_plan(loaded)
        assert f"study {path.stem}" in capsys.readouterr().out
    files = list(run_files(loaded))
    assert len(files) == len(set(files)) == 2 * sum(len(cell.seeds) for cell in loaded.cells)


def test_the_papers_study_is_at_full_size() -> None:
    (path,) = (path for path in STUDIES if path.stem == "paper")
    loaded = study.load(path)
    assert sum(len(cell.seeds) for cell in loaded.cells) > 10_000
    assert len(loaded.settings.datasets) == 8
    assert len(loaded.settings.scoring_seeds) + len(loaded.settings.deviation_seeds) == 23


def test_the_first_look_has_every_form_of_every_encoding() -> None:
    settings = study.load(STUDIES[0].with_name("first_look.yaml")).settings
    assert sorted(settings.encodings) == sorted(built_in_forms())
