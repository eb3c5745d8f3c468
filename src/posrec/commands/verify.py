"""`posrec verify`: check every file of a study: checksums, ids, missing files and files that don't belong there.

Only a repair changes anything: it moves files to .cache/repaired, so that the workflow makes them again.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from posrec.analysis.places import analysis_files, left_over
from posrec.analysis.tables import marker
from posrec.analysis.tables.load import inputs_checksum
from posrec.data.prepare import candidates, prepare
from posrec.data.prepare.id_map import IdMap
from posrec.data.prepare.prepared import Candidates, Prepared, identity_of, inputs_of, read_manifest
from posrec.data.raw import sources
from posrec.errors import DataError, ForeignError
from posrec.files import FILES, check_files, read_checked_json
from posrec.plan import ids
from posrec.plan.run import PlannedRun, curve_file, planned_runs
from posrec.store import lock, places, results
from posrec.store.findings import Finding, differing, foreign, missing, there, unusable
from posrec.study.study import Study, load

INPUTS = "inputs"


@dataclass(frozen=True)
class Examined:
    """A data set's findings, and the checksums that name what was computed from it; none of data that are wrong."""

    findings: list[Finding]
    inputs: dict[str, str]


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
    examined = {name: examine_dataset(study, name) for name in study.settings.datasets}
    data = [finding for one in examined.values() for finding in one.findings]
    runs = [
        finding
        for planned in planned_runs(study)
        for finding in check_run(planned, examined[planned.cell.dataset].inputs)
    ]
    absent = [path for part in places.PARTS for path in places.planned_files(study, part) if not path.exists()]
    raw = [finding for name in study.settings.datasets for finding in check_simulation(study, name)]
    return [*missing(absent), *raw, *data, *runs, *check_analysis(study), *check_foreign(study)]


def check_dataset(study: Study, name: str) -> list[Finding]:
    """The prepared data, their candidates, card and baselines, and the store's copy."""
    return examine_dataset(study, name).findings


def examine_dataset(study: Study, name: str) -> Examined:
    """As `check_dataset`; with the checksums of the data and of the candidates that belong to them."""
    files = ids.dataset_files(study, name)
    if not (files.arrays.exists() and files.manifest.exists()):
        return Examined([], {})
    prepared = _read_prepared(files.arrays, files.manifest)
    if isinstance(prepared, Finding):
        return Examined([prepared], {})
    # Includes facts outside the ids (name of the source, expected counts), as a new preparation would write them.
    about = {**prepare.describe(name, study.settings.datasets[name]), **prepared.counted()}
    both = (files.arrays, files.manifest)
    found = list(differing(files.manifest, _flat(read_manifest(files.manifest)), _flat(about), both))
    planned = candidates.draw(prepared, study.settings.evaluation)
    inputs = inputs_of(files.manifest)
    card = {**identity_of(files.card), "title": about["title"], **about["counts"], INPUTS: inputs}
    of_results = {**inputs, "candidates": planned.checksum(files.candidates)}
    found += _check_candidates(study, files, planned)
    found += _check_json(files.baselines, {**identity_of(files.baselines), INPUTS: of_results})
    found += _check_json(files.card, card)
    found += _check_id_map(files.id_map, prepared)
    found += _check_stored_data(files.folder.name, files)
    return Examined(found, of_results)


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
        return unusable(error, manifest, arrays)
    except DataError as error:
        return unusable(error, arrays, manifest)


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with each setting as a separate key."""
    settings = manifest.get("settings")
    named = {f"settings.{key}": value for key, value in settings.items()} if isinstance(settings, dict) else {}
    return {key: value for key, value in manifest.items() if key != "settings"} | named


def _check_candidates(study: Study, files: ids.DatasetFiles, planned: Candidates) -> Iterator[Finding]:
    """The candidates against those that are drawn again."""
    path = files.candidates
    if not path.exists():
        return
    try:
        found = Candidates.load(path)
    except DataError as error:
        yield unusable(error, path)
        return
    if np.array_equal(found.test, planned.test) and np.array_equal(found.validation, planned.validation):
        return
    drawn = f"{planned.test.shape} from these data with the seed {study.settings.evaluation.candidates_seed}"
    yield foreign(path, f"has other candidates ({found.test.shape}) than those drawn: {drawn}", path)


def _check_json(path: Path, wanted: dict[str, Any]) -> Iterator[Finding]:
    if not path.exists():
        return
    try:
        content = read_checked_json(path)
    except DataError as error:
        yield unusable(error, path)
        return
    yield from differing(path, content, wanted, (path,))


def _check_id_map(path: Path, prepared: Prepared) -> Iterator[Finding]:
    """The original ids, as many as the data have users and items."""
    if not path.exists():
        return
    try:
        found = IdMap.load(path)
    except DataError as error:
        yield unusable(error, path)
        return
    if (len(found.users), len(found.items)) != (prepared.n_users, prepared.n_items):
        text = f"names {len(found.users)} users and {len(found.items)} items"
        yield foreign(path, f"{text}, the data have {prepared.n_users} and {prepared.n_items}", path)


def _check_stored_data(dataset_id: str, files: ids.DatasetFiles) -> Iterator[Finding]:
    folder = ids.store() / "data" / dataset_id
    stored = folder / "dataset.npz", folder / "dataset.json"
    if not folder.is_dir():
        return
    found = _read_prepared(*stored)
    if isinstance(found, Finding):
        yield found
    elif stored[0].read_bytes() != files.arrays.read_bytes():
        text = f"has other data than {files.arrays} under the same id; it is unknown which is right"
        yield Finding("disagrees", stored[0], text, "a repair prepares both again", (*there(*stored), files.arrays))
    else:
        yield from _check_id_map(folder / files.id_map.name, found)


def check_run(run: PlannedRun, inputs: Mapping[str, str] = MappingProxyType({})) -> Iterator[Finding]:
    """A run file: whole, of this run, computed from these data and candidates, and the same as the store's blocks.

    inputs: the checksums of the data and the candidates, where they are known.
    """
    good = {name: results.is_good(block, run.block_must_say(name)) for name, block in run.blocks.items()}
    again = "it comes back from the store" if all(good.values()) else "it is trained again"
    if run.path.exists():
        yield from _check_run_file(run, again, inputs)
    for name, block in run.blocks.items():
        both = there(block, block.with_suffix(".npz"))
        if block.exists() and not good[name]:
            text = "the store's result is damaged or of another run, and is not used"
            yield Finding("damaged", block, text, "a repair moves it away", both)
        elif block.exists():
            yield from _check_inputs(block, results.read_content(block), inputs, both)
    yield from _check_weights(run, inputs)


def _check_inputs(
    path: Path, content: Mapping[str, Any], inputs: Mapping[str, str], files: tuple[Path, ...]
) -> Iterator[Finding]:
    """Whether a result was computed from the data set's files as they are, or as they are drawn again."""
    said = content.get(INPUTS) or {}
    wrong = [name for name, checksum in inputs.items() if name in said and said[name] != checksum]
    if wrong:
        what = "candidates" if "candidates" in wrong else "data"
        yield foreign(
            path, f"was computed from other {what} than those of its data set", *files, again="it is made again"
        )


def _check_weights(run: PlannedRun, inputs: Mapping[str, str]) -> Iterator[Finding]:
    """The weights that the store keeps of a run, and the curve that says whose they are."""
    curve = curve_file(run.stored)
    if not curve.exists():
        return
    files = there(curve, curve.with_suffix(".npz"), *sorted(run.stored.glob("weights-epoch=*.pt")))
    try:
        content = results.read_content(curve, **run.training_must_say)
        check_files(curve, {FILES: content.get("weights")})
        yield from _check_inputs(curve, content, inputs, files)
    except DataError as error:
        yield unusable(error, curve, *files, again="the weights are made again where they are needed")


def _check_run_file(run: PlannedRun, again: str, inputs: Mapping[str, str]) -> Iterator[Finding]:
    path, blocks, both = run.path, run.blocks, (run.path, run.npz)
    try:
        content, arrays = results.read_result(path, **run.must_say)
    except DataError as error:
        yield unusable(error, *both, again=again)
        return
    wrong = list(_check_inputs(path, content, inputs, there(*both)))
    yield from wrong
    if wrong:
        return
    scored = content.get("evaluations", {})
    if not set(scored) <= set(blocks) or (content.get("status") == "finished") != (set(scored) == set(blocks)):
        text = f"is {content.get('status')} and scored under {', '.join(scored) or 'nothing'}"
        text += f", the study plans {', '.join(blocks)}"
        yield foreign(path, text, *both, again=again)
        return
    for name, block in blocks.items():
        if results.is_good(block, run.block_must_say(name)) and not _agree(content, arrays, block, name):
            text = f"differs from the store's {block}; it is unknown which is right"
            files = there(*both, block, block.with_suffix(".npz"))
            yield Finding("disagrees", path, text, "after a repair it is trained again", files)


def _agree(content: dict[str, Any], arrays: dict[str, np.ndarray], block: Path, protocol: str) -> bool:
    stored, ranks = results.read_result(block)
    of_run = content.get("evaluations", {}).get(protocol)
    same = stored.get("evaluation") == of_run and (stored.get("status") == "failed") == (of_run is None)
    keys = [key for key in ranks if not key.startswith("curve_")]
    return same and all(np.array_equal(ranks[key], arrays.get(f"{protocol}.{key}", np.empty(0))) for key in keys)


def check_analysis(study: Study) -> Iterator[Finding]:
    """Tables, figures and report are those in their markers, and made from the results that are there."""
    try:
        inputs: str | None = inputs_checksum(study)
    except DataError:  # a missing result is a finding of its own
        inputs = None
    for (step, paths), verb in zip(analysis_files(study).items(), ("analyse", "figures", "report"), strict=True):
        *files, last = paths
        try:
            marker.check_marker(last, files, f"posrec {verb}", inputs)
        except DataError as error:
            kind = "damaged" if last.exists() else "missing"
            remedy = "the workflow makes them" if kind == "missing" else "after a repair it is made again"
            text = (
                f"{step} of the current state do not exist"
                if kind == "missing"
                else str(error).split("; ")[0].removeprefix(f"{last}: ")
            )
            yield Finding(kind, last, text, remedy, there(last))


def check_foreign(study: Study) -> Iterator[Finding]:
    """Files in the study's folders that it does not plan."""
    unplanned = [path for part in places.PARTS for path in places.unplanned_files(study, part)]
    for path in [*unplanned, *left_over(study)]:
        yield Finding("foreign", path, "the study does not plan this file", "a repair moves it away", (path,))


def _repair(findings: Iterable[Finding]) -> None:
    moved = list(dict.fromkeys(path for finding in findings for path in finding.files))
    for path in moved:
        inside = path.is_relative_to(ids.STUDIES)
        base = ids.STUDIES if inside else ids.store()
        print(f"{path} -> {places.move_aside(path, base, places.REPAIRED)}")
    print(f"posrec verify: {len(moved)} files moved to {places.REPAIRED}")
