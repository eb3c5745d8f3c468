"""`posrec figures`: draw the figures."""

import argparse

from posrec.analysis.topics import draw
from posrec.study.study import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    draw.write_figures(load(arguments.study))
