"""`posrec report`: write the report."""

import argparse

from posrec.analysis.report import write
from posrec.study.study import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    write.write_report(load(arguments.study))
