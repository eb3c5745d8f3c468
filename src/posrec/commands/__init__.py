"""One file per verb of the command line, with the verb's name and a function `run(arguments)`."""

import argparse

from posrec.errors import StudyError
from posrec.plan import ids
from posrec.study.reading import nearest
from posrec.study.study import Study, load


def study_and_dataset(arguments: argparse.Namespace) -> tuple[Study, str]:
    """The study and the name given by --dataset. Raises StudyError where the study has no such data set."""
    loaded = load(arguments.study)
    if arguments.dataset not in loaded.settings.datasets:
        known = list(loaded.settings.datasets)
        hint = nearest(arguments.dataset, known)
        raise StudyError(f"--dataset {arguments.dataset}: the study has {', '.join(known)}{hint}")
    return loaded, arguments.dataset


def study_and_prepared(arguments: argparse.Namespace) -> tuple[Study, str]:
    """The same, where the data set is prepared. Raises StudyError with the command that prepares it."""
    loaded, name = study_and_dataset(arguments)
    manifest = ids.dataset_files(loaded, name).manifest
    if not manifest.exists():
        other = "" if str(arguments.study) == "params.yaml" else f" {arguments.study}"
        raise StudyError(f"{manifest}: is not there yet: run `posrec prepare{other} --dataset {name}` first")
    return loaded, name
