"""DVC stages of another study, from those of the default study in dvc.yaml."""

import shlex
from pathlib import Path
from typing import Any

import yaml

from posrec import plan
from posrec.errors import StudyError
from posrec.files import write_text
from posrec.study import Study

DEFAULT = Path("dvc.yaml")
UP = "../.."  # from studies/<name>/ to the root, where every stage runs
HEADER = "# Written by `posrec dvc {path}` from dvc.yaml; don't edit. To reproduce the study: dvc repro {target}\n"


def write_stages(study: Study, path: str) -> Path:
    """Write studies/<name>/dvc.yaml for the study file `path`, and return where. Raises StudyError.

    Both are relative to the root of the checkout, where this must run.
    """
    given = Path(path)
    if given.is_absolute() or ".." in given.parts or not DEFAULT.exists():
        raise StudyError(f"{path}: run this at the root of the checkout, where dvc.yaml is, with a path inside it")
    if study.name == "default":
        raise StudyError(f"{path}: the stages of the study 'default' are dvc.yaml itself; give the study another name")
    target = Path("studies") / study.name / "dvc.yaml"
    write_text(target, HEADER.format(path=path, target=target) + stages_of(study, path))
    return target


def stages_of(study: Study, path: str) -> str:
    """The stages of a study as YAML: those of dvc.yaml with other folders, commands and settings."""
    default = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    content = _renamed(default, str(plan.STUDIES / "default"), str(plan.STUDIES / study.name))
    for stage in content["stages"].values():
        stage["wdir"] = UP
        stage["cmd"] = [_command(command, path) for command in stage["cmd"]]
        stage["params"] = [{path: None}]  # every key: a study file need not have them all
    content["metrics"] = [f"{UP}/{name}" for name in content["metrics"]]
    content["plots"] = [{f"{UP}/{name}": how for name, how in plot.items()} for plot in content["plots"]]
    text: str = yaml.safe_dump(content, sort_keys=False, width=120)
    return text


def _renamed(value: Any, old: str, new: str) -> Any:
    """A copy of nested lists and mappings with a folder's name replaced in every text."""
    if isinstance(value, dict):
        return {_renamed(key, old, new): _renamed(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, old, new) for inner in value]
    return value.replace(f"{old}/", f"{new}/") if isinstance(value, str) else value


def _command(command: str, path: str) -> str:
    """A command of the default study for another study file."""
    words = [word for word in shlex.split(command) if word != "params.yaml"]
    study = ["--configfile", path] if words[0] == "snakemake" else [path]
    return shlex.join([*words[:2], *study, *words[2:]])
