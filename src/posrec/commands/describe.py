"""`posrec describe`: write a data set's card."""

import argparse

from posrec.commands import study_and_prepared
from posrec.data.prepare import card


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    card.describe_dataset(*study_and_prepared(arguments))
