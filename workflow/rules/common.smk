# What all rules share: the checked study, its paths, and what is said at the end.
# Only the light modules of posrec are imported here: parsing takes well under a second.
import itertools
import json
import os
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from posrec.analysis import places, registry
from posrec.errors import PosrecError
from posrec.files import digest, write_text
from posrec.plan import cluster, expected, ids, work
from posrec.plan.run import run_files
from posrec.store import lock
from posrec.study.reading import read_yaml
from posrec.study.study import Study, from_dict


def typed(value):
    """Snakemake gives numbers inside a --config value as text; read them as the study file's are."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


def read_study() -> Study:
    """Check the study that Snakemake loaded, --config overrides included."""
    given = [os.path.relpath(path) for path in workflow.overwrite_configfiles]
    if len(given) > 1:
        raise WorkflowError(
            f"--configfile: one study at a time (given: {', '.join(given)}); "
            "Snakemake would merge them, and train data sets that neither study asks for"
        )
    update_config(config, typed(workflow.config_settings.config))
    path = given[0] if given else "params.yaml"
    try:
        # Snakemake's own reader silently keeps the last of duplicate keys.
        read_yaml(path)
        study = from_dict(config, path)
        for name, dataset in study.settings.datasets.items():
            ids.planned_source(name, dataset)
        expected.check_prepared(study)
    except PosrecError as error:
        raise WorkflowError(str(error)) from None
    return study


def write_study(study: Study) -> str:
    """Write the resolved study under its content's hash: what the rules read, --config overrides included."""
    # Not write_json, which sorts: the order of data sets and encodings is that of the figures.
    content = json.dumps(study.settings.model_dump(mode="json"), indent=1)
    path = Path(ids.STORE) / "studies" / f"{digest(content)}.json"
    if not path.exists():
        write_text(path, content)
    return str(path)


STUDY = read_study()
STUDY_FILE = write_study(STUDY)
if workflow.is_main_process:
    for warning in STUDY.warnings:
        print(f"posrec: warning: {warning}", file=sys.stderr)


def rules_of_job() -> set[str]:
    """The rules that a cluster's job was started for; empty in the process that plans."""
    if workflow.is_main_process or "--allowed-rules" not in sys.argv:
        return set()
    given = sys.argv[sys.argv.index("--allowed-rules") + 1 :]
    return set(itertools.takewhile(lambda word: not word.startswith("-"), given))


# A job reads the Snakefile again, twice on Slurm: of a study of ten thousand runs it takes its own names alone.
JOB = rules_of_job()
DATASETS = {name: ids.dataset_files(STUDY, name) for name in STUDY.settings.datasets}
BATCHES = [
    batch for batch in work.batches(STUDY) if not JOB or f"train_{batch.name}" in JOB
]
ANALYSIS = {
    step: [str(path) for path in paths]
    for step, paths in places.analysis_files(STUDY).items()
}
PROVENANCE = [str(path) for path in places.provenance_files(STUDY)]
FIGURE_TITLES = {figure.name: figure.title for figure in registry.figures(STUDY)}
TABLES, FIGURES, REPORT = (ANALYSIS[step] for step in ("tables", "figures", "report"))


def raw_marker(name: str) -> str:
    """The file that is written last into a data set's folder of raw reviews; a user's own table is there already."""
    dataset = STUDY.settings.datasets[name]
    if dataset.table is not None:
        return dataset.table.path
    marker = "source.json" if dataset.source else "simulation.json"
    return str(ids.raw_folder(name, dataset) / marker)


RAW = list(dict.fromkeys(raw_marker(name) for name in DATASETS))
DATA = [
    str(path)
    for files in DATASETS.values()
    for path in (
        files.arrays,
        files.manifest,
        files.candidates,
        files.card,
        files.baselines,
    )
]
RUNS = [
    str(path)
    for path in (run_files(STUDY) if not JOB or "write_tables" in JOB else ())
]
SIMULATIONS = {
    Path(raw_marker(name)).parent.name.removeprefix("simulated-"): name
    for name, dataset in STUDY.settings.datasets.items()
    if dataset.simulate
}
SOURCES = sorted(
    {dataset.source for dataset in STUDY.settings.datasets.values() if dataset.source}
)


def one_of(words) -> str:
    """A regular expression of exactly these words; nothing when there are none."""
    return "|".join(words) or "(?!)"


wildcard_constraints:
    study=STUDY.name,
    dataset=one_of(DATASETS),
    dataset_id=one_of(files.folder.name for files in DATASETS.values()),
    candidates_id=ids.candidates_id(STUDY),
    evaluation_id=ids.evaluation_id(STUDY),
    source=one_of(SOURCES),
    simulation=one_of(SIMULATIONS),


# torch and BLAS take one thread a job: bytes are the same whatever the number of cores, and jobs don't fight for them.
# The interpreter's folder stands last in PATH, so that `posrec` is found without an activated environment.
shell.prefix(
    "set -euo pipefail; export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE; "
    f'export PATH="$PATH:{Path(sys.executable).parent}"; '
)

# Slurm's executor asks sacct where squeue has no answer; the file says why it must be this one.
if workflow.is_main_process:
    cluster.put_first(str(workflow.current_basedir.join("../profiles/slurm/bin")))


# What `posrec plan` measured: it sets what jobs ask for, never which runs share one.
MACHINES = cluster.machines()


def with_caption(path: str):
    """A figure as it stands in Snakemake's own report; its PNG and its data are plain outputs."""
    if not path.endswith(".svg"):
        return path
    # The caption says how many seeds and which candidates, so the rule that draws the figure writes it beside it.
    return report(
        path,
        caption=os.path.abspath(Path(path).with_suffix(".rst")),
        category="Figures",
        labels={"figure": FIGURE_TITLES[Path(path).stem]},
    )


def count_failed() -> int:
    """Planned runs whose file says that they failed."""
    files = [Path(path) for path in RUNS if path.endswith(".json")]
    return sum(
        json.loads(path.read_text())["status"] == "failed"
        for path in files
        if path.exists()
    )


# Runs once the lock is taken; `posrec unlock` and `posrec prune` read what it writes.
onstart:
    if workflow.is_main_process:
        try:
            lock.claim(STUDY.name)
        except PosrecError as error:
            raise WorkflowError(str(error)) from None


onsuccess:
    lock.release(STUDY.name)
    if all(Path(path).exists() for path in REPORT):
        print(f"posrec: the report is {REPORT[0]}")
    failed = count_failed()
    if failed:
        print(
            f"posrec: {failed} runs failed; the report shows them as gaps with their reasons; "
            f"`posrec train --study {STUDY_FILE} --again-failed` trains them anew"
        )


onerror:
    lock.release(STUDY.name)
    print(
        "posrec: stopped before the end. The log of the failed rule is named above (all are under "
        f"logs/{STUDY.name}); what was finished is kept: mend the cause and run the same command again. "
        "After a kill -9, run `posrec unlock` first."
    )
