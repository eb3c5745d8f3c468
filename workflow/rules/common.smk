# Shared by all rules: the checked study, its paths, and the final messages.
# Only light modules of posrec are imported here: parsing takes well under a second.
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
from posrec.files import write_text
from posrec.plan import checkout, cluster, expected, ids, work
from posrec.plan.hashes import dependencies_of
from posrec.plan.run import run_files
from posrec.store import lock
from posrec.study.reading import read_yaml
from posrec.study.resolved import resolved
from posrec.study.study import Study, from_dict


def typed(value):
    """Snakemake passes numbers inside a --config value as text; convert them as in a study file."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


# Part of another workflow (`module posrec: ...`), whose own configuration files and --config are not for this study.
IN_MODULE = workflow.modifier.parent_modifier is not None


def study_source() -> str:
    """Where the study comes from: a file, or the dictionary that a module was given."""
    if workflow.modifier.skip_configfile:
        return "config"
    if IN_MODULE and workflow.overwrite_configfiles:
        raise WorkflowError(
            "module: give posrec its study with `config: config`, or a part of it such as `config: config['posrec']`; "
            "without that Snakemake would merge your --configfile into params.yaml"
        )
    given = [os.path.relpath(path) for path in workflow.overwrite_configfiles]
    if len(given) > 1:
        raise WorkflowError(
            f"--configfile: one study at a time (given: {', '.join(given)}); "
            "Snakemake would merge them and train data sets that neither study has"
        )
    return given[0] if given else "params.yaml"


def read_study() -> Study:
    """Check the study that Snakemake loaded, including --config overrides."""
    path = study_source()
    if not IN_MODULE:
        update_config(config, typed(workflow.config_settings.config))
    try:
        checkout.check()
        if path != "config":
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
    """Write the resolved study, including --config overrides, under the hash of its content: the rules read it."""
    name, content = resolved(study.settings)
    path = Path(ids.STORE) / "studies" / name
    if not path.exists() or path.read_text(errors="replace") != content:
        write_text(path, content)
    return str(path)


STUDY = read_study()
STUDY_FILE = write_study(STUDY)
if workflow.is_main_process:
    for warning in STUDY.warnings:
        print(f"posrec: warning: {warning}", file=sys.stderr)


def rules_of_job() -> set[str]:
    """The rules of this cluster job; empty in the process that plans."""
    if workflow.is_main_process or "--allowed-rules" not in sys.argv:
        return set()
    given = sys.argv[sys.argv.index("--allowed-rules") + 1 :]
    return set(itertools.takewhile(lambda word: not word.startswith("-"), given))


# A job parses the Snakefile again, twice on Slurm: it only computes the paths of its own runs.
JOB = rules_of_job()


def in_job(rule: str) -> bool:
    """Whether this process needs a rule: all do that plan. A module's rules may have a prefix."""
    return not JOB or any(name == rule or name.endswith(f"_{rule}") for name in JOB)


DATASETS = {name: ids.dataset_files(STUDY, name) for name in STUDY.settings.datasets}
BATCHES = [batch for batch in work.batches(STUDY) if in_job(f"train_{batch.name}")]
ANALYSIS = {
    step: [str(path) for path in paths]
    for step, paths in places.analysis_files(STUDY).items()
}
PROVENANCE = [str(path) for path in places.provenance_files(STUDY)]
FIGURE_TITLES = {
    name: figure.title
    for figure in registry.figures(STUDY)
    for name, _ in figure.pages(STUDY)
}
TABLES, FIGURES, REPORT = (ANALYSIS[step] for step in ("tables", "figures", "report"))


def raw_marker(name: str) -> str:
    """The file written last into a data set's raw folder; for a user's own table, that or its folder."""
    dataset = STUDY.settings.datasets[name]
    if dataset.table is not None:
        return dependencies_of(Path(dataset.table.path))[0]
    marker = "source.json" if dataset.source else "simulation.json"
    return str(ids.raw_folder(name, dataset) / marker)


RAW = list(dict.fromkeys(raw_marker(name) for name in DATASETS))
DATA = [
    str(path)
    for files in DATASETS.values()
    for path in (
        files.arrays,
        files.manifest,
        files.id_map,
        files.candidates,
        files.card,
        files.baselines,
    )
]
RUNS = [str(path) for path in (run_files(STUDY) if in_job("write_tables") else ())]
SIMULATIONS = {
    Path(raw_marker(name)).parent.name.removeprefix("simulated-"): name
    for name, dataset in STUDY.settings.datasets.items()
    if dataset.simulate
}
SOURCES = sorted(
    {dataset.source for dataset in STUDY.settings.datasets.values() if dataset.source}
)


def one_of(words) -> str:
    """A regular expression that matches exactly these words."""
    return "|".join(words) or "(?!)"


wildcard_constraints:
    study=STUDY.name,
    dataset=one_of(DATASETS),
    dataset_id=one_of(files.folder.name for files in DATASETS.values()),
    candidates_id=ids.candidates_id(STUDY),
    evaluation_id=ids.evaluation_id(STUDY),
    source=one_of(SOURCES),
    simulation=one_of(SIMULATIONS),


# torch and BLAS use one thread per job: the bytes do not depend on the number of cores, and jobs do not compete.
# The interpreter's folder is last in PATH, so that `posrec` is found without an activated environment.
# As a module it would be that of the other workflow's rules too.
if not IN_MODULE:
    shell.prefix(
        "set -euo pipefail; export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE; "
        f'export PATH="$PATH:{Path(sys.executable).parent}"; '
    )

# Slurm's executor calls sacct where squeue has no answer; that file explains why it must be ours.
if workflow.is_main_process:
    cluster.put_first(str(workflow.current_basedir.join("../profiles/slurm/bin")))


# Measured by `posrec plan`: it determines the resources of jobs, not which runs share one.
MACHINES = cluster.machines()


def with_caption(path: str):
    """A figure in Snakemake's own report; its PNG and its data are plain outputs."""
    if not path.endswith(".svg"):
        return path
    # The caption contains the number of seeds and the candidates, so the rule that draws the figure writes it.
    return report(
        path,
        caption=os.path.abspath(Path(path).with_suffix(".rst")),
        category="Figures",
        labels={"figure": FIGURE_TITLES[Path(path).stem]},
    )


def count_failed() -> int:
    """The number of planned runs whose file says that they failed."""
    files = [Path(path) for path in RUNS if path.endswith(".json")]
    return sum(
        json.loads(path.read_text())["status"] == "failed"
        for path in files
        if path.exists()
    )


# Called after Snakemake has its lock; `posrec unlock` and `posrec prune` read the record.
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
            f"`posrec train --study {STUDY_FILE} --again-failed` retrains them"
        )


onerror:
    lock.release(STUDY.name)
    print(
        "posrec: stopped before the end. The log of the failed rule is named above (all are under "
        f"logs/{STUDY.name}). Finished work is kept: fix the cause and run the same command again. "
        "After a kill -9, run `posrec unlock` first."
    )
