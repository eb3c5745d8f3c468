"""`posrec baselines`: score chance, popularity and Markov."""

import argparse

from posrec.commands import study_and_prepared
from posrec.model.evaluate import baselines


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    baselines.score_baselines(*study_and_prepared(arguments))
