"""A full disk, a read-only folder, two workflows at once, a clock that jumps, NaN, no memory, a cancelled download."""

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from posrec.store import results as stored
from tests import ledger
from tests.workflow.project import Project

pytestmark = pytest.mark.workflow
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount on a folder until the test ends."""
    mounted: list[Path] = []

    def run(folder: Path, *arguments: str) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root to mount a small disk")
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
        mounted.append(folder)

    yield run
    for folder in reversed(mounted):
        subprocess.run(["umount", str(folder)], check=True)


def half_files(project: Project) -> list[Path]:
    return [path for part in ("results", ".cache") for path in (project.folder / part).rglob(".*.tmp")]


@pytest.mark.parametrize("part", ["results", ".cache"])
def test_a_full_disk_stops_the_job_and_loses_nothing(
    fresh: Project, finished: Project, mount: Mount, part: str
) -> None:
    """Room for two or three runs is left."""
    folder = fresh.folder / part
    mount(folder, "-t", "tmpfs", "-o", "size=32m", "tmpfs")
    fresh.snakemake("data")
    ledger.note(f"fill the disk of `{part}`")
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(folder).free - 40 * 1024))
    done = fresh.run("snakemake", "--cores", "1", "all", check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stdout
    assert "Traceback" not in done.stdout
    assert "inished work is kept" in done.stdout
    assert half_files(fresh) == []
    for path in fresh.runs():
        stored.read_result(path)  # whole, or not there
    trained = fresh.trainings()
    assert trained
    ledger.note("free the disk")
    ballast.unlink()
    fresh.snakemake("all")
    now = fresh.trainings()
    assert {path: now[path] for path in trained} == trained
    assert fresh.hashes() == finished.hashes()


def test_results_that_are_read_only_stay_as_they_are(built: Project, mount: Mount) -> None:
    results = built.folder / "results"
    before = built.hashes()
    mount(results, "--bind", str(results))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(results)], check=True)
    ledger.note("mount `results` read-only")
    assert "Nothing to be done" in built.snakemake("all")
    built.study(seeds=[1, 2, 3, 4])
    done = built.run("snakemake", "--cores", "1", "all", check=False)
    assert done.returncode != 0
    assert "Write-protected output files" in done.stdout
    assert "Traceback" not in done.stdout
    done = built.run("posrec", "train", "--encoding", "rope", check=False)
    assert done.returncode == 2
    assert "cannot be written (Read-only file system)" in done.stdout
    subprocess.run(["mount", "-o", "remount,rw,bind", str(results)], check=True)
    ledger.note("mount `results` for writing again")
    assert {path: value for path, value in built.hashes().items() if path in before} == before
    built.snakemake("all")
    assert {path.stem for path in built.runs()} >= {"seed=4"}


def test_two_workflows_started_at_once(fresh: Project, finished: Project) -> None:
    """One is refused, or finds all done; in three tries."""
    for _ in range(3):
        both = [fresh.start("snakemake", "--cores", "1", "all") for _ in range(2)]
        outputs = [fresh.finish(process, {}) for process in both[:1]]
        outputs += [fresh.finish(process, ledger.stored(fresh.store)) for process in both[1:]]
        assert 0 in [process.returncode for process in both]
        for process, output in zip(both, outputs, strict=True):
            refused = "cannot be locked" in output or "in use by process" in output
            assert refused if process.returncode else "report.html" in output or "Nothing to be done" in output, output
        assert fresh.hashes() == finished.hashes()
        for name in ("results", ".cache"):
            fresh.remove(name)


def test_a_clock_that_jumps_trains_nothing_twice(fresh: Project, finished: Project) -> None:
    """Days ahead in the middle of training, then back before its begin: Snakemake refuses tables older than runs."""
    if FAKETIME is None:
        pytest.skip("libfaketime is not installed (package faketime)")
    clock = fresh.folder.parent / "clock"
    clock.write_text("+0\n")
    fresh.environment.update(
        LD_PRELOAD=str(FAKETIME),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    process = fresh.start("snakemake", "--cores", "1", "all")
    while not fresh.runs():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    ledger.note("the clock jumps 3 days ahead")
    clock.write_text("+3d\n")
    while len(fresh.runs()) < 5 and process.poll() is None:
        time.sleep(0.02)
    ledger.note("the clock jumps 5 days back")
    clock.write_text("-2d\n")
    output = fresh.finish(process, {})
    assert process.returncode == 0 or "clock skew" in output
    assert len(fresh.runs()) == len(finished.runs())
    trained = fresh.trainings()
    ledger.note("the clock is right again")
    fresh.environment.clear()
    assert "Training" not in fresh.snakemake("all")
    for part, days in (("results/studies/default/runs", -300.0), ("results/studies/default/data", 300.0)):
        fresh.touch(part, days)
    assert "Training" not in fresh.snakemake("all")
    assert fresh.trainings() == trained
    assert fresh.hashes() == finished.hashes()


HUNGRY = """
import os, torch
from posrec.model.encodings import Encoding, register

@register("hungry", "added")
class Hungry(Encoding):
    def encode(self, x, rows):
        if os.path.exists(os.environ["NO_MEMORY"]):
            torch.empty(2**50)
        return x
"""
BROKEN = """
from posrec.model.encodings import Encoding, register

@register("broken", "added")
class Broken(Encoding):
    def encode(self, x, rows):
        return x * float("nan")
"""


def test_nan_is_a_result_and_a_lack_of_memory_is_none(fresh: Project) -> None:
    """Two encodings of one's own: one yields NaN on every machine, one asks for more memory than this one has."""
    own, full = fresh.folder / "own", fresh.folder / "no_memory"
    own.mkdir()
    (own / "hungry.py").write_text(HUNGRY)
    (own / "broken.py").write_text(BROKEN)
    full.touch()
    fresh.environment.update(POSREC_ENCODINGS=str(own), NO_MEMORY=str(full))
    fresh.study(encodings=["none", "broken", "hungry"])
    done = fresh.run("snakemake", "--cores", "1", "all", check=False)
    assert done.returncode != 0
    assert "allocate memory" in done.stdout
    assert states(fresh) == {("none", "finished"): 6, ("broken", "failed"): 3}
    assert half_files(fresh) == []
    ledger.note("there is memory again")
    full.unlink()
    said = fresh.snakemake("all").splitlines()
    assert [line for line in said if line.startswith("posrec:")][-1].startswith("posrec: 3 runs failed")
    assert states(fresh) == {("none", "finished"): 6, ("broken", "failed"): 3, ("hungry", "finished"): 3}
    reasons = {json.loads(path.read_text())["failure"]["reason"] for path in fresh.runs() if "broken" in path.parts}
    assert reasons == {"the loss is nan"}
    assert "3 runs failed" in fresh.run("posrec", "plan", "--no-calibration").stdout
    assert "the loss is nan" in (fresh.folder / "results/studies/default/report.html").read_text()
    trained = fresh.trainings()
    ledger.note("mend the encoding that yields NaN: its file's hash is in the run id")
    (own / "broken.py").write_text(BROKEN.replace(' * float("nan")', ""))
    assert "runs failed" not in fresh.snakemake("all")
    fresh.run("posrec", "prune")
    assert states(fresh) == {("none", "finished"): 6, ("broken", "finished"): 3, ("hungry", "finished"): 3}
    assert fresh.trainings().items() >= trained.items()


def states(project: Project) -> Counter[tuple[str, str]]:
    """Runs in place by encoding and status."""
    return Counter((path.parts[-4], json.loads(path.read_text())["status"]) for path in project.runs())


def test_a_cancelled_fetch_leaves_no_half_file_and_goes_on(fresh: Project) -> None:
    """The mirror's second file stands still; Ctrl-C; then it is whole."""
    content = {name: gzip.compress(name.encode(), mtime=0) for name in ("reviews.json.gz", "meta.json.gz")}
    registry = fresh.folder / "src/posrec/study/sources.yaml"
    sources = yaml.safe_load(registry.read_text())
    files = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()}
    example = next(iter(sources.values()))
    registry.write_text(yaml.safe_dump({**sources, "made-up": {**example, "files": list(files)}}, sort_keys=False))
    registry.with_name("sources.lock").write_text(yaml.safe_dump({"made-up": files}))
    mirror = fresh.folder.parent / "mirror/made-up"
    mirror.mkdir(parents=True)
    (mirror / "reviews.json.gz").write_bytes(content["reviews.json.gz"])
    os.mkfifo(mirror / "meta.json.gz")
    fresh.environment["POSREC_MIRROR"] = str(mirror.parent)
    process = fresh.start("posrec", "fetch", "made-up")
    raw = fresh.folder / "results/raw/made-up"
    while not (raw / "reviews.json.gz").exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    time.sleep(0.5)  # into the read of the second file
    fresh.signal(process, signal.SIGINT)
    assert "run the same command again" in fresh.finish(process, {})
    assert process.returncode == 130
    assert [path.name for path in raw.iterdir()] == ["reviews.json.gz"]
    (mirror / "meta.json.gz").unlink()
    (mirror / "meta.json.gz").write_bytes(content["meta.json.gz"])
    fresh.run("posrec", "fetch", "made-up")
    assert {path.name for path in raw.iterdir()} == {*content, "source.json"}
