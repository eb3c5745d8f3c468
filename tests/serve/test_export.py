"""The folder of an exported model: whole, honest about the model, refused when changed, never in the way."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

import posrec
from posrec import cli
from posrec.errors import DataError, PosrecError, StudyError, WriteError
from posrec.files import read_checked_json, read_json, write_checked_json
from posrec.model.runs.run import Run
from posrec.plan.run import planned_runs
from posrec.serve import choose
from posrec.serve.export import export
from tests.model import toy
from tests.serve.conftest import STUDIES, make_study


def test_the_best_seed_by_validation_is_taken_with_its_metrics(place: Path) -> None:
    config = read_checked_json(Path("dot/config.json"))
    contents = {run.seed: Run(run).path for run in planned_runs(make_study("dot"))}
    found = choose.finished_runs(make_study("dot"), make_study("dot").cells[0])
    best = max(found, key=lambda one: (one.best, -one.run.seed))
    assert config["seeds"] == [best.run.seed]
    evaluation = read_json(contents[best.run.seed])["evaluations"]["sound"]
    assert config["metrics"]["test"] == {kind: evaluation[kind] for kind in ("full", "sampled")}
    card = Path("dot/README.md").read_text(encoding="utf-8")
    assert f"{100 * evaluation['full']['NDCG@10']:.2f}" in card
    assert "item_knn" in card
    assert f"{100 * config['metrics']['validation']:.2f} %" in card


def test_metrics_measured_again_are_those_of_the_run(place: Path) -> None:
    loaded = make_study("dot")
    data, candidates = choose.finished_runs(loaded, loaded.cells[0])[0].run.load()
    measured = choose.measure(posrec.load("dot").models, data, candidates, loaded.cells[0])
    kept = read_checked_json(Path("dot/config.json"))["metrics"]
    assert measured == {key: kept[key] for key in ("test", "validation")}


def test_weights_trained_again_are_those_that_were_kept(place: Path) -> None:
    loaded = make_study("added", training={"keep_weights": True})
    kept = choose.finished_runs(loaded, loaded.cells[0])[0].run.selected_weights()[1]
    shutil.rmtree(Path(".cache/runs"))
    export(loaded, loaded.cells[0], Path("again"))
    again = posrec.load("again").models[0].state_dict()
    assert again.keys() == kept.keys()
    assert all(torch.equal(again[name], kept[name]) for name in kept)
    assert read_json("again/config.json")["metrics"] == read_json("added/config.json")["metrics"]


def test_a_changed_file_is_refused_and_the_card_may_change(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree("dot", copy)
    (copy / "README.md").write_text("mine")
    assert posrec.load(copy).items == posrec.load("dot").items
    for name in ("config.json", "items.parquet", "attributes.safetensors"):
        shutil.copytree("dot", tmp_path / name)
        content = bytearray((tmp_path / name / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name / name).write_bytes(content)
        with pytest.raises(DataError, match="export the model again"):
            posrec.load(tmp_path / name)
    with pytest.raises(DataError, match="not an exported model"):
        posrec.load(tmp_path)


def test_a_folder_of_another_layout_or_other_settings_is_refused(place: Path, tmp_path: Path) -> None:
    whole = read_checked_json(Path("dot/config.json"))
    for change, message in (({"layout": 0}, "layout 0"), ({"model": {**whole["model"], "dimension": 16}}, "weights")):
        copy = tmp_path / message
        shutil.copytree("dot", copy)
        write_checked_json(copy / "config.json", {**whole, **change})
        with pytest.raises(DataError, match=message):
            posrec.load(copy)


def test_an_export_replaces_an_export_and_nothing_else(place: Path, tmp_path: Path) -> None:
    loaded = make_study("dot")
    target = tmp_path / "model"
    for _ in range(2):
        export(loaded, loaded.cells[0], target)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(WriteError, match="choose another folder"):
        export(loaded, loaded.cells[0], other)
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "model"]


def test_what_cannot_be_exported_is_refused_with_the_way_out(place: Path) -> None:
    loaded = make_study("dot")
    cell = loaded.cells[0]
    with pytest.raises(PosrecError, match="has 3 finished runs"):
        export(loaded, cell, Path("four"), seeds=4)
    untrained = make_study("dot", training={"learning_rate": 0.5})
    with pytest.raises(PosrecError, match="posrec train"):
        export(untrained, untrained.cells[0], Path("none"))
    control = toy.make_study(datasets={"toy": {**toy.RAW["datasets"]["toy"], "control": {"histories": "shuffle"}}})
    with pytest.raises(StudyError, match="control"):
        export(control, control.cells[0], Path("control"))
    with pytest.raises(StudyError, match="its encodings rope"):
        choose.cell_of(loaded, "nope", None, None, None)
    several = toy.make_study(study="dot", encodings=["rope"], model={"blocks": [1, 2]})
    with pytest.raises(StudyError, match="--settings 'blocks=2'"):
        choose.cell_of(several, "rope", "toy", None, None)
    assert choose.cell_of(several, "rope", "toy", "blocks=2", "sound").model.blocks == 2


def test_from_a_study_file_to_a_file_of_recommendations(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    raw = {**toy.RAW, "study": "dot", **STUDIES["dot"], "model": {**toy.RAW["model"], **STUDIES["dot"]["model"]}}
    Path("dot.yaml").write_text(yaml.safe_dump(raw))
    assert cli.main(["export", "dot.yaml", "--encoding", "rope", "--with-histories", "--out", "model"]) == 0
    assert "seeds" in capsys.readouterr().out
    assert cli.main(["recommend", "model", "--top", "3", "--out", "best.parquet"]) == 0
    assert "150 users" in capsys.readouterr().out
    found = pl.read_parquet("best.parquet")
    assert found.columns == ["user", "rank", "item", "score"]
    assert found.height == 450
    pl.read_parquet("model/histories.parquet").write_csv("histories.csv")
    assert cli.main(["recommend", "model", "--histories", "histories.csv", "--top", "3", "--out", "best.csv"]) == 0
    assert pl.read_csv("best.csv", infer_schema=False)["item"].to_list() == found["item"].to_list()
    assert cli.main(["recommend", "model", "--out", "best.txt"]) == 2
    assert ".parquet or .csv" in capsys.readouterr().err
