"""Failures are results, damage is repaired, and a study from a stranger runs no code: with snakemake for real."""

import json
import os
from pathlib import Path

import pytest
import yaml

from .project import TINY, Project

pytestmark = pytest.mark.workflow


def statuses(project: Project) -> dict[str, int]:
    found = [json.loads(path.read_text())["status"] for path in project.runs()]
    return {status: found.count(status) for status in set(found)}


def damage(path: Path, content: bytes) -> None:
    """Change a file and leave its time, as a bad disk does."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_encoding_that_raises_leaves_a_gap_that_can_be_tried_again(fresh: Project) -> None:
    """The job ends normally, others continue, the last line counts; once fixed, --again-failed trains only those."""
    code = fresh.folder / "src/posrec/model/encodings/rotary.py"
    good = code.read_text()
    start = good.index("if self.first_block_only", good.index("def rotate"))
    code.write_text(good[:start] + "raise ValueError('no angle')\n        " + good[start:])
    done = fresh.snakemake("all")
    said = [line for line in done.splitlines() if line.startswith("posrec:")]
    assert said[-1].startswith("posrec: 3 runs failed")
    assert statuses(fresh) == {"finished": 6, "failed": 3}
    assert "ValueError: no angle" in (fresh.folder / "results/studies/default/report.html").read_text()
    assert "3 runs failed" in fresh.run("posrec", "plan", "--no-calibration").stdout
    assert "no findings" in fresh.run("posrec", "verify").stdout
    assert "Nothing to be done" in fresh.snakemake("all")
    code.write_text(good)
    assert "3 runs: 3 trained, 0 were there, 0 failed" in fresh.run("posrec", "train", "--again-failed").stdout
    fresh.snakemake("all")  # the tables are older than the runs
    assert statuses(fresh) == {"finished": 9}
    assert "ValueError" not in (fresh.folder / "results/studies/default/report.html").read_text()


def test_damage_that_snakemake_does_not_see_is_repaired_to_the_same_bytes(built: Project) -> None:
    before, trained = built.hashes(), built.trainings()
    run = built.runs()[2]
    damage(run, run.read_bytes().replace(b'"NDCG@10": 0.', b'"NDCG@10": 0.9'))
    table = built.folder / "results/studies/default/tables/runs.csv"
    damage(table, table.read_bytes().replace(b"0.", b"0.9"))
    baselines = next((built.folder / "results/studies/default/data").rglob("baselines=*.json"))
    damage(baselines, baselines.read_bytes()[:100])
    assert "Nothing to be done" in built.snakemake("all")
    found = built.run("posrec", "verify", check=False)
    assert found.returncode == 1
    said = [line.split(": ")[0:2] for line in found.stdout.splitlines() if line.startswith("damaged ")]
    assert [Path(place).name for place, _ in said[:2]] == [baselines.name, run.name]
    of_tables, *made_from_it = [reason for _, reason in said[2:]]  # of the markers of tables, figures and report
    assert of_tables.endswith("tables/runs.csv")
    assert len(made_from_it) == 2
    assert all(reason.startswith("the files beside it were made from other results") for reason in made_from_it)
    built.run("posrec", "verify", "--repair")
    built.snakemake("all")
    assert built.hashes() == before
    assert built.trainings() == trained
    assert "no findings" in built.run("posrec", "verify").stdout


def test_the_page_of_provenance_is_made_once_and_is_no_part_of_the_study(built: Project) -> None:
    page = built.folder / "results/provenance/default/index.html"
    assert "<td>9 of 9</td>" in page.read_text()
    before = built.hashes()
    page.unlink()
    built.snakemake("all")
    assert page.exists()
    assert built.hashes() == before
    assert "results/provenance" not in (built.folder / "dvc.yaml").read_text()


def test_an_edited_run_is_never_read_as_a_result(built: Project) -> None:
    """Its newer time makes the tables be written again, and their reader refuses it."""
    run = built.runs()[2]
    run.write_text(run.read_text().replace('"NDCG@10": 0.', '"NDCG@10": 0.9'))
    done = built.run("snakemake", "--cores", "1", "all", check=False)
    assert done.returncode != 0
    assert f"{run.name}: the checksum does not match" in done.stdout
    assert "posrec verify --repair" in done.stdout


@pytest.mark.parametrize("name", ["x; touch pwned", "../../pwned"])
def test_a_strangers_names_reach_no_shell_and_no_path(fresh: Project, name: str) -> None:
    for number, changes in enumerate(({"study": name}, {"datasets": {name: TINY["datasets"]["toy"]}})):
        path = fresh.study(f"studies/theirs{number}.yaml", **changes)
        done = fresh.run("snakemake", "--cores", "1", "--configfile", str(path), check=False)
        assert done.returncode != 0
        assert f"theirs{number}.yaml: " in done.stdout
    assert not list(fresh.folder.parent.rglob("*pwned*"))
    assert not (fresh.folder / "results/studies").exists()


def test_a_strangers_yaml_cannot_name_a_program(fresh: Project) -> None:
    text = yaml.safe_dump(TINY).replace("study: default", "study: !!python/object/apply:os.system ['touch pwned']")
    (fresh.folder / "theirs.yaml").write_text(text)
    done = fresh.run("snakemake", "--cores", "1", "--configfile", "theirs.yaml", check=False)
    assert done.returncode != 0
    assert not list(fresh.folder.rglob("pwned"))
