"""Check everything that a study rests on: checksums, ids, what is missing, and what doesn't belong there.

Nothing is changed unless a repair is asked for; a repair moves files aside, so that the workflow makes them again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from posrec import versions
from posrec.analysis.places import analysis_files
from posrec.analysis.tables import marker
from posrec.data.prepare import candidates, prepare
from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.data.raw import sources
from posrec.errors import DataError, ForeignError
from posrec.files import read_checked_json, read_json
from posrec.plan import ids
from posrec.store import lock, places, results
from posrec.study.study import Cell, Study

SHOWN = 3  # names in a line on missing files
MADE_AGAIN = "it is made again"


@dataclass(frozen=True)
class Finding:
    """Something wrong: `kind` is missing, damaged, foreign or disagrees; a repair moves `files` aside."""

    kind: str
    path: Path
    text: str
    remedy: str
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind:9} {self.path}: {self.text}; {self.remedy}"


def workflow_command(study_file: str) -> str:
    """The command that makes a study's missing files."""
    return "snakemake --cores all all" + ("" if study_file == "params.yaml" else f" --configfile {study_file}")


def verify(study: Study, study_file: str, repair: bool = False) -> int:
    """Print a line for each finding and a summary; with `repair` move what is wrong aside.

    Returns the exit status: 0 when nothing is wrong, or when the repair left only files for the workflow to make.
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
        option = "" if repair else "`posrec verify --repair` moves what is wrong aside; then "
        print(f"posrec verify: {option}`{workflow_command(study_file)}` makes what is missing")
    return int(bool(findings) and not repair)


def find(study: Study) -> list[Finding]:
    """All findings: data sets, runs, tables, figures and report, then files that the study doesn't plan."""
    data = [finding for name in study.settings.datasets for finding in check_dataset(study, name)]
    runs = [finding for cell in study.cells for seed in cell.seeds for finding in check_run(study, cell, seed)]
    missing = [path for part in places.PARTS for path in places.planned_files(study, part) if not path.exists()]
    raw = [finding for name in study.settings.datasets for finding in check_simulation(study, name)]
    return [*_missing(missing), *raw, *data, *runs, *check_analysis(study), *check_foreign(study)]


def _missing(paths: Iterable[Path]) -> Iterator[Finding]:
    """One line a folder."""
    for folder, group in groupby(paths, key=lambda path: path.parent):
        names = [path.name for path in group]
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        yield Finding("missing", folder, f"{shown} not there", "the workflow makes it")


def check_dataset(study: Study, name: str) -> Iterator[Finding]:
    """The prepared data, their candidates, card and baselines, and the store's copy."""
    files = ids.dataset_files(study, name)
    if not (files.arrays.exists() and files.manifest.exists()):
        return
    prepared = _read_prepared(files.arrays, files.manifest)
    if isinstance(prepared, Finding):
        yield prepared
        return
    # Also what no id holds (the name of the source, the counts expected): what is prepared anew would say it.
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
    """Each setting as a key of its own."""
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
        yield _foreign(path, f"holds other candidates ({found.test.shape}) than are drawn {drawn}", path)


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
    folder = results.root() / "data" / dataset_id
    stored = folder / "dataset.npz", folder / "dataset.json"
    if not folder.is_dir():
        return
    found = _read_prepared(*stored)
    if isinstance(found, Finding):
        yield found
    elif stored[0].read_bytes() != arrays.read_bytes():
        text = f"holds other data than {arrays} under the same id; which is right cannot be told"
        yield Finding("disagrees", stored[0], text, "a repair has both prepared again", (*_there(*stored), arrays))


def check_run(study: Study, cell: Cell, seed: int) -> Iterator[Finding]:
    """A run file: whole, of this run, and what the store says of it, too."""
    path = ids.run_folder(study, cell) / f"seed={seed}.json"
    run_id = ids.run_id(study, cell)
    identity = {"run_id": run_id, "seed": seed, "training_version": versions.TRAINING_VERSION}
    blocks = {
        protocol.name: results.seed_folder(run_id, seed) / f"{ids.block_id(study, protocol.name)}.json"
        for protocol in cell.protocols
    }
    stored = all(results.is_good(block, **identity) for block in blocks.values())
    again = "it comes back from the store" if stored else "it is trained again"
    if path.exists():
        dataset_id = ids.dataset_id(cell.dataset, study.settings.datasets[cell.dataset])
        names = {"dataset": cell.dataset, "dataset_id": dataset_id, "encoding": cell.encoding}
        of_place = {"study_schema": versions.STUDY_SCHEMA, "evaluation_id": ids.evaluation_id(study, cell)}
        wanted = {**of_place, **identity, **names}
        yield from _check_run_file(path, wanted, again, blocks)
    for block in blocks.values():
        if block.exists() and not results.is_good(block, **identity):
            text = "the store's result is damaged or another run's and is never used"
            remedy = "a repair moves it aside"
            yield Finding("damaged", block, text, remedy, _there(block, block.with_suffix(".npz")))


def _check_run_file(path: Path, wanted: dict[str, Any], again: str, blocks: dict[str, Path]) -> Iterator[Finding]:
    both = (path, path.with_suffix(".npz"))
    try:
        content, arrays = results.read_result(path)
    except DataError as error:
        yield _unusable(error, *both, again=again)
        return
    differing = list(_differing(path, content, wanted, both, again))
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
        if results.is_good(block, run_id=wanted["run_id"], seed=wanted["seed"]) and not _agree(
            content, arrays, block, name
        ):
            text = f"says something else than the store's {block}; which is right cannot be told"
            yield Finding(
                "disagrees",
                path,
                text,
                "a repair has it trained again",
                _there(*both, block, block.with_suffix(".npz")),
            )


def _agree(content: dict[str, Any], arrays: dict[str, np.ndarray], block: Path, protocol: str) -> bool:
    stored, ranks = results.read_result(block)
    of_run = content.get("evaluations", {}).get(protocol)
    same = stored.get("evaluation") == of_run and (stored.get("status") == "failed") == (of_run is None)
    keys = [key for key in ranks if not key.startswith("curve_")]
    return same and all(np.array_equal(ranks[key], arrays.get(f"{protocol}.{key}", np.empty(0))) for key in keys)


def check_analysis(study: Study) -> Iterator[Finding]:
    """Tables, figures and report are those that their markers name."""
    for (step, paths), verb in zip(analysis_files(study).items(), ("analyse", "figures", "report"), strict=True):
        *files, last = paths
        try:
            marker.check_marker(last, files, f"posrec {verb}")
        except DataError as error:
            kind = "damaged" if last.exists() else "missing"
            remedy = "the workflow makes them" if kind == "missing" else "a repair has it made again"
            text = f"{step} of this state: not there" if kind == "missing" else str(error).split("; run")[0]
            yield Finding(kind, last, text, remedy, _there(last))


def check_foreign(study: Study) -> Iterator[Finding]:
    """Files in the study's folders of data and runs that it doesn't plan."""
    for part in places.PARTS:
        known = set(places.planned_files(study, part))
        for path in places.files_below(ids.STUDIES / study.name / part):
            if path not in known:
                yield Finding("foreign", path, "the study plans no such file", "a repair moves it aside", (path,))


def _differing(
    path: Path,
    content: dict[str, Any],
    wanted: dict[str, Any],
    files: tuple[Path, ...],
    again: str = MADE_AGAIN,
) -> Iterator[Finding]:
    """A file that says to be something else than its place says."""
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
        base = ids.STUDIES if inside else results.root()
        print(f"{path} -> {places.move_aside(path, base, places.REPAIRED)}")
    print(f"posrec verify: {len(moved)} files moved to {places.REPAIRED}")
