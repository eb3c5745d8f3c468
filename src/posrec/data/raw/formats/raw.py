"""What a reader needs to know of a source, and small helpers that several readers share."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from posrec.errors import DataError

PRICE_BINS = 10
Value = TypeVar("Value")
Item = tuple[str, list[str], float | None]  # id, attributes, price in dollars


@dataclass(frozen=True)
class Raw:
    """A source's files, how many bad lines of each may be left out, and what the source says of its columns."""

    folder: Path
    files: tuple[str, ...]
    bad_lines: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def only(self, what: str, names: Collection[str]) -> Path:
        """The path of the one file among `names`. Raises DataError when there is none or more than one."""
        if len(names) != 1:
            raise DataError(
                f"{self.folder}: the source needs exactly one file of {what}, it lists {len(names)}: {', '.join(names)}"
            )
        return self.folder / next(iter(names))

    @property
    def price_bins(self) -> int:
        """Into how many bins prices are sorted."""
        return int(self.options.get("price_bins", PRICE_BINS))

    def named(self, *starts: str) -> list[str]:
        """The files whose names start so."""
        return [name for name in self.files if name.startswith(starts)]


def price_bins(prices: list[float], bins: int = PRICE_BINS) -> list[int]:
    """The bin of each price among all of them, 0 to bins - 1, with as many in each; equal prices share one."""
    if not prices:
        return []
    edges = np.quantile(prices, np.arange(1, bins) / bins)
    found: list[int] = np.searchsorted(edges, prices, side="right").tolist()
    return found


def matching(path: Path, rows: Iterable[tuple[str, Value]], items: Collection[str]) -> dict[str, Value]:
    """What the rows of a file (item id, value) say of `items`; the first row of an item counts.

    Raises DataError where no row is of any of `items`: ids are then written in another way, or other data.
    """
    found: dict[str, Value] = {}
    example = None
    for item, value in rows:
        example = example or item
        if item in items:
            found.setdefault(item, value)
    if not found:
        here = f"'{example}' for example" if example else "it has none"
        raise DataError(
            f"{path}: none of its items ({here}) is among the {len(items):,} items of the reviews "
            f"('{min(items, default='')}' for example): write ids alike in both, or set attributes: false"
        )
    return found


def attributes_of(path: Path, rows: Iterable[Item], items: Collection[str], bins: int) -> dict[str, list[str]]:
    """Attributes of those of `items` that `rows` describe, price=<bin among them> included; the first row counts.

    Raises DataError as `matching`.
    """
    found = matching(path, ((item, (names, price)) for item, names, price in rows), items)
    attributes = {item: names for item, (names, _) in found.items()}
    prices = {item: price for item, (_, price) in found.items() if price is not None}
    for item, price_bin in zip(prices, price_bins(list(prices.values()), bins), strict=True):
        attributes[item].append(f"price={price_bin}")
    return attributes
