"""verify: every kind of damage is found, explained and repaired by making again; runs trained again are compared."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posrec import cli
from posrec.analysis.places import analysis_files
from posrec.analysis.tables import marker
from posrec.analysis.tables.load import inputs_checksum
from posrec.commands import verify
from posrec.data.prepare import candidates, prepare
from posrec.data.prepare import card as statistics
from posrec.errors import DataError, ForeignError
from posrec.files import read_json, write_checked_json, write_json, write_text
from posrec.model.evaluate import baselines
from posrec.model.runs import jobs, retrain
from posrec.model.runs.run import Run
from posrec.plan import ids
from posrec.store import places, results
from posrec.study.study import Study
from tests.model.toy import RAW, make_data, make_study, run

CHECK_ANALYSIS = verify.check_analysis


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy study with data and runs; tables, figures and report are not made."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("POSREC_STORE", raising=False)
        make_data()
        loaded = make_study()
        statistics.describe_dataset(loaded, "toy")
        baselines.score_baselines(loaded, "toy")
        jobs.train_cells(loaded, loaded.cells)
        write_json("params.yaml", RAW)
    return folder


@pytest.fixture
def toy(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A copy of the finished study as the working folder, its analysis left out of the check."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.delenv("POSREC_STORE", raising=False)
    monkeypatch.setattr(verify, "check_analysis", lambda study: iter(()))
    return make_study()


def only(loaded: Study) -> verify.Finding:
    (finding,) = verify.find(loaded)
    return finding


def test_an_undamaged_study_has_no_findings(toy: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify"]) == 0
    assert capsys.readouterr().out == "posrec verify: study jobs: 6 runs and 1 data sets checked, no findings\n"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"NDCG@10": 0.', b'"NDCG@10": 0.9'))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_json(path: Path) -> None:
    path.write_text("[1, NaN]")


@pytest.mark.parametrize("damage", [truncate, edit, empty, flip_a_bit, other_json])
def test_a_damaged_run_is_found_and_made_again(
    toy: Study, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path = run(toy, "learnt", 2).path
    content = path.read_bytes()
    damage(path)
    assert (only(toy).kind, only(toy).path) == ("damaged", path)
    assert cli.main(["verify"]) == 1
    shown = capsys.readouterr().out
    assert "after a repair it comes back from the store" in shown
    assert "`posrec verify --repair`" in shown
    assert cli.main(["verify", "--repair"]) == 0
    assert not path.exists()
    assert (places.REPAIRED / path.relative_to(ids.STUDIES)).exists()
    jobs.train_cells(toy, toy.cells)
    assert path.read_bytes() == content
    assert verify.find(toy) == []


def test_a_damaged_run_without_the_store_is_trained_again(toy: Study) -> None:
    shutil.rmtree(".cache")
    flip_a_bit(run(toy).path.with_suffix(".npz"))
    assert "it is trained again" in only(toy).remedy


def test_a_run_under_anothers_name_is_foreign(toy: Study) -> None:
    first, second = run(toy, seed=1), run(toy, seed=2)
    for kind in (".json", ".npz"):
        shutil.copyfile(second.path.with_suffix(kind), first.path.with_suffix(kind))
    assert only(toy).kind == "foreign"
    assert "seed is 2, its place says 1" in str(only(toy))


@pytest.mark.parametrize(
    "key", ["run_id", "training_version", "dataset", "dataset_id", "encoding", "study_schema", "evaluation_id"]
)
def test_a_run_that_says_to_be_another_is_foreign(toy: Study, key: str) -> None:
    path = run(toy).path
    content, arrays = results.read_result(path)
    results.write_result(path, {**content, key: "another"}, arrays)
    assert only(toy).kind == "foreign"
    assert f"{key} is 'another'" in only(toy).text


def test_a_failure_with_all_its_results_is_foreign(toy: Study) -> None:
    path = run(toy).path
    content, arrays = results.read_result(path)
    results.write_result(path, {**content, "status": "failed"}, arrays)
    assert only(toy).kind == "foreign"
    assert "is failed and scored under sound, the study plans sound" in only(toy).text


def test_a_store_that_disagrees_is_found_and_both_are_made_again(toy: Study) -> None:
    job = run(toy)
    content, arrays = results.read_result(job.path)
    metrics = content["evaluations"]["sound"]["full"]
    metrics["NDCG@10"] += 0.1
    results.write_result(job.path, content, arrays)
    assert only(toy).kind == "disagrees"
    assert set(only(toy).files) == {
        *(path.with_suffix(kind) for path in (job.path, job.blocks["sound"]) for kind in (".json", ".npz"))
    }
    assert verify.verify(toy, "params.yaml", repair=True) == 0
    jobs.train_cells(toy, toy.cells)
    assert results.read_content(job.path)["evaluations"]["sound"]["full"]["NDCG@10"] != metrics["NDCG@10"]
    assert verify.find(toy) == []


def test_damage_in_the_store_is_found_and_moved_aside(toy: Study) -> None:
    block = run(toy).blocks["sound"]
    truncate(block.with_suffix(".npz"))
    assert (only(toy).kind, only(toy).path) == ("damaged", block)
    verify.verify(toy, "params.yaml", repair=True)
    assert (places.REPAIRED / block.relative_to(ids.store())).exists()
    assert verify.find(toy) == []


@pytest.mark.parametrize("name", ["arrays", "candidates", "card", "baselines"])
def test_damaged_data_are_found_and_moved_aside(toy: Study, name: str) -> None:
    path: Path = getattr(ids.dataset_files(toy, "toy"), name)
    flip_a_bit(path) if path.suffix == ".npz" else truncate(path)
    assert (only(toy).kind, only(toy).path) == ("damaged", path)  # the baselines say which candidates they were of
    verify.verify(toy, "params.yaml", repair=True)
    assert not path.exists()
    assert {finding.kind for finding in verify.find(toy)} == {"missing"}


@pytest.mark.parametrize("of", ["dataset", "candidates"])
def test_baselines_of_other_data_or_candidates_are_found_and_made_again(toy: Study, of: str) -> None:
    path = ids.dataset_files(toy, "toy").baselines
    content = {key: value for key, value in read_json(path).items() if key != "checksum"}
    assert set(content["inputs"]) == {"dataset", "candidates"}
    write_checked_json(path, {**content, "inputs": {**content["inputs"], of: "0" * 64}})
    assert (only(toy).kind, only(toy).path) == ("foreign", path)
    verify.verify(toy, "params.yaml", repair=True)
    baselines.score_baselines(toy, "toy")
    assert verify.find(toy) == []


def test_data_of_another_id_are_foreign(toy: Study) -> None:
    """Complete and with a correct checksum, but of another data set: they are not read, and verify reports them."""
    files = ids.dataset_files(toy, "toy")
    content = {key: value for key, value in read_json(files.manifest).items() if key != "checksum"}
    write_checked_json(files.manifest, {**content, "dataset_id": "0123456789ab"})
    assert (only(toy).kind, only(toy).path) == ("foreign", files.manifest)
    with pytest.raises(ForeignError, match=r"dataset\.json: dataset_id is '0123456789ab', its place says"):
        candidates.draw_candidates(toy, "toy")


def test_a_card_of_other_data_is_foreign(toy: Study) -> None:
    card = ids.dataset_files(toy, "toy").card
    content = {key: value for key, value in read_json(card).items() if key != "checksum"}
    write_checked_json(card, {**content, "users": 1})
    assert (only(toy).kind, only(toy).path) == ("foreign", card)


def test_a_manifest_that_is_out_of_date_is_found_and_made_again(toy: Study) -> None:
    """`expect` is not in an id: the data are kept, and the manifest is rewritten from the store."""
    files = ids.dataset_files(toy, "toy")
    counts = read_json(files.manifest)["counts"]
    changed = make_study(datasets={"toy": {**RAW["datasets"]["toy"], "expect": counts}})
    assert ids.dataset_files(changed, "toy") == files
    assert only(changed).path == files.manifest
    assert "settings.expect is None, the study plans {'users'" in only(changed).text
    arrays = files.arrays.read_bytes()
    verify.verify(changed, "params.yaml", repair=True)
    prepare.prepare_dataset(changed, "toy")
    assert files.arrays.read_bytes() == arrays
    assert verify.find(changed) == []


@pytest.mark.parametrize("changes", [{"candidates_seed": 7}, {"negatives": 7}])
def test_candidates_of_other_settings_are_foreign(toy: Study, changes: dict[str, int]) -> None:
    """A whole file with a right hash, under the wrong name: it is drawn again to compare."""
    few = {"negatives": 10}  # with the default of 100 every user has all items that it never met, whatever the seed
    mine, other = (make_study(evaluation=evaluation) for evaluation in (few, {**few, **changes}))
    for loaded in (mine, other):
        candidates.draw_candidates(loaded, "toy")
        assert list(verify.check_dataset(loaded, "toy")) == []
    path = ids.dataset_files(mine, "toy").candidates
    shutil.move(ids.dataset_files(other, "toy").candidates, path)
    (finding,) = verify.check_dataset(mine, "toy")
    assert (finding.kind, finding.path, finding.files) == ("foreign", path, (path,))


def test_the_stores_other_data_under_the_same_id_are_found(toy: Study) -> None:
    stored = ids.store() / "data" / ids.dataset_files(toy, "toy").folder.name
    prepared = verify.Prepared.load(stored / "dataset.npz", stored / "dataset.json")
    prepared.times[0] += 1
    prepared.save(stored / "dataset.npz", stored / "dataset.json", {"dataset_id": stored.name})
    assert only(toy).kind == "disagrees"


def test_damaged_ids_and_those_of_other_data_are_found(toy: Study) -> None:
    path = ids.dataset_files(toy, "toy").id_map
    whole = path.read_bytes()
    flip_a_bit(path)
    assert (only(toy).kind, only(toy).path) == ("damaged", path)
    path.write_bytes(whole)
    named = verify.IdMap.load(path)
    verify.IdMap(named.users[1:], named.items).save(path)
    assert (only(toy).kind, only(toy).path) == ("foreign", path)


def test_missing_files_are_told_by_folder(toy: Study) -> None:
    job = run(toy, "learnt")
    shutil.rmtree(job.path.parent)
    assert (only(toy).kind, only(toy).path) == ("missing", job.path.parent)
    assert "and 3 more do not exist" in only(toy).text
    assert not only(toy).files


def test_files_that_are_not_planned_are_foreign_and_moved_aside(toy: Study) -> None:
    strange = [ids.STUDIES / "jobs/runs/notes.txt", run(toy).path.with_name("seed=99.json")]
    for path in strange:
        write_text(path, "mine")
    assert {(finding.kind, finding.path) for finding in verify.find(toy)} == {("foreign", path) for path in strange}
    verify.verify(toy, "params.yaml", repair=True)
    assert [(places.REPAIRED / path.relative_to(ids.STUDIES)).read_text() for path in strange] == ["mine", "mine"]
    assert verify.find(toy) == []


def test_tables_figures_and_report_are_checked_against_their_markers(toy: Study) -> None:
    assert [finding.kind for finding in CHECK_ANALYSIS(toy)] == ["missing"] * 3
    for *paths, last in analysis_files(toy).values():
        with marker.marked(last, paths, inputs_checksum(toy)):
            for path in paths:
                write_text(path, path.name)
    assert list(CHECK_ANALYSIS(toy)) == []
    changed = analysis_files(toy)["figures"][0]
    write_text(changed, "edited")
    (finding,) = CHECK_ANALYSIS(toy)
    assert finding.kind == "damaged"
    assert str(changed) in finding.text


def test_trained_again_to_the_same_bytes(toy: Study, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert cli.main(["verify", "--retrain", "2", "--choice", "5"]) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"toy \w+ seed \d .*byte-identical", shown)) == 2
    assert "--choice 5" in shown
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def forged(toy: Study, change: float) -> Run:
    """A run whose metric isn't what the training gives, under a right checksum."""
    job = run(toy)
    content, arrays = results.read_result(job.path)
    content["evaluations"]["sound"]["full"]["MRR"] += change
    results.write_result(job.path, content, arrays)
    return job


def test_a_forged_result_does_not_come_back(toy: Study) -> None:
    compared = retrain.compare(forged(toy, 1e-9))
    assert compared.difference == pytest.approx(1e-9, rel=1e-3)
    assert (compared.identical, compared.same_processor, compared.accepted) == (False, True, False)


@pytest.mark.parametrize(("share", "accepted"), [(0.5, True), (2.0, False)])
def test_on_another_processor_the_tolerance_decides(toy: Study, share: float, accepted: bool) -> None:
    tolerance = retrain.tolerance(run(toy).path)
    assert tolerance == results.read_content(run(toy).path)["evaluations"]["sound"]["users"] ** -0.5
    job = forged(toy, share * tolerance)
    record = job.planned.sidecar
    write_json(record, {**read_json(record), "processor": "another"})
    compared = retrain.compare(job)
    assert (compared.same_processor, compared.accepted) == (False, accepted)


def test_a_failure_must_fail_again(toy: Study) -> None:
    job = run(toy)
    content, arrays = results.read_result(job.path)
    failed = {**content, "evaluations": {}, "status": "failed", "failure": {"step": 1, "reason": "made up"}}
    results.write_result(job.path, failed, {key: arrays[key][:0] for key in arrays if key.startswith("curve_")})
    assert retrain.compare(job).difference == np.inf


def test_the_choice_of_runs_is_seeded(toy: Study) -> None:
    def labels(choice: int) -> list[str]:
        return [job.planned.label for job in retrain.choose(toy, 3, choice)]

    assert labels(1) == labels(1)
    assert len({json.dumps(labels(choice)) for choice in range(6)}) > 1
    assert len(retrain.choose(toy, 100, 1)) == 6


WEIGHTS = {**RAW["training"], "keep_weights": True}
SWAPPED = ("curve.json", "curve.npz", "weights-epoch=1.pt", "weights-epoch=2.pt")


def swap(first: Path, second: Path) -> None:
    """Exchange two files."""
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def test_a_block_of_another_evaluation_is_not_used(toy: Study) -> None:
    """Copied to its name, it was taken for this evaluation's result."""
    other = make_study(evaluation={"candidates_seed": 5, "negatives": 10})
    candidates.draw_candidates(other, "toy")
    mine, theirs = run(other), run(toy)
    assert mine.missing(again_failed=False) == ["sound"]
    for kind in (".json", ".npz"):
        shutil.copyfile(theirs.blocks["sound"].with_suffix(kind), mine.blocks["sound"].with_suffix(kind))
    assert mine.missing(again_failed=False) == ["sound"]
    mine.bring()
    assert results.read_content(mine.path)["evaluations"] != results.read_content(theirs.path)["evaluations"]


def test_swapped_weights_and_curves_of_two_seeds_are_found_and_not_used(toy: Study) -> None:
    kept = make_study(training=WEIGHTS)
    first, second = (run(kept, seed=seed) for seed in (1, 2))
    for one in (first, second):
        for path in (one.path, *one.blocks.values()):
            path.unlink()
        one.bring()
    content = first.path.read_bytes()
    for name in SWAPPED:
        if (first.stored / name).exists():
            swap(first.stored / name, second.stored / name)
    found = verify.find(kept)
    assert [(finding.kind, finding.path.name) for finding in found] == [("foreign", "curve.json")] * 2
    for path in (first.path, *first.blocks.values()):
        path.unlink()
    first.bring()  # trained again
    assert first.path.read_bytes() == content
    assert verify.verify(kept, "params.yaml", repair=True) == 0
    assert verify.find(kept) == []
    assert not (second.stored / "curve.json").exists()


def test_damaged_weights_are_found_and_moved_aside(toy: Study) -> None:
    kept = make_study(training=WEIGHTS)
    one = run(kept)
    for path in (one.path, *one.blocks.values()):
        path.unlink()
    one.bring()
    weights = next(one.stored.glob("weights-epoch=*.pt"))
    flip_a_bit(weights)
    assert (only(kept).kind, only(kept).path) == ("damaged", weights)
    assert weights in only(kept).files


def test_runs_scored_on_wrong_candidates_are_found_and_made_again(toy: Study) -> None:
    """The candidates say to be these, and their checksum is right: drawn again, they are others."""
    few = make_study(evaluation={"negatives": 10})
    candidates.draw_candidates(few, "toy")
    files = ids.dataset_files(few, "toy")
    right = verify.Candidates.load(files.candidates)
    verify.Candidates(right.test[::-1].copy(), right.validation).save(files.candidates)
    baselines.score_baselines(few, "toy")
    wrong = run(few)
    wrong.bring()
    found = {finding.path for finding in verify.find(few) if finding.kind == "foreign"}
    assert {files.candidates, files.baselines, wrong.path, wrong.blocks["sound"]} <= found
    verify.verify(few, "params.yaml", repair=True)
    assert not any(path.exists() for path in (files.candidates, files.baselines, wrong.path, wrong.blocks["sound"]))
    candidates.draw_candidates(few, "toy")
    jobs.train_cells(few, few.cells, [1])
    assert not [finding for finding in verify.find(few) if finding.path in found]


def test_a_manifest_that_was_edited_is_damaged_and_its_counts_are_not_read(toy: Study) -> None:
    manifest = ids.dataset_files(toy, "toy").manifest
    write_json(manifest, {**read_json(manifest), "read": {"reviews": 1, "duplicates_dropped": 0}})
    assert (only(toy).kind, only(toy).path) == ("damaged", manifest)
    with pytest.raises(DataError, match="the checksum does not match"):
        statistics.describe_dataset(toy, "toy")


def test_a_marker_of_another_study_or_of_other_results_is_found(toy: Study) -> None:
    """Copied with its files from another state: whole, but made from other results."""
    for *paths, last in analysis_files(toy).values():
        with marker.marked(last, paths, inputs_checksum(toy)):
            for path in paths:
                write_text(path, path.name)
    assert list(CHECK_ANALYSIS(toy)) == []
    one = run(toy)
    content, arrays = results.read_result(one.path)
    results.write_result(one.path, {**content, "epochs_trained": 99}, arrays)
    assert {finding.kind for finding in CHECK_ANALYSIS(toy)} == {"damaged"}
    assert all("made from other results" in finding.text for finding in CHECK_ANALYSIS(toy))
    results.write_result(one.path, content, arrays)
    last = analysis_files(toy)["tables"][-1]
    said = {key: value for key, value in read_json(last).items() if key != "checksum"}
    write_checked_json(last, {**said, "folder": "another/tables"})
    (finding,) = CHECK_ANALYSIS(toy)
    assert "folder is 'another/tables', its place says 'jobs/tables'" in finding.text
