"""Ids change with exactly what can change the bytes they name, and the plan is a function of the study alone."""

from pathlib import Path
from typing import Any

import pytest

from posrec import versions
from posrec.analysis.places import analysis_files, analysis_id
from posrec.data.prepare import prepare
from posrec.errors import StudyError
from posrec.files import sha256
from posrec.plan import ids as planned
from posrec.plan.run import run_files
from posrec.study import sources, study
from posrec.study.settings.table import ItemTableSettings, TableSettings

SIMULATION = {"users": 50, "items": 30, "mean_length": 5}


def small(**changes: Any) -> study.Study:
    content: dict[str, Any] = {
        "study": "small",
        "datasets": {"toy": {"simulate": SIMULATION}},
        "encodings": ["none", "rope"],
        "model": {"dimension": 16},
        "training": {"epochs": 1},
        "seeds": [1, 2, 3],
    }
    return study.from_dict({**content, **changes})


def ids(loaded: study.Study) -> dict[str, str]:
    """All ids of a study, of its first cell and of its only data set."""
    return {
        "dataset": planned.dataset_id("toy", loaded.settings.datasets["toy"]),
        "run": planned.run_id(loaded, loaded.cells[0]),
        "evaluation": planned.evaluation_id(loaded),
        "candidates": planned.candidates_id(loaded),
        "analysis": analysis_id(loaded),
    }


def changed(after: study.Study, before: study.Study | None = None) -> set[str]:
    old = ids(before or small())
    return {name for name, value in ids(after).items() if value != old[name]}


def dataset(**settings: Any) -> dict[str, Any]:
    return {"datasets": {"toy": {"simulate": SIMULATION, **settings}}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"training": {"epochs": 1, "learning_rate": 1e-4}}, {"run", "analysis"}),
        ({"model": {"dimension": 32}}, {"run", "analysis"}),
        ({"training": {"epochs": 1, "keep_weights": True}}, set()),
        ({"evaluation": {"negatives": 50}}, {"evaluation", "candidates", "analysis"}),
        ({"evaluation": {"candidates_seed": 1}}, {"evaluation", "candidates", "analysis"}),
        ({"seeds": [1, 2, 3, 4]}, {"analysis"}),
        ({"deviation_seeds": [5, 6, 7]}, {"analysis"}),
        ({"report": {"title": "Small"}}, {"analysis"}),
        (dataset(k_core=3), {"dataset", "run", "analysis"}),
        (dataset(tied_times="file"), {"dataset", "run", "analysis"}),
        (dataset(duplicates="keep"), {"dataset", "run", "analysis"}),
        (dataset(expect={"users": 1, "items": 1, "interactions": 1}), set()),
        ({"encodings": ["none"]}, {"analysis"}),
        ({"model": {"dimension": 16, "blocks": 1}}, set()),  # the default, written out
        ({"training": {"epochs": 1, "learning_rate": "3e-3"}}, set()),
    ],
)
def test_ids_change_with_what_they_name(changes: dict[str, Any], expected: set[str]) -> None:
    assert changed(small(**changes)) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("DATA_VERSION", {"dataset", "run", "analysis"}),
        ("TRAINING_VERSION", {"run", "analysis"}),
        ("EVALUATION_VERSION", {"evaluation", "candidates", "analysis"}),
    ],
)
def test_a_raised_version_changes_what_it_governs(
    monkeypatch: pytest.MonkeyPatch, version: str, expected: set[str]
) -> None:
    before = ids(small())
    monkeypatch.setattr(versions, version, getattr(versions, version) + 1)
    after = ids(small())
    assert {name for name in before if before[name] != after[name]} == expected


def test_ids_of_existing_results_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another id would train all of a study again. Only a raised version may change one, so versions are 0 here."""
    for version in ("DATA_VERSION", "TRAINING_VERSION", "EVALUATION_VERSION"):
        monkeypatch.setattr(versions, version, 0)
    datasets = {"toy": {"simulate": SIMULATION}, "own": {"table": {"path": "own.csv", "sha256": "0" * 64}}}
    loaded = small(datasets=datasets, encodings=["none", "rmha4", "rope-base=100.0"], protocols=["sound", "released"])
    runs = [planned.run_id(loaded, cell) for cell in loaded.cells if cell.dataset == "toy"]
    assert runs == ["1ebadf8db46e", "0b5ee013af47", "0fc876f62cb2", "48271cde517c", "8d76528271b6", "ee46853d2b8a"]
    found = [planned.dataset_id(name, settings) for name, settings in loaded.settings.datasets.items()]
    assert found == ["e11b420d1e6d", "e1115e6d96b1"]
    blocks = [planned.block_id(loaded, name) for name in ("sound", "released")]
    assert [*blocks, planned.candidates_id(loaded)] == ["b31013fde537", "99f78d6016c5", "9240e9d252c7"]


def test_every_encoding_and_protocol_has_its_own_run_id() -> None:
    loaded = small(protocols=["sound", "sound_last"])
    assert len({planned.run_id(loaded, cell) for cell in loaded.cells}) == len(loaded.cells) == 4


def test_a_run_file_is_placed_by_the_protocols_that_it_holds() -> None:
    """A protocol that `only` leaves out of a cell, or one with a training of its own, is in none of its run files."""
    ties = {"name": "ties", "base": "sound", "ties": "released"}
    both = small(protocols=["sound", ties])
    one = small(protocols=["sound", ties], only=[{"protocol": "sound"}])
    apart = small(protocols=["sound", "sound_last"])
    plain = next(run_files(small())).parent
    assert next(run_files(both)).parent != plain
    assert next(run_files(one)).parent == plain
    assert next(run_files(apart)).parent == plain


def test_the_name_of_the_study_is_in_paths_but_in_no_id() -> None:
    assert changed(small(study="other")) == {"analysis"}  # whose planned files lie elsewhere
    assert planned.dataset_files(small(study="other"), "toy").folder.is_relative_to("results/studies/other/data/toy")


def test_run_files_are_the_json_and_npz_of_every_seed() -> None:
    loaded = small()
    names = [path.name for path in run_files(loaded, loaded.cells[:1])]
    assert names == ["seed=1.json", "seed=1.npz", "seed=2.json", "seed=2.npz", "seed=3.json", "seed=3.npz"]


def test_a_seed_more_adds_files_and_moves_none() -> None:
    fewer, more = small(), small(seeds=[1, 2, 3, 4])
    for old, new in zip(fewer.cells, more.cells, strict=True):
        assert set(run_files(fewer, [old])) < set(run_files(more, [new]))


def test_simulated_reviews_are_shared_by_equal_settings_alone() -> None:
    datasets = {
        "a": {"simulate": SIMULATION},
        "b": {"simulate": SIMULATION, "tied_times": "file"},
        "c": {"simulate": {**SIMULATION, "order": 0.0}},
    }
    loaded = small(datasets=datasets).settings.datasets
    a, b, c = (planned.raw_folder(name, loaded[name]) for name in datasets)
    assert a == b != c


def test_an_unknown_source_names_the_nearest() -> None:
    loaded = small(datasets={"toy": {"source": "amazon2014-beuty-5core"}})
    with pytest.raises(StudyError, match="did you mean 'amazon2014-beauty-5core'"):
        planned.source_of("toy", loaded.settings.datasets["toy"])


def test_a_source_that_was_never_recorded_is_planned_but_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = small(datasets={"toy": {"source": "amazon2014-beauty"}})
    dataset = loaded.settings.datasets["toy"]
    assert any("posrec fetch amazon2014-beauty --record" in warning for warning in loaded.warnings)
    with pytest.raises(StudyError, match=r"toy.source: .* no recorded sha256 of .*; run `posrec fetch amazon"):
        planned.source_of("toy", dataset)
    with pytest.raises(StudyError, match="no recorded sha256"):
        prepare.prepare_dataset(loaded, "toy")
    provisional = planned.dataset_id("toy", dataset)
    records = {file: sources.FileRecord(1, "0" * 64) for file in planned.planned_source("toy", dataset)["files"]}
    monkeypatch.setattr(sources, "locked", lambda name: records)
    assert (
        planned.dataset_id("toy", dataset) != provisional
    )  # nothing that was planned before can be taken for its data


ENDINGS = ("tsv", "csv", "parquet", "tsv.gz")


# Keys of a table that came after the first ids: one at its default is in no id, any other value changes it.
LATER: dict[str, Any] = {
    "time_unit": "microseconds",
    "time_zone": "Europe/Berlin",
    "encoding": "utf-16",
    "columns": ["user_id"],
    "header": True,
    "quoted": False,
    "decimal": ",",
    "kind": "json_lines",
    "where": "a = 1",
    "missing": "drop",
    "tolerate": "2 %",
}
LATER_OF_ITEMS: dict[str, Any] = {
    "binned": ["price"],
    "bins": 5,
    **{key: LATER[key] for key in ("encoding", "columns", "header", "quoted", "decimal", "kind")},
}


def test_every_key_of_a_table_is_tried() -> None:
    first = {"path", "user", "item", "time", "separator", "sha256", "items", "attributes", "parted_by", "time_format"}
    assert set(TableSettings.model_fields) == {*LATER, *first} - {"attributes", "parted_by"}
    others = set(ItemTableSettings.model_fields) - first
    assert others == {*LATER_OF_ITEMS, "standardised"}


def own_table_id(**table: Any) -> str:
    dataset = small(datasets={"toy": {"table": table}}).settings.datasets["toy"]
    return planned.dataset_id("toy", dataset)


def test_a_table_is_known_by_its_content_and_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (*((f"a.{ending}", "one") for ending in ENDINGS), ("b.tsv", "one"), ("c.tsv", "two")):
        Path(name).write_text(text)
    checksum = sha256("a.tsv")
    assert own_table_id(path="a.tsv") == own_table_id(path="b.tsv") == own_table_id(path="gone.tsv", sha256=checksum)
    items = {"path": "a.tsv", "attributes": ["brand"]}
    others = [
        own_table_id(path="c.tsv"),
        own_table_id(path="a.tsv", user="customer"),
        own_table_id(path="a.tsv", time=None),
        own_table_id(path="a.tsv", items=items),
        own_table_id(path="a.tsv", items={**items, "path": "c.tsv"}),
        own_table_id(path="a.tsv", items={**items, "attributes": ["tags"]}),
        own_table_id(path="a.csv"),
        own_table_id(path="a.parquet"),
        own_table_id(path="a.tsv.gz"),
        own_table_id(path="a.tsv", separator=";"),
        own_table_id(path="a.tsv", items={**items, "path": "a.csv"}),
        own_table_id(path="a.tsv", time_format="%Y"),
        *(own_table_id(path="a.tsv", **{key: value}) for key, value in LATER.items()),
        *(own_table_id(path="a.tsv", items={**items, key: value}) for key, value in LATER_OF_ITEMS.items()),
    ]
    assert len({own_table_id(path="a.tsv"), *others}) == 1 + len(others)
    assert own_table_id(path="a.tsv", items=items) == own_table_id(path="b.tsv", items={**items, "path": "b.tsv"})
    with pytest.raises(StudyError, match=r"datasets.toy.table: gone.tsv: cannot be read .*; put the file there"):
        own_table_id(path="gone.tsv")


def test_a_tolerance_is_part_of_the_id() -> None:
    strict, lax = ({"toy": {"source": "carca-games", "bad_lines": lines}} for lines in (0, 3))
    ids = {planned.dataset_id("toy", small(datasets=datasets).settings.datasets["toy"]) for datasets in (strict, lax)}
    assert len(ids) == 2


@pytest.mark.parametrize("file", ["published.csv", "page.html", "places.py", "registry.py", "variation.py"])
def test_a_changed_file_of_the_analysis_changes_its_id(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = analysis_id(small()), Path.read_text

    def changed(path: Path, encoding: str | None = None) -> str:
        return read(path, encoding=encoding) + ("changed" if path.name == file else "")

    monkeypatch.setattr(Path, "read_text", changed)
    assert analysis_id(small()) != before


def test_outputs_of_the_analysis_end_with_their_marker() -> None:
    loaded = small()
    marker = f"analysis={analysis_id(loaded)}.json"
    assert {paths[-1].name for paths in analysis_files(loaded).values()} == {marker}
    flat = [path for paths in analysis_files(loaded).values() for path in paths]
    assert len(flat) == len(set(flat))
    assert all(path.is_relative_to(Path("results/studies/small")) for path in flat)


def test_numerics_that_came_later_left_the_ids_of_others_alone() -> None:
    """What ids name of the numerics has been this since before cuda and bf16 could be named."""
    (cell, _) = small().cells
    assert cell.training.model_dump()["numerics"] == {"device": "cpu", "precision": "fp32", "engine": "torch"}
    named = small(training={"epochs": 1, "numerics": {"device": "cpu", "precision": "fp32", "engine": "torch"}})
    assert changed(named) == set()


def test_every_numerics_class_has_its_own_run_id_and_a_note() -> None:
    classes = [
        {},
        {"device": "cuda"},
        {"precision": "bf16"},
        {"device": "cuda", "precision": "bf16"},
        {"engine": "numba"},
    ]
    loaded = small(training={"epochs": 1, "numerics": classes}, encodings=["none"])
    assert len({planned.run_id(loaded, cell) for cell in loaded.cells}) == 5
    (warning,) = [line for line in loaded.warnings if line.startswith("training.numerics")]
    assert warning.startswith(
        "training.numerics: cuda, fp32 and cpu, bf16 and cuda, bf16 and cpu, fp32, numba: each a separate numerics "
        "class"
    )
    assert "the bytes may differ" in warning
    assert study.numerics_note(small().cells) == ""
