"""One file per verb of the command line, with the verb's name and a function `run(arguments)`."""

import argparse

from posrec.errors import StudyError
from posrec.study.study import Study, load


def study_and_dataset(arguments: argparse.Namespace) -> tuple[Study, str]:
    """The study and the name given by --dataset. Raises StudyError where the study has no such data set."""
    loaded = load(arguments.study)
    if arguments.dataset not in loaded.settings.datasets:
        raise StudyError(f"--dataset {arguments.dataset}: the study has {', '.join(loaded.settings.datasets)}")
    return loaded, arguments.dataset
