"""`posrec train`: train and evaluate the missing runs of a batch or of selected cells."""

import argparse

from posrec.model.runs import jobs
from posrec.study.study import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    loaded = load(arguments.study)
    jobs.train_cells(loaded, jobs.select_cells(loaded, arguments), arguments.seed, arguments.again_failed)
