"""`posrec verify`: check every file of a study: checksums, ids, missing files and files that don't belong there.

Only a repair changes anything: it moves files to .cache/repaired, so that the workflow makes them again.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from posrec.analysis.places import analysis_files, left_over
from posrec.analysis.tables import marker
from posrec.data.prepare import candidates, prepare
from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.data.raw import sources
from posrec.errors import DataError, ForeignError
from posrec.files import read_checked_json, read_json
from posrec.plan import ids
from posrec.plan.run import PlannedRun, planned_runs
from posrec.store import lock, places, results
from posrec.study.study import Study, load

SHOWN = 3  # names per line of missing files
MADE_AGAIN = "it is made again"


@dataclass(frozen=True)
class Finding:
    """A problem: `kind` is missing, damaged, foreign or disagrees; a repair moves `files` to .cache/repaired."""

    kind: str
    path: Path
    text: str
    remedy: str
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind:9} {self.path}: {self.text}; {self.remedy}"


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    loaded = load(arguments.study)
    status = verify(loaded, arguments.study, arguments.repair)
    if arguments.retrain:
        from posrec.model.runs import retrain  # loads torch

        status |= retrain.retrain(loaded, arguments.retrain, arguments.choice)
    return status


def workflow_command(study_file: str) -> str:
    """The command that makes a study's missing files."""
    return "snakemake --cores all all" + ("" if study_file == "params.yaml" else f" --configfile {study_file}")


def verify(study: Study, study_file: str, repair: bool = False) -> int:
    """Print a line per finding and a summary; with `repair` move wrong files to .cache/repaired.

    Returns the exit status: 0 when nothing is wrong, or after a repair.
    """
    if repair:
        lock.refuse_while_running(study.name)
    findings = find(study)
    for finding in findings:
        print(finding)
    runs = sum(len(cell.seeds) for cell in study.cells)
    checked = f"{runs} runs and {len(study.settings.datasets)} data sets checked"
    print(f"posrec verify: study {study.name}: {checked}, {len(findings) or 'no'} findings")
    if findings and repair:
        _repair(findings)
    if findings:
        option = "" if repair else "`posrec verify --repair` moves wrong files to .cache/repaired; then "
        print(f"posrec verify: {option}`{workflow_command(study_file)}` makes what is missing")
    return int(bool(findings) and not repair)


def find(study: Study) -> list[Finding]:
    """All findings: data sets, runs, tables, figures and report, then files that the study does not plan."""
    data = [finding for name in study.settings.datasets for finding in check_dataset(study, name)]
    runs = [finding for planned in planned_runs(study) for finding in check_run(planned)]
    missing = [path for part in places.PARTS for path in places.planned_files(study, part) if not path.exists()]
    raw = [finding for name in study.settings.datasets for finding in check_simulation(study, name)]
    return [*_missing(missing), *raw, *data, *runs, *check_analysis(study), *check_foreign(study)]


def _missing(paths: Iterable[Path]) -> Iterator[Finding]:
    """One finding per folder."""
    for folder, group in groupby(paths, key=lambda path: path.parent):
        names = [path.name for path in group]
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        yield Finding("missing", folder, f"{shown} do not exist", "the workflow makes them")


def check_dataset(study: Study, name: str) -> Iterator[Finding]:
    """The prepared data, their candidates, card and baselines, and the store's copy."""
    files = ids.dataset_files(study, name)
    if not (files.arrays.exists() and files.manifest.exists()):
        return
    prepared = _read_prepared(files.arrays, files.manifest)
    if isinstance(prepared, Finding):
        yield prepared
        return
    # Includes facts outside the ids (name of the source, expected counts), as a new preparation would write them.
    about = {**prepare.describe(name, study.settings.datasets[name]), **prepared.counted()}
    both = (files.arrays, files.manifest)
    yield from _differing(files.manifest, _flat(read_json(files.manifest)), _flat(about), both)
    yield from _check_candidates(study, files.candidates, prepared)
    named = {"dataset_id": files.folder.name, "dataset": name}
    yield from _check_json(files.card, {**named, "title": about["title"], **about["counts"]})
    yield from _check_json(files.baselines, {**named, "evaluation_id": ids.evaluation_id(study)})
    yield from _check_stored_data(files.folder.name, files.arrays)


def check_simulation(study: Study, name: str) -> Iterator[Finding]:
    """The simulated reviews of a data set, where they are there: its settings, and the files that its marker names."""
    dataset = study.settings.datasets[name]
    folder, remedy = ids.raw_folder(name, dataset), f"run `posrec simulate --dataset {name}`"
    if dataset.simulate is None or not (folder / sources.MARKER).exists():
        return
    try:
        sources.check_raw_files(folder, sources.simulated_checksums(folder, dataset.simulate, remedy), remedy)
    except DataError as error:
        path, _, reason = str(error).removesuffix(f"; {remedy}").partition(": ")
        yield Finding("damaged", Path(path), reason, remedy)


def _read_prepared(arrays: Path, manifest: Path) -> Prepared | Finding:
    try:
        return Prepared.load(arrays, manifest)
    except ForeignError as error:
        return _unusable(error, manifest, arrays)
    except DataError as error:
        return _unusable(error, arrays, manifest)


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with each setting as a separate key."""
    settings = manifest.get("settings")
    named = {f"settings.{key}": value for key, value in settings.items()} if isinstance(settings, dict) else {}
    return {key: value for key, value in manifest.items() if key != "settings"} | named


def _check_candidates(study: Study, path: Path, prepared: Prepared) -> Iterator[Finding]:
    if not path.exists():
        return
    try:
        found = Candidates.load(path)
    except (DataError, KeyError) as error:
        yield _unusable(error, path)
        return
    planned = candidates.draw(prepared, study.settings.evaluation)
    if not (np.array_equal(found.test, planned.test) and np.array_equal(found.validation, planned.validation)):
        drawn = f"{planned.test.shape} from these data with the seed {study.settings.evaluation.candidates_seed}"
        yield _foreign(path, f"has other candidates ({found.test.shape}) than those drawn: {drawn}", path)


def _check_json(path: Path, wanted: dict[str, Any]) -> Iterator[Finding]:
    if not path.exists():
        return
    try:
        content = read_checked_json(path)
    except DataError as error:
        yield _unusable(error, path)
        return
    yield from _differing(path, content, wanted, (path,))


def _check_stored_data(dataset_id: str, arrays: Path) -> Iterator[Finding]:
    folder = ids.store() / "data" / dataset_id
    stored = folder / "dataset.npz", folder / "dataset.json"
    if not folder.is_dir():
        return
    found = _read_prepared(*stored)
    if isinstance(found, Finding):
        yield found
    elif stored[0].read_bytes() != arrays.read_bytes():
        text = f"has other data than {arrays} under the same id; it is unknown which is right"
        yield Finding("disagrees", stored[0], text, "a repair prepares both again", (*_there(*stored), arrays))


def check_run(run: PlannedRun) -> Iterator[Finding]:
    """A run file: whole, of this run, and the same as the store's blocks."""
    good = {block: results.is_good(block, run.block_must_say) for block in run.blocks.values()}
    again = "it comes back from the store" if all(good.values()) else "it is trained again"
    if run.path.exists():
        yield from _check_run_file(run, again)
    for block in good:
        if block.exists() and not good[block]:
            text = "the store's result is damaged or of another run, and is not used"
            remedy = "a repair moves it away"
            yield Finding("damaged", block, text, remedy, _there(block, block.with_suffix(".npz")))


def _check_run_file(run: PlannedRun, again: str) -> Iterator[Finding]:
    path, blocks, both = run.path, run.blocks, (run.path, run.npz)
    try:
        content, arrays = results.read_result(path)
    except DataError as error:
        yield _unusable(error, *both, again=again)
        return
    differing = list(_differing(path, content, run.must_say, both, again))
    yield from differing
    if differing:
        return
    scored = content.get("evaluations", {})
    if not set(scored) <= set(blocks) or (content.get("status") == "finished") != (set(scored) == set(blocks)):
        text = f"is {content.get('status')} and scored under {', '.join(scored) or 'nothing'}"
        text += f", the study plans {', '.join(blocks)}"
        yield _foreign(path, text, *both, again=again)
        return
    for name, block in blocks.items():
        if results.is_good(block, run.block_must_say) and not _agree(content, arrays, block, name):
            text = f"differs from the store's {block}; it is unknown which is right"
            yield Finding(
                "disagrees",
                path,
                text,
                "after a repair it is trained again",
                _there(*both, block, block.with_suffix(".npz")),
            )


def _agree(content: dict[str, Any], arrays: dict[str, np.ndarray], block: Path, protocol: str) -> bool:
    stored, ranks = results.read_result(block)
    of_run = content.get("evaluations", {}).get(protocol)
    same = stored.get("evaluation") == of_run and (stored.get("status") == "failed") == (of_run is None)
    keys = [key for key in ranks if not key.startswith("curve_")]
    return same and all(np.array_equal(ranks[key], arrays.get(f"{protocol}.{key}", np.empty(0))) for key in keys)


def check_analysis(study: Study) -> Iterator[Finding]:
    """Tables, figures and report are those in their markers."""
    for (step, paths), verb in zip(analysis_files(study).items(), ("analyse", "figures", "report"), strict=True):
        *files, last = paths
        try:
            marker.check_marker(last, files, f"posrec {verb}")
        except DataError as error:
            kind = "damaged" if last.exists() else "missing"
            remedy = "the workflow makes them" if kind == "missing" else "after a repair it is made again"
            text = f"{step} of the current state do not exist" if kind == "missing" else str(error).split("; run")[0]
            yield Finding(kind, last, text, remedy, _there(last))


def check_foreign(study: Study) -> Iterator[Finding]:
    """Files in the study's folders that it does not plan."""
    unplanned = [path for part in places.PARTS for path in places.unplanned_files(study, part)]
    for path in [*unplanned, *left_over(study)]:
        yield Finding("foreign", path, "the study does not plan this file", "a repair moves it away", (path,))


def _differing(
    path: Path,
    content: dict[str, Any],
    wanted: dict[str, Any],
    files: tuple[Path, ...],
    again: str = MADE_AGAIN,
) -> Iterator[Finding]:
    """The first key in which a file's content does not match its path."""
    for key, value in wanted.items():
        if content.get(key) != value:
            yield _foreign(path, f"{key} is {content.get(key)!r}, the study plans {value!r}", *files, again=again)
            return


def _unusable(error: Exception, *files: Path, again: str = MADE_AGAIN) -> Finding:
    text = str(error).split("; ")[0].removeprefix(f"{files[0]}: ")
    kind = "foreign" if isinstance(error, ForeignError) else "damaged"
    return Finding(kind, files[0], text, f"after a repair {again}", _there(*files))


def _foreign(path: Path, text: str, *files: Path, again: str = MADE_AGAIN) -> Finding:
    return Finding("foreign", path, text, f"after a repair {again}", _there(*files))


def _there(*paths: Path) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.exists())


def _repair(findings: Iterable[Finding]) -> None:
    moved = list(dict.fromkeys(path for finding in findings for path in finding.files))
    for path in moved:
        inside = path.is_relative_to(ids.STUDIES)
        base = ids.STUDIES if inside else ids.store()
        print(f"{path} -> {places.move_aside(path, base, places.REPAIRED)}")
    print(f"posrec verify: {len(moved)} files moved to {places.REPAIRED}")
