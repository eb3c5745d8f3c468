"""The rank tests over independent data sets only: of each source the largest one."""

import pandas as pd

from posrec.analysis.registry import origin
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.columns import CORRELATION_MEANINGS
from posrec.analysis.tables.correlation import correlation_table

COLUMNS = CORRELATION_MEANINGS


def independent_names(tables: Tables) -> list[str]:
    """Names of the data sets that share no interaction: of each source the one with the most."""
    datasets, cards = tables.inputs.study.settings.datasets, tables.inputs.cards
    largest: dict[str, str] = {}
    for name, settings in datasets.items():
        of = origin(name, settings)
        if of not in largest or cards[name]["interactions"] > cards[largest[of]]["interactions"]:
            largest[of] = name
    return [name for name in datasets if name in largest.values()]


def independent_table(tables: Tables) -> pd.DataFrame:
    """The correlation table of the independent data sets; columns: those of the correlation table."""
    names = independent_names(tables)
    cells, datasets = (table[table["dataset"].isin(names)] for table in (tables.cells, tables.datasets))
    return correlation_table(cells, datasets)
