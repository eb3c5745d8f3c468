"""`posrec simulate`: simulate the reviews of a data set."""

import argparse

from posrec.commands import study_and_dataset
from posrec.data.simulate import simulate
from posrec.errors import StudyError
from posrec.plan import ids


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    loaded, name = study_and_dataset(arguments)
    dataset = loaded.settings.datasets[name]
    if dataset.simulate is None:
        raise StudyError(
            f"datasets.{name}: is not simulated: `posrec fetch` gets a source, a table is a file of your own"
        )
    simulate.simulate(dataset.simulate, ids.raw_folder(name, dataset))
