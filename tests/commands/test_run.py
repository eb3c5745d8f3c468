"""`posrec run`: the line of progress, from the files that are there."""

import sys
from pathlib import Path

import pytest

from posrec import cli
from posrec.analysis.places import analysis_files
from posrec.commands.run import Progress, watched
from posrec.files import write_text
from posrec.plan import ids
from posrec.plan.run import run_files
from tests.analysis import made_up


def test_the_line_counts_files_and_says_the_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = made_up.make_study(2)
    progress = Progress.of(study)
    assert progress.line(0.0) == "data sets 0/2"
    baselines = [ids.dataset_files(study, name).baselines for name in study.settings.datasets]
    write_text(baselines[0], "{}")
    assert progress.line(5.0) == "data sets 1/2"
    runs = [path for path in run_files(study) if path.suffix == ".json"]
    assert len(runs) == 24  # 2 data sets x (3 encodings x 3 seeds + 3 of the deviation)
    write_text(runs[0], "{}")
    assert progress.line(10.0) == "data sets 1/2, runs 1/24"  # what was there says nothing about the rate
    write_text(baselines[1], "{}")
    for path in runs[1:4]:
        write_text(path, "{}")
    assert progress.line(40.0) == "runs 4/24, about 3 min left"  # 3 runs in 30 s, 20 to go: 200 s
    for path in runs:
        write_text(path, "{}")
    assert progress.line(50.0) == "runs 24/24; writing the tables"
    for name in ("tables", "figures", "report"):
        write_text(analysis_files(study)[name][-1], "{}")
    assert progress.line(60.0) == "runs 24/24; tables, figures and report are there"


def test_the_status_and_the_output_are_those_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-c", "print('said'); raise SystemExit(3)"]
    assert watched(command, Path("log"), Progress.of(made_up.make_study())) == 3
    assert Path("log").read_text() == "said\n"
    assert capsys.readouterr().out == "data sets 0/1\n"


def test_words_after_two_dashes_are_snakemakes() -> None:
    assert cli._parted(["run", "--", "--cores", "2"]) == (["run"], ["--cores", "2"])
    assert cli._parted(["plan", "--", "a.yaml"]) == (["plan", "--", "a.yaml"], [])
