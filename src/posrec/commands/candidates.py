"""`posrec candidates`: draw the sampled candidates of the evaluation."""

import argparse

from posrec.commands import study_and_prepared
from posrec.data.prepare import candidates


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    candidates.draw_candidates(*study_and_prepared(arguments))
