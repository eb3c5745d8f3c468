"""`posrec fetch`: get raw files and check them."""

import argparse

from posrec.data.raw import sources
from posrec.plan import ids
from posrec.study.study import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    if arguments.list:
        sources.list_sources()
        return
    names = list(arguments.sources)
    if not names:
        datasets = load(arguments.study).settings.datasets.values()
        names = list(dict.fromkeys(dataset.source for dataset in datasets if dataset.source))
    for name in names:
        sources.fetch(name, ids.RAW / name, arguments.record)
