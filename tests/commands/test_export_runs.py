"""Runs for other tools, read back with those tools; the extras' tests run where the extras are installed."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from posrec import cli
from posrec.files import write_text
from posrec.study.study import Study
from tests.analysis import made_up


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A made-up study with one failed run, in the working folder."""
    monkeypatch.chdir(tmp_path)
    made = made_up.make_study(deviation_seeds=[])
    made_up.write_study(made, made_up.plain_score)
    made_up.write_run(made, made.cells[0], 2, made_up.failed_record(made, made.cells[0], 2))
    write_text("params.yaml", yaml.safe_dump(made.settings.model_dump(mode="json", exclude_defaults=True)))
    return made


def test_csv(study: Study) -> None:
    assert cli.main(["export-runs", "--csv", "runs.csv"]) == 0
    found = pd.read_csv("runs.csv").set_index(["encoding", "seed"])
    assert len(found) == 9
    assert found.loc[("rope", 3), "sound/full/NDCG@10"] == pytest.approx(0.15)  # .14 + .01 x (3 - 2)
    assert found.loc[("none", 2), "status"] == "failed"
    assert pd.isna(found.loc[("none", 2), "sound/full/NDCG@10"])
    assert (found["model.dimension"] == 8).all()


def test_tensorboard(study: Study) -> None:
    pytest.importorskip("tensorboard", reason="TENSORBOARD: not installed; pip install 'posrec[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert cli.main(["export-runs", "--tensorboard", "board"]) == 0
    folders = sorted(Path("board").iterdir())
    assert len(folders) == 9
    read = EventAccumulator(str(next(each for each in folders if "rope" in each.name and "seed_3" in each.name)))
    read.Reload()
    assert read.Scalars("sound/full/NDCG@10")[0].value == pytest.approx(0.15)
    assert [point.step for point in read.Scalars("curve/validation")] == [1, 3, 4, 5]  # epoch 2 was not read


def test_mlflow(study: Study) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLFLOW: not installed; pip install 'posrec[mlflow]'")
    assert cli.main(["export-runs", "--mlflow", "tracked"]) == 0
    client = mlflow.MlflowClient(f"sqlite:///{Path('tracked').resolve()}/mlflow.db")
    experiment = client.get_experiment_by_name("made-up")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 9
    (rope,) = (one for one in found if one.data.params["encoding"] == "rope" and one.data.params["seed"] == "3")
    assert rope.data.metrics["sound/full/NDCG_10"] == pytest.approx(0.15)
    assert [point.step for point in client.get_metric_history(rope.info.run_id, "curve/validation")] == [1, 3, 4, 5]
    assert {one.info.status for one in found} == {"FINISHED", "FAILED"}


def test_a_format_is_needed_and_a_full_folder_is_kept(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export-runs"]) == 2
    assert "--csv FILE, --tensorboard DIR or --mlflow DIR" in capsys.readouterr().err
    write_text("board/mine.txt", "keep")
    assert cli.main(["export-runs", "--tensorboard", "board"]) == 2
    assert "board: is not empty" in capsys.readouterr().err
    assert Path("board/mine.txt").read_text() == "keep"
