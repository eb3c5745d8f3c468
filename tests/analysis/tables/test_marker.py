"""Markers: a kill never leaves files of one state under another's marker, and nothing of a larger study stays."""

import os
from pathlib import Path

import pytest

from posrec.analysis import places
from posrec.analysis.tables import build, marker
from posrec.analysis.topics import draw
from posrec.commands import verify
from posrec.errors import WriteError
from posrec.files import write_text
from posrec.study.study import Study
from tests.analysis import made_up


class KilledError(BaseException):
    """Takes the place of a kill."""


def kill_after(monkeypatch: pytest.MonkeyPatch, module, name: str, last: str) -> None:
    """Let a module's function stop the process once it has written a file of this name."""
    write = getattr(module, name)

    def written(path: Path, content: object) -> None:
        write(path, content)
        if Path(path).name == last:
            raise KilledError

    monkeypatch.setattr(module, name, written)


def tables_of(study: Study) -> tuple[list[Path], Path]:
    *paths, last = places.analysis_files(study)["tables"]
    return paths, last


@pytest.mark.parametrize("same", [True, False])
def test_a_kill_before_the_marker_leaves_no_marker(here: Path, monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    """Whether the tables are of the state that the older marker names, or of another."""
    large, small = made_up.make_study(2), made_up.make_study(1)
    for study in (large, small):
        made_up.write_study(study, made_up.plain_score)
    build.write_tables(large)
    kill_after(monkeypatch, build, "write_json", "metrics.json")
    with pytest.raises(KilledError):
        build.write_tables(large if same else small)
    assert list(tables_of(large)[1].parent.glob(marker.MARKERS)) == []
    (finding, *_) = verify.check_analysis(large)
    assert finding.kind == "missing"


def test_a_disk_that_is_full_at_the_marker_leaves_no_marker(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = made_up.make_study(2)
    made_up.write_study(study, made_up.plain_score)
    build.write_tables(study)

    def full(path: Path, content: object) -> None:
        raise WriteError(f"{path}: no space")

    monkeypatch.setattr(marker, "write_checked_json", full)
    with pytest.raises(WriteError):
        build.write_tables(study)
    assert list(tables_of(study)[1].parent.glob(marker.MARKERS)) == []


def test_a_smaller_study_deletes_the_tables_and_figures_of_the_larger_one(here: Path) -> None:
    """So that the folder depends on the study alone; a file that was edited is kept, and verify names it."""
    large, small = made_up.make_study(2), made_up.make_study(1)
    for study in (small, large):
        made_up.write_study(study, made_up.plain_score)
        build.write_tables(study)
        draw.write_figures(study)
    edited = next(path for path in places.analysis_files(large)["figures"] if path.name == "ranks.csv")
    write_text(edited, "mine")
    build.write_tables(small)
    draw.write_figures(small)
    assert places.left_over(small) == [edited]
    (found,) = [finding for finding in verify.check_foreign(small) if finding.path.parent.name in ("tables", "figures")]
    assert (found.kind, found.path, found.files) == ("foreign", edited, (edited,))
    edited.unlink()
    for paths in (tables_of(small)[0], places.analysis_files(small)["figures"]):
        assert {path.name for path in paths} >= set(os.listdir(paths[0].parent)) - {tables_of(small)[1].name}


def test_older_files_that_cannot_be_removed_are_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = here / "tables" / "analysis=0.json"
    write_text(last, "{}")

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(WriteError, match="older files there cannot be removed"), marker.marked(last, []):
        pass
