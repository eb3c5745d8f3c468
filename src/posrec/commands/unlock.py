"""`posrec unlock`: remove the lock that a killed workflow left."""

import argparse

from posrec.store import lock
from posrec.study.study import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    lock.unlock(load(arguments.study).name, arguments.force)
