"""Attributes of the items: names as a multi-hot table, and dense features such as those of images."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from posrec.errors import DataError


def choose_names(attributes: Sequence[Sequence[str]], kinds: Collection[str], min_count: int) -> list[list[str]]:
    """The attribute names of each item that are of one of `kinds` and that at least `min_count` items have.

    brand=... is a brand, price=... a bin of prices, and anything else a category.
    """
    rows = [[name for name in set(names) if kind_of(name) in kinds] for names in attributes]
    counts = Counter(name for names in rows for name in names)
    return [[name for name in names if counts[name] >= min_count] for names in rows]


def kind_of(name: str) -> str:
    """The kind of an attribute: categories, brand or price."""
    kind = name.split("=", 1)[0]
    return kind if "=" in name and kind in ("brand", "price") else "categories"


def attribute_table(attributes: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Multi-hot attributes of items 1.. as offsets (I + 2,) int64 and ids (nnz,) int32; ids follow the names."""
    rows = [sorted(set(names)) for names in attributes]
    place = {name: number for number, name in enumerate(sorted({name for names in rows for name in names}))}
    offsets = np.cumsum([0, 0, *(len(names) for names in rows)], dtype=np.int64)
    return offsets, np.array([place[name] for names in rows for name in names], dtype=np.int32)


def feature_table(name: str, found: tuple[list[str], np.ndarray] | None, items: Collection[str]) -> np.ndarray:
    """Dense features of `items` as rows 1.. of a matrix (I + 1, F) float32; row 0 and items without any are zeros.

    found: ids and their rows, as `formats.read_features` gives them. Raises DataError where the source has none.
    """
    if found is None:
        raise DataError(f"datasets.{name}.dense_features: the source has no dense features; set it to false")
    ids, matrix = found
    row = {item: number for number, item in enumerate(ids)}
    known = [(place, row[item]) for place, item in enumerate(items, 1) if item in row]
    if not known:
        raise DataError(
            f"datasets.{name}.dense_features: none of the items has features; check that both have the same item ids"
        )
    places, rows = np.array(known).T
    table = np.zeros((len(items) + 1, matrix.shape[1]), np.float32)
    table[places] = matrix[rows]
    return table
