"""`posrec dvc`: DVC stages of another study, made from those of the default study in dvc.yaml."""

import argparse
import shlex
from pathlib import Path

import yaml

from posrec.errors import StudyError
from posrec.files import write_text
from posrec.plan.hashes import dependencies_of
from posrec.study.encodings import find
from posrec.study.study import Study, load

DEFAULT = Path("dvc.yaml")
UP = "../.."  # from studies/<name>/ to the root, where every stage runs
HEADER = "# Written by `posrec dvc {path}` from dvc.yaml; don't edit. To reproduce the study: dvc repro {target}\n"


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    path = write_stages(load(arguments.study), arguments.study)
    print(f"{path}: now run `dvc repro {path}`, then commit both it and the dvc.lock beside it")


def write_stages(study: Study, path: str) -> Path:
    """Write studies/<name>/dvc.yaml for the study file `path`, and return its path. Raises StudyError.

    Both are relative to the root of the checkout, which must be the working folder.
    """
    given = Path(path)
    if given.is_absolute() or ".." in given.parts or not DEFAULT.exists():
        raise StudyError(f"{path}: run this in the root of the checkout (where dvc.yaml is), with a path inside it")
    if study.name == "default":
        raise StudyError(f"{path}: the stages of the study 'default' are in dvc.yaml; give this study another name")
    target = Path("studies") / study.name / "dvc.yaml"
    write_text(target, HEADER.format(path=path, target=target) + stages_of(study, path))
    return target


def stages_of(study: Study, path: str) -> str:
    """The stages of a study as YAML: those of dvc.yaml with other commands and settings."""
    default = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    content = {"vars": [f"{UP}/{path}"], **default}  # ${study} in the folders then follows the name in this file
    for stage in content["stages"].values():
        stage["wdir"] = UP
        stage["cmd"] = [_command(command, path) for command in stage["cmd"]]
        if "params" in stage:
            stage["params"] = [{path: None}]  # all keys: a study file may leave some out
    content["stages"]["data"]["deps"] += _tables(study)
    for stage in filter(lambda stage: "params" in stage, content["stages"].values()):
        stage["deps"] += _own_encodings(study)
    content["plots"] = [{f"{UP}/{name}": how for name, how in plot.items()} for plot in content["plots"]]
    text: str = yaml.safe_dump(content, sort_keys=False, width=120)
    return text


def _tables(study: Study) -> list[str]:
    """The user's own tables: the data set id includes their content, which the study file does not."""
    tables = [dataset.table for dataset in study.settings.datasets.values() if dataset.table]
    paths = [table.path for table in tables] + [table.items.path for table in tables if table.items]
    return list(dict.fromkeys(dep for path in paths for dep in dependencies_of(Path(path))))


def _own_encodings(study: Study) -> list[str]:
    """Files of the user's own encodings inside the checkout: the run id includes their content."""
    kinds = [find(name).kind for name in study.settings.encodings]
    own = [Path(kind.path).absolute() for kind in kinds if kind.own]
    return list(dict.fromkeys(str(path.relative_to(Path.cwd())) for path in own if path.is_relative_to(Path.cwd())))


def _command(command: str, path: str) -> str:
    """A command of the default study for another study file; copies are the same, but for the study's name."""
    if not command.startswith(("snakemake ", "posrec ")):
        return command
    words = [word for word in shlex.split(command) if word != "params.yaml"]
    study = ["--configfile", path] if words[0] == "snakemake" else [path]
    return shlex.join([*words[:2], *study, *words[2:]])
