"""Attributes and numbers of the items in a user's own table of items."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from posrec.data.raw.formats.own.bad_rows import BadRows
from posrec.data.raw.formats.own.delimited import Table
from posrec.data.raw.formats.own.reviews import names_of
from posrec.data.raw.formats.own.rows import read_rows
from posrec.data.raw.formats.own.seen import Seen
from posrec.data.raw.formats.own.values import ids_of, is_missing, words_of
from posrec.data.raw.formats.raw import Raw, matching, price_bins
from posrec.data.raw.formats.text import BadValueError
from posrec.errors import DataError
from posrec.study.settings.table import ItemTableSettings
from posrec.study.where import NotComparableError, as_number

UNIQUE, FEW = 0.5, 20  # share of items with a value of their own, and number of items, from which it is warned
WHOLE = re.compile(r"(\d+)\.0+")
Value = TypeVar("Value")
Parsed = tuple[list[str], list[float | None]]  # words of the attributes, and numbers


def read_attributes(raw: Raw, items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items` from the table of items: <column>=<value>, for each value of a cell, and <column>=<bin>.

    An item that the table does not list has none; its first row counts. What was read is said on stderr, and columns
    whose values nearly all belong to one item are warned of. Raises DataError.
    """
    if raw.options["items"] is None:
        return {}
    table = ItemTableSettings.model_validate(raw.options["items"])
    if not (table.attributes or table.binned):
        return {}
    path = raw.folder / table.path
    found, seen = _read(raw, table, table.binned, items)
    attributes = {item: words for item, (words, _) in found.items()}
    for place, column in enumerate(table.binned):
        numbers = {item: value for item, (_, values) in found.items() if (value := values[place]) is not None}
        for item, number in zip(numbers, price_bins(list(numbers.values()), table.bins), strict=True):
            attributes[item].append(f"{column}={number}")
    _say(path, seen, attributes, len(items))
    for warning in near_unique(table.attributes, attributes):
        print(f"posrec: {path}: {warning}", file=sys.stderr)
    return {item: sorted(set(words)) for item, words in attributes.items()}


def read_features(raw: Raw) -> tuple[list[str], np.ndarray] | None:
    """Ids (I,) and the numbers of the columns `standardised` (I, F) float32: mean 0, standard deviation 1.

    A missing number is 0, the mean. None where the table of items names no such column. Raises DataError.
    """
    options = raw.options["items"]
    if options is None or not (table := ItemTableSettings.model_validate(options)).standardised:
        return None
    found, _ = _read(raw, table.model_copy(update={"attributes": []}), table.standardised, None)
    rows = [[np.nan if value is None else value for value in values] for _, values in found.values()]
    numbers = np.array(rows, dtype=np.float64)
    empty = [name for name, column in zip(table.standardised, numbers.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise DataError(f"{raw.folder / table.path}: {', '.join(empty)} has no number in any row: leave it out")
    spread = np.nanstd(numbers, axis=0)
    scaled = (numbers - np.nanmean(numbers, axis=0)) / np.where(spread > 0, spread, 1.0)
    return list(found), np.nan_to_num(scaled, nan=0.0).astype(np.float32)


def _read(
    raw: Raw, table: ItemTableSettings, numbers: Sequence[str], items: Collection[str] | None
) -> tuple[dict[str, Parsed], Seen]:
    """What the first row of each item says, of `items` or of all."""
    path, keys = raw.folder / table.path, names_of(table.item)
    seen, bad = Seen(), BadRows(path, raw.bad_lines)
    id_of = ids_of(keys)

    def parse(fields: Sequence[Any]) -> tuple[str, Parsed]:
        texts, figures = fields[len(keys) : len(fields) - len(numbers)], fields[len(fields) - len(numbers) :]
        cells = zip(table.attributes, texts, strict=True)
        words = {f"{column}={word}" for column, value in cells for word in words_of(column, value, table.parted_by)}
        values = [_number(column, value, table) for column, value in zip(numbers, figures, strict=True)]
        return id_of(fields[: len(keys)]), (sorted(words), values)

    rows = _parsed(path, table, [*keys, *table.attributes, *numbers], parse, seen, bad)
    if items is None:
        found: dict[str, Parsed] = {}
        for item, values in rows:
            found.setdefault(item, values)
        return found, seen
    return matching(path, _spelt_alike(rows, items), items), seen


def _number(column: str, value: object, table: ItemTableSettings) -> float | None:
    if is_missing(value):
        return None
    try:
        return as_number(value, table.decimal)
    except NotComparableError as error:
        raise BadValueError(f"{column} is {error}") from None


def _parsed(
    path: Path,
    table: Table,
    columns: Sequence[str],
    parse: Callable[[Sequence[Any]], tuple[str, Value]],
    seen: Seen,
    bad: BadRows,
) -> Iterator[tuple[str, Value]]:
    """What `parse` makes of each row. Raises DataError."""
    rows = 0
    for part, number, fields in read_rows(path, table, columns, seen, bad):
        rows += 1
        try:
            found = parse(fields)
        except BadValueError as error:
            bad.take(part, number, str(error))
            continue
        yield found
    bad.report(rows)


def _spelt_alike(rows: Iterator[tuple[str, Value]], items: Collection[str]) -> Iterator[tuple[str, Value]]:
    """The rows with ids as the reviews spell them, where one has 31 and the other 31.0."""
    short = {match[1]: item for item in items if (match := WHOLE.fullmatch(item))}
    for item, value in rows:
        if item not in items:
            match = WHOLE.fullmatch(item)
            item = match[1] if match and match[1] in items else short.get(item, item)
        yield item, value


def _say(path: Path, seen: Seen, attributes: Mapping[str, Sequence[str]], items: int) -> None:
    having = sum(bool(words) for words in attributes.values())
    share = f"{having:,} of {items:,} items have attributes ({having / max(items, 1):.0%})"
    example = next((f", such as {item!r}: {', '.join(words[:3])}" for item, words in attributes.items() if words), "")
    print(f"posrec: {path}: {seen}; {share}{example}", file=sys.stderr)


def near_unique(columns: Sequence[str], attributes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A warning for each column of which most items with a value have one that no other item has."""
    counts = Counter(word for words in attributes.values() for word in set(words))
    for column in columns:
        start = f"{column}="
        rows = [own for words in attributes.values() if (own := [word for word in words if word.startswith(start)])]
        alone = sum(all(counts[word] == 1 for word in own) for own in rows)
        if len(rows) >= FEW and alone > UNIQUE * len(rows):
            few = ", ".join(repr(word.removeprefix(start)) for words in islice(rows, 2) for word in words[:1])
            yield (
                f"{column}: {alone / len(rows):.0%} of the items have a value that no other item has (such as {few}): "
                "it cannot say which items are alike; leave it out, or set attribute_min_count: 2"
            )
