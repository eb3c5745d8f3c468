"""A finished study as a page of the documentation."""

from pathlib import Path

import pytest

from posrec.analysis import registry
from posrec.analysis.tables import build
from posrec.analysis.topics import draw
from posrec.commands import snapshot
from posrec.errors import DataError
from posrec.files import write_json
from posrec.plan import ids
from posrec.study.study import Study
from tests.analysis import made_up


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    """A made-up study with its tables, figures and sidecars."""
    place = tmp_path_factory.mktemp("snapshot")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        study = made_up.make_study(1)
        made_up.write_study(study, made_up.plain_score)
        build.write_tables(study)
        draw.write_figures(study)
        for cell in study.cells:
            for seed in cell.seeds:
                sidecar = {
                    "seconds": {"training": 60.0, "evaluation": 6.0},
                    "finished": 1000.0 + 66 * seed,
                    "peak_memory_mib": 100.0 + seed,
                    "processor": "Some processor",
                    "versions": {"torch": "2"},
                    "commit": "abc",
                }
                write_json(ids.PROVENANCE / study.name / ids.run_id(study, cell) / f"seed={seed}.json", sidecar)
        runs = sum(len(cell.seeds) for cell in study.cells)
        write_json(ids.PROVENANCE / study.name / "jobs" / "a.json", {"wall_seconds": 66.0 * runs + runs / 2})
    return place, study


def test_costs_by_hand(finished: tuple[Path, Study], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished[0])
    found = snapshot.costs(finished[1])
    seeds = [seed for cell in finished[1].cells for seed in cell.seeds]
    assert found["training"] == 60 * len(seeds)
    assert found["wall"] == pytest.approx(66 * (max(seeds) - min(seeds)) + 66)
    assert found["overhead"] == pytest.approx(0.5)
    assert found["memory"] == 100 + max(seeds)


def test_page_and_copies(finished: tuple[Path, Study], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished[0])
    snapshot.write_snapshot(finished[1], "make all", Path("docs/results"))
    folder = Path("docs/results") / finished[1].name
    text = (folder / "README.md").read_text()
    for name in [entry.name for entry in registry.figures(finished[1])]:
        assert "![" in text
        assert (folder / f"{name}.png").read_bytes() == (
            ids.STUDIES / finished[1].name / "figures" / f"{name}.png"
        ).read_bytes()
    for word in ("make all", "Some processor", "0.50 s per run", "| rope |", "| markov |", "cannot decide stability"):
        assert word in text, word
    before = {path: path.read_bytes() for path in folder.iterdir()}
    snapshot.write_snapshot(finished[1], "make all", Path("docs/results"))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_only_the_machine_that_trained_can_say(finished: tuple[Path, Study], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished[0])
    monkeypatch.setattr(ids, "PROVENANCE", Path("elsewhere"))
    with pytest.raises(DataError, match=r"seed=\d+\.json: missing"):
        snapshot.write_snapshot(finished[1], "make all", Path("docs/results"))
