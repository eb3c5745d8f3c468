"""Which settings differ between the cells of a study, and the label that they give each cell."""

import json
from collections.abc import Iterable
from typing import Any

from posrec.study.study import Cell


def settings_of(cell: Cell) -> dict[str, Any]:
    """All settings of a cell that can change its numbers, by name."""
    return {**cell.model.model_dump(), **cell.training.model_dump(exclude={"keep_weights"})}


def varied_settings(cells: Iterable[Cell]) -> list[str]:
    """Names of the settings that differ between cells of one data set, in the order of the schema.

    A setting that differs only from data set to data set belongs to the data set and is left out.
    """
    values: dict[str, dict[str, set[str]]] = {}
    for cell in cells:
        for name, value in settings_of(cell).items():
            values.setdefault(name, {}).setdefault(cell.dataset, set()).add(json.dumps(value, sort_keys=True))
    return [name for name, of_dataset in values.items() if any(len(found) > 1 for found in of_dataset.values())]


def settings_label(cell: Cell, varied: list[str]) -> str:
    """A label of the settings that vary, such as "upper_bound=0.1, activation=silu"; empty where none does."""
    values = settings_of(cell)
    return ", ".join(f"{name}={format_setting(values[name])}" for name in varied)


def format_setting(value: Any) -> str:
    """A setting's value as written in a study file."""
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
