"""What the verdicts on the claims are based on, and the queries that they share."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import pandas as pd

from posrec.analysis.tables.load import Inputs
from posrec.study.variation import settings_label, settings_of, varied_settings

Row: TypeAlias = "pd.Series[Any]"


@dataclass(frozen=True)
class Evidence:
    """The tables that claims are judged by; `of` gives those of one protocol."""

    inputs: Inputs
    datasets: pd.DataFrame
    comparisons: pd.DataFrame
    correlation: pd.DataFrame

    def of(self, protocol: str) -> "Evidence":
        """The same for one protocol alone."""
        datasets, comparisons, correlation = (
            table[table["protocol"] == protocol] for table in (self.datasets, self.comparisons, self.correlation)
        )
        return Evidence(self.inputs, datasets, comparisons, correlation)

    @cached_property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings behind each label."""
        cells = self.inputs.study.cells
        varied = varied_settings(cells)
        return {settings_label(cell, varied): {name: settings_of(cell)[name] for name in varied} for cell in cells}

    def differing_in(self, name: str) -> Iterator[tuple[str, str]]:
        """Pairs of labels of settings that differ in `name` alone, in the order of the study."""
        labels = list(self.settings.items())
        for number, (label, values) in enumerate(labels):
            for other, others in labels[number + 1 :]:
                if [key for key in values if values[key] != others[key]] == [name]:
                    yield label, other

    def against_none(self) -> pd.DataFrame:
        """The comparisons with `none`."""
        return self.comparisons[self.comparisons["against"] == "none"]

    def between(self, first: set[str], second: set[str] | None = None) -> pd.DataFrame:
        """Comparisons of an encoding of `first` with one of `second` (None: any other), from the first's point of view.

        Differences and log ratios are reversed where the table has the pair the other way round.
        """
        table = self.comparisons
        inside = table["encoding"].isin(first), table["against"].isin(first)
        allowed = (
            (~inside[1], ~inside[0])
            if second is None
            else (table["against"].isin(second), table["encoding"].isin(second))
        )
        return pd.concat([table[inside[0] & allowed[0]], turned(table[inside[1] & allowed[1]])])


def turned(table: pd.DataFrame) -> pd.DataFrame:
    """Comparisons from the other encoding's point of view."""
    names = {"encoding": "against", "against": "encoding"}
    swapped = table.rename(columns=names)
    swapped["difference_points"] = -table["difference_points"]
    swapped["difference_low_points"], swapped["difference_high_points"] = (
        -table["difference_high_points"],
        -table["difference_low_points"],
    )
    swapped["sd_ratio"] = 1 / table["sd_ratio"]
    swapped["sd_ratio_low"], swapped["sd_ratio_high"] = 1 / table["sd_ratio_high"], 1 / table["sd_ratio_low"]
    swapped["improvement"] = 1 - table["improvement"]
    return swapped[table.columns]
