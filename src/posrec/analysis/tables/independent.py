"""The rank tests over independent data sets only: the largest one of each source."""

import pandas as pd

from posrec.analysis.registry import origin
from posrec.analysis.tables import correlation
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.reading import Shown

COLUMNS = correlation.COLUMNS


def independent_names(tables: Tables) -> list[str]:
    """Names of the data sets that share no interaction: the largest one of each source."""
    datasets, cards = tables.inputs.study.settings.datasets, tables.inputs.cards
    largest: dict[str, str] = {}
    for name, settings in datasets.items():
        of = origin(name, settings)
        if of not in largest or cards[name]["interactions"] > cards[largest[of]]["interactions"]:
            largest[of] = name
    return [name for name in datasets if name in largest.values()]


def build(tables: Tables) -> pd.DataFrame:
    """The correlation table of the independent data sets; columns: those of the correlation table."""
    names = independent_names(tables)
    cells, datasets = (table[table["dataset"].isin(names)] for table in (tables["cells"], tables["datasets"]))
    return correlation.correlation_table(cells, datasets)


def shown(tables: Tables) -> Shown:
    """The tests over these data sets."""
    return correlation.shown_tests(tables["independent"])
