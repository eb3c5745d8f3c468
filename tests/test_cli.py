"""The command line: verbs, errors without a traceback, `plan`, `prune` and `schema`."""

import argparse
import importlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from posrec import cli, commands
from posrec.commands import prune, schema
from posrec.errors import PosrecError
from posrec.files import write_json, write_text
from posrec.plan import ids
from posrec.plan.run import run_files
from posrec.store import lock, places
from posrec.study import study

STUDY = {
    "study": "small",
    "datasets": {"toy": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}},
    "encodings": ["none", "rope"],
    "model": {"dimension": 16},
    "training": {"epochs": 1},
    "seeds": [1, 2, 3],
}

DATASET_VERBS = {"simulate", "prepare", "candidates", "describe", "baselines"}
WITHOUT_STUDY = {"fetch", "look", "store", "doctor", "schema", "encodings", "recommend"}
NEEDED = {"export": ["--encoding", "rope", "--out", "model"], "compare": ["--write-candidates", "all.csv"]}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> study.Study:
    """The small study as params.yaml of an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    write_text("params.yaml", yaml.safe_dump(STUDY))
    return study.load("params.yaml")


def planned(loaded: study.Study) -> list[Path]:
    files = ids.dataset_files(loaded, "toy")
    data = [files.arrays, files.manifest, files.id_map, files.candidates, files.card, files.baselines]
    return data + list(run_files(loaded))


def complete(loaded: study.Study) -> None:
    for path in planned(loaded):
        write_json(path, {"status": "finished"})


def verbs() -> list[str]:
    (found,) = (action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction))
    return list(found.choices)


def test_each_verb_has_a_file_with_its_name() -> None:
    files = {path.stem for path in Path(commands.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {verb.replace("-", "_") for verb in verbs()}
    assert [name for name in files if not callable(importlib.import_module(f"posrec.commands.{name}").run)] == []


@pytest.mark.parametrize("verb", ["", *verbs()])
def test_every_help_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([*verb.split(), "--help"])
    assert stopped.value.code == 0
    assert f"posrec {verb}" in capsys.readouterr().out.split("examples:")[1]


@pytest.mark.parametrize("verb", sorted(set(verbs()) - WITHOUT_STUDY))
def test_every_verb_of_a_study_takes_it_as_argument_or_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    parse, given = cli.parser().parse_args, ["--dataset", "toy"] if verb in DATASET_VERBS else NEEDED.get(verb, [])
    assert parse([verb, *given]).study == "params.yaml"
    assert parse([verb, "mine.yaml", *given]).study == "mine.yaml"
    assert parse([verb, *given, "--study", "mine.yaml"]).study == "mine.yaml"
    with pytest.raises(SystemExit):
        parse([verb, "mine.yaml", "--study", "other.yaml", *given])
    assert "not allowed with" in capsys.readouterr().err


def test_a_wrong_study_is_told_without_a_traceback(small: study.Study) -> None:
    write_text("params.yaml", yaml.safe_dump({**STUDY, "seedz": [1]}))
    done = subprocess.run([sys.executable, "-m", "posrec.cli", "plan"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("posrec: params.yaml: seedz: unknown key")
    assert "Traceback" not in done.stderr


def test_a_reader_that_stops_reading_is_no_error(small: study.Study) -> None:
    command = [sys.executable, "-m", "posrec.cli", "plan", "--no-calibration"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_an_unknown_dataset_names_those_of_the_study(small: study.Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prepare", "--dataset", "tyo"]) == 2
    assert "--dataset tyo: the study has toy" in capsys.readouterr().err


def test_planning_imports_neither_torch_nor_pandas(small: study.Study) -> None:
    """What the workflow needs of the plan; `posrec plan` adds the statistics of what a study can decide."""
    code = (
        "import sys; from posrec.commands import plan; from posrec.plan import work; "
        "from posrec.study.study import load; study = load('params.yaml'); plan.print_plan(study); "
        "plan.print_estimate(study, work.SPEED, ''); "
        "print([name for name in ('torch', 'pandas', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def state_line(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert cli.main(["plan", "--no-calibration"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return next(line for line in lines if line.startswith("toy")).split()


def test_plan_counts_what_is_there_stored_and_to_train(small: study.Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert state_line(capsys) == ["toy", "2", "6", "0", "0", "0", "0", "6"]
    cell = small.cells[0]
    placed = next(run_files(small, [cell])).parent
    write_json(placed / "seed=1.json", {})
    write_json(placed / "seed=1.npz", {})
    stored = Path(ids.STORE) / "runs" / ids.run_id(small, cell)
    block = ids.block_id(small, "sound")
    write_json(stored / "seed=2" / f"{block}.json", {})
    write_json(stored / "seed=2" / f"{block}.npz", {})
    write_json(stored / "seed=3" / "curve.json", {})
    write_json(stored / "seed=3" / "curve.npz", {})
    write_text(stored / "seed=3" / "weights-epoch=4.pt", "")
    assert state_line(capsys) == ["toy", "2", "6", "1", "0", "1", "1", "3"]
    write_text(placed / "seed=1.json", "{half")
    assert state_line(capsys) == ["toy", "2", "6", "0", "0", "1", "1", "4"]


def test_plan_finds_the_store_that_the_environment_names(
    small: study.Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSREC_STORE", str(tmp_path / "elsewhere"))
    block = tmp_path / "elsewhere/runs" / ids.run_id(small, small.cells[0]) / "seed=1" / ids.block_id(small, "sound")
    write_json(block.with_name(f"{block.name}.json"), {})
    write_json(block.with_name(f"{block.name}.npz"), {})
    assert state_line(capsys) == ["toy", "2", "6", "0", "0", "1", "0", "5"]


def test_prune_moves_what_is_not_planned_and_nothing_else(small: study.Study) -> None:
    complete(small)
    folder = ids.STUDIES / "small"
    old = folder / "runs/toy/rope/0123456789ab/0123456789ab/seed=1.json"
    write_text(old, "old")
    write_text(folder / "tables/runs.csv", "kept")
    prune.prune(small)
    assert not old.parent.parent.exists()
    assert (places.PRUNED / old.relative_to(ids.STUDIES)).read_text() == "old"
    assert (folder / "tables/runs.csv").exists()
    assert all(path.exists() for path in planned(small))


def test_prune_keeps_a_link_to_the_folder_of_a_planned_data_set(small: study.Study) -> None:
    complete(small)
    folder = ids.dataset_files(small, "toy").folder
    elsewhere = Path("other-disk")
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere.absolute())
    stray = folder.parent / "stray"
    stray.symlink_to(elsewhere.absolute())
    prune.prune(small)
    assert folder.is_symlink()
    assert not stray.is_symlink()
    assert places.unplanned_files(small, "data") == []
    assert all(path.exists() for path in planned(small))


def test_prune_never_overwrites_what_it_moved_before(small: study.Study) -> None:
    complete(small)
    old = ids.STUDIES / "small/data/toy/old.npz"
    for text in ("first", "second", "third"):
        write_text(old, text)
        prune.prune(small)
    moved = sorted((places.PRUNED / "small/data/toy").iterdir())
    assert [path.read_text() for path in moved] == ["first", "second", "third"]


def test_prune_of_one_part_leaves_the_other(small: study.Study) -> None:
    complete(small)
    superfluous = [ids.STUDIES / "small" / part / "old.json" for part in places.PARTS]
    for path in superfluous:
        write_text(path, "old")
    assert cli.main(["prune", "--only", "data"]) == 0
    assert [path.exists() for path in superfluous] == [False, True]


def test_prune_refuses_an_incomplete_study(small: study.Study) -> None:
    complete(small)
    missing = planned(small)[-1]
    missing.unlink()
    old = ids.STUDIES / "small/runs/old.json"
    write_text(old, "old")
    with pytest.raises(PosrecError, match=rf"1 planned files are missing \({missing}\).*snakemake --cores all trained"):
        prune.prune(small)
    assert old.exists()
    prune.prune(small, only="data")  # whose files are all there


def test_prune_refuses_while_a_workflow_runs_and_not_when_it_was_killed(small: study.Study) -> None:
    complete(small)
    lock.claim("small")
    with pytest.raises(PosrecError, match="wait for it"):
        prune.prune(small)
    path = lock.HOLDERS / "small.json"
    write_json(path, {**json.loads(path.read_text()), "started": "long ago"})
    prune.prune(small)


def test_prune_deletes_what_a_kill_left_of_a_write(small: study.Study) -> None:
    complete(small)
    half = ids.STUDIES / "small/tables/.runs.csv.x7.tmp"
    write_text(half, "half")
    prune.prune(small)
    assert not half.exists()
    assert not places.PRUNED.exists()


def test_the_committed_schema_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    schema.write_schema(None)
    committed = Path(__file__).parents[1] / "workflow/schemas/study.schema.json"
    assert capsys.readouterr().out == committed.read_text(), (
        "run: posrec schema --write workflow/schemas/study.schema.json"
    )


def test_a_schema_is_not_written_into_a_folder_that_does_not_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schema", "--write", str(tmp_path / "absent/x.json")]) == 2
    assert "absent does not exist; make it, or correct the path" in capsys.readouterr().err
    assert not (tmp_path / "absent").exists()
    assert cli.main(["schema", "--write", str(tmp_path / "x.json")]) == 0


def test_every_key_of_the_schema_is_described() -> None:
    def undescribed(node: object, where: str = "") -> list[str]:
        if isinstance(node, list):
            return [path for value in node for path in undescribed(value, where)]
        if not isinstance(node, dict):
            return []
        own = [f"{where}.{key}" for key, value in node.get("properties", {}).items() if not value.get("description")]
        return own + [path for key, value in node.items() for path in undescribed(value, f"{where}.{key}")]

    assert undescribed(schema.study_schema()) == []


def test_the_schema_accepts_lists_and_refuses_what_the_study_refuses() -> None:
    check = jsonschema.Draft202012Validator(schema.study_schema())
    assert check.is_valid({**STUDY, "model": {"dimension": [16, 32]}})
    assert check.is_valid({**STUDY, "training": {"numerics": {"precision": "fp64"}, "held_streams": {"order": 1}}})
    wrong = (
        {"encodings": ["rop"]},
        {"seedz": [1]},
        {"model": {"dimension": [2]}},
        {"training": {"epoch": 1}},
        {"study": "a b"},
    )
    for change in wrong:
        assert not check.is_valid({**STUDY, **change}), change
        with pytest.raises(PosrecError):
            study.from_dict({**STUDY, **change})
