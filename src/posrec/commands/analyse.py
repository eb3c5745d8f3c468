"""`posrec analyse`: write the tables."""

import argparse

from posrec.analysis.tables import build
from posrec.study.study import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    build.write_tables(load(arguments.study))
