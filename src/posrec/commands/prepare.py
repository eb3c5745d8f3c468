"""`posrec prepare`: turn raw reviews into a prepared data set."""

import argparse

from posrec.commands import study_and_dataset
from posrec.data.prepare import prepare


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    prepare.prepare_dataset(*study_and_dataset(arguments))
