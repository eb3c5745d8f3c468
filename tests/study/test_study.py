"""Studies are checked whole before anything runs; every complaint names the key and the way out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from posrec.analysis.topics import wording
from posrec.errors import StudyError
from posrec.study import study


def raw(**changes: Any) -> dict[str, Any]:
    """A small valid study, with top-level keys replaced; None drops a key."""
    content: dict[str, Any] = {
        "study": "small",
        "datasets": {"toy": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}},
        "encodings": ["none", "rope"],
        "model": {"dimension": 16, "heads": 2},
        "training": {"epochs": 1},
        "seeds": [1, 2, 3],
        **changes,
    }
    return {key: value for key, value in content.items() if value is not None}


def complaint(**changes: Any) -> str:
    with pytest.raises(StudyError) as caught:
        study.from_dict(raw(**changes), "my.yaml")
    return str(caught.value)


def test_cells_are_the_product_of_datasets_encodings_protocols_and_listed_settings() -> None:
    loaded = study.from_dict(raw(model={"dimension": [16, 32], "heads": 2}, protocols=["sound", "sound_last"]))
    assert len(loaded.cells) == 1 * 2 * 2 * 2
    assert {cell.model.dimension for cell in loaded.cells} == {16, 32}
    assert {cell.switches.targets for cell in loaded.cells} == {"all", "last"}


def test_settings_of_one_dataset_replace_the_common_ones() -> None:
    toy = raw()["datasets"]["toy"]
    loaded = study.from_dict(raw(datasets={"a": toy, "b": {**toy, "model": {"dimension": 32}}}))
    assert {(cell.dataset, cell.model.dimension) for cell in loaded.cells} == {("a", 16), ("b", 32)}


def test_deviation_seeds_belong_to_none_under_the_first_protocol_alone() -> None:
    loaded = study.from_dict(raw(deviation_seeds=[11, 12, 13], protocols=["sound", "sound_last"]))
    seeds = {(cell.encoding, cell.protocol.name): cell.seeds for cell in loaded.cells}
    assert seeds["none", "sound"] == (1, 2, 3, 11, 12, 13)
    assert seeds["none", "sound_last"] == seeds["rope", "sound"] == (1, 2, 3)


def test_only_keeps_matching_cells() -> None:
    loaded = study.from_dict(
        raw(model={"dimension": [16, 32], "heads": 2}, only=[{"encoding": "rope", "dimension": 32}])
    )
    assert [(cell.encoding, cell.model.dimension) for cell in loaded.cells] == [("rope", 32)]


def test_only_reads_values_as_the_grid_does() -> None:
    """1e-3 and 1e-05 (which DVC writes) are text to YAML 1.1."""
    grid = {"epochs": 1, "learning_rate": ["1e-3", "1e-05"]}
    for rate in ("1e-3", 0.001, "0.001", ["1e-3"]):
        loaded = study.from_dict(raw(training=grid, only=[{"learning_rate": rate}]))
        assert {cell.training.learning_rate for cell in loaded.cells} == {0.001}
    loaded = study.from_dict(raw(training=grid, only=[{"numerics": {"device": "cpu"}, "learning_rate": 1e-5}]))
    assert len(loaded.cells) == 2
    assert "dataset: 2018 is not text: quote it" in complaint(only=[{"dataset": 2018}])


def test_only_that_matches_nothing_in_the_grid_is_an_error() -> None:
    assert "128 is not in the grid" in complaint(only=[{"dimension": 128}])
    assert "did you mean 'encoding'" in complaint(only=[{"encodng": "rope"}])


@pytest.mark.parametrize("written", ["1e-4", "'1e-4'", "0.0001", "1.0e-4"])
def test_numbers_are_read_however_yaml_writes_them(tmp_path: Path, written: str) -> None:
    text = yaml.safe_dump(raw(training=None)) + f"training: {{learning_rate: {written}}}\n"
    (tmp_path / "study.yaml").write_text(text)
    assert {cell.training.learning_rate for cell in study.load(tmp_path / "study.yaml").cells} == {1e-4}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"encodings": ["rop"]}, "my.yaml: encodings: 'rop' does not exist; did you mean 'rope'?"),
        (
            {"encodings": ["none", False]},
            "encodings[2]: Input should be a valid string (given: false): YAML does not read",
        ),
        ({"encodings": [False]}, 'quote it, as in "no" or "off"'),
        ({"encodings": [None]}, 'quote it, as in "null"'),
        ({"encodings": [1.5]}, 'quote it, as in "1.5"'),
        ({"study": 2018}, "study: Input should be a valid string (given: 2018): YAML does not read"),
        ({"report": {"title": True}}, "report.title: Input should be a valid string (given: true): YAML does not"),
        ({"protocols": [True]}, 'quote it, as in "yes" or "on"'),
        ({"seedz": [1]}, "seedz: unknown key; did you mean 'seeds'?"),
        ({"training": {"learning_rat": 1}}, "training.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"epochs": []}}, "training.epochs: an empty list"),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate"),
        ({"model": {"dimension": 30, "heads": 4}}, "model.heads: 4 heads do not divide dimension 30"),
        ({"protocols": ["sond"]}, "did you mean 'sound'?"),
        ({"datasets": {"toy": {}}}, "datasets.toy: give one of `source`, `table` and `simulate`"),
        ({"datasets": {}}, "datasets"),
        ({"seeds": [1, 2]}, "at least 3 different seeds (given: 2)"),
        ({"seeds": [1, 2, 3, 2]}, "seeds: 2 is listed twice"),
        ({"seeds": None}, "seeds: Field required"),
        ({"deviation_seeds": [3, 4, 5]}, "deviation_seeds: [3] are also in seeds"),
        ({"deviation_seeds": [4, 5, 6], "encodings": ["rope"]}, "need the encoding 'none'"),
        ({"study": "../up"}, "study"),
        (
            {"datasets": {"toy": {"source": "carca-games", "table": {"path": "a.tsv"}}}},
            "datasets.toy: give one of `source`",
        ),
        ({"datasets": {"toy": {"table": {}}}}, "datasets.toy.table.path: Field required"),
        ({"datasets": {"toy": {"table": {"path": "a{b}.tsv"}}}}, "datasets.toy.table.path: String should match"),
        (
            {"datasets": {"toy": {"table": {"path": "a.tsv", "users": "u"}}}},
            "datasets.toy.table.users: unknown key; did",
        ),
        (
            {"datasets": {"toy": {"table": {"path": "a.tsv", "time_unit": "days"}}}},
            "datasets.toy.table.time_unit: Input",
        ),
        ({"datasets": {"toy": {"source": "carca-games", "bad_lines": -1}}}, "datasets.toy.bad_lines: Input should be"),
    ],
)
def test_complaints_name_the_key_and_the_way_out(changes: dict[str, Any], expected: str) -> None:
    text = complaint(**changes)
    assert text.startswith("my.yaml: ")
    assert expected in text


def test_a_study_of_levels_alone_needs_no_three_seeds() -> None:
    assert study.from_dict(raw(seeds=[1], report={"stability": False})).cells


def test_a_bound_that_blinds_the_model_is_a_warning() -> None:
    toy = {**raw()["datasets"]["toy"], "attributes": False}
    bound = {"dimension": 16, "upper_bound": 1e-4}
    assert "cannot distinguish items" in study.from_dict(raw(datasets={"toy": toy}, model=bound)).warnings[0]
    assert not study.from_dict(raw(model=bound)).warnings


def test_what_the_packed_engine_does_not_compute_is_said() -> None:
    """Cells that are trained with padded histories, in the plan, the log of a job and the report."""
    mixed = {"name": "mixed", "base": "sound", "rmha_softmax": "released"}
    loaded = study.from_dict(raw(protocols=["sound", mixed], encodings=["none", "rmha4"]))
    assert [cell.encoding for cell in loaded.cells if cell.layout == "padded"] == ["rmha4"]
    note = study.padded_note(loaded.cells)
    assert note.startswith("rmha4 under protocol mixed: the second softmax")
    assert loaded.warnings == (note,)
    assert wording.training(loaded) == f"Not by the packed engine: {note}."
    assert wording.training(study.from_dict(raw(encodings=["none", "rmha4"]))) == ""


def test_data_without_times_have_no_context_and_suggest_the_dot_head() -> None:
    datasets = {
        "games": {"source": "carca-games"},
        "mine": {"table": {"path": "a.tsv", "time": None}},
        **raw()["datasets"],
    }
    loaded = study.from_dict(raw(datasets=datasets, model={"dimension": 16, "head": "carca", "context": [True, False]}))
    context = {name: {cell.model.context for cell in loaded.cells if cell.dataset == name} for name in datasets}
    assert context == {"games": {False}, "mine": {False}, "toy": {True, False}}
    assert len([cell for cell in loaded.cells if cell.dataset == "games"]) == 2  # not twice for the two contexts
    assert len(loaded.warnings) == 2
    for name, warning in zip(("games", "mine"), loaded.warnings, strict=True):
        assert warning.startswith(f"datasets.{name}: the data have no times, so context is switched off; there are")
        assert warning.endswith(f"datasets.{name}.model: {{head: dot}}")
    games = {"source": "carca-games", "model": {"head": "dot"}}
    assert study.from_dict(raw(datasets={"games": games})).warnings == ()  # no context is asked for
    dot = study.from_dict(raw(datasets={"games": games}, model={"dimension": 16, "context": True}))
    assert dot.warnings == ("datasets.games: the data have no times, so context is switched off",)
    text = complaint(datasets={"games": {"source": "carca-games", "model": {"context": True}}})
    assert text.startswith("my.yaml: datasets.games.model.context: the data have no times")


@pytest.mark.parametrize("text", ["- a\n- list\n", "a: [1,\n", "\x00"])
def test_files_that_are_no_study_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=r"broken\.yaml"):
        study.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"absent\.yaml: cannot be read"):
        study.load(tmp_path / "absent.yaml")


def test_the_resolved_settings_are_the_same_study_again() -> None:
    """What the workflow writes for its rules must give the cells that the user's file gives."""
    first = study.from_dict(raw(training={"learning_rate": "1e-4", "epochs": [1, 2]}, deviation_seeds=[11, 12, 13]))
    again = study.from_dict(first.settings.model_dump(mode="json"))
    assert again.cells == first.cells
    assert again.settings == first.settings


def test_declared_looks_train_the_seeds_of_the_current_one() -> None:
    made = _with_seeds({"looks": [5, 8, 12], "now": 8, "first": 3})
    assert made.settings.scoring_seeds == [3, 4, 5, 6, 7, 8, 9, 10]
    assert made.settings.looks == (5, 8, 12)
    assert {cell.seeds for cell in made.cells} == {(3, 4, 5, 6, 7, 8, 9, 10)}
    assert _with_seeds({"looks": [5, 8]}).settings.scoring_seeds == [1, 2, 3, 4, 5]
    assert _with_seeds([1, 2, 9]).settings.looks == ()


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ({"looks": [5, 8], "now": 7}, "seeds: now is one of the looks \\[5, 8\\], not 7"),
        ({"looks": [8, 5]}, "seeds: looks are rising numbers of seeds"),
        ({"look": [5]}, "seeds.look: unknown key; did you mean 'looks'"),
        ({"looks": [5], "spend": "pocock"}, "seeds.spend: Input should be 'obrien_fleming'"),
        ("five", "seeds: Input should be a valid array"),
    ],
)
def test_looks_that_cannot_be_are_refused(seeds: object, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        _with_seeds(seeds)


def test_deviation_seeds_stay_apart_from_all_looks() -> None:
    with pytest.raises(StudyError, match=r"deviation_seeds: \[7\] are also in seeds"):
        _with_seeds({"looks": [5, 8]}, [7, 20, 21])


def _with_seeds(seeds: object, deviation: list[int] | None = None) -> study.Study:
    raw = {"study": "s", "datasets": {"d": {"simulate": {"users": 100, "items": 50, "mean_length": 6}}}}
    return study.from_dict({**raw, "encodings": ["none"], "seeds": seeds, "deviation_seeds": deviation or []})
