"""Reviews of a user's own table."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pandas as pd

from posrec.data.raw.formats.own.bad_rows import BadRows
from posrec.data.raw.formats.own.rows import Row, read_rows
from posrec.data.raw.formats.own.seen import Seen
from posrec.data.raw.formats.own.times import Clock, clock_of
from posrec.data.raw.formats.own.values import ids_of, is_missing, plain
from posrec.data.raw.formats.raw import Raw
from posrec.data.raw.formats.text import BadValueError, Review, review_table, shown
from posrec.errors import DataError
from posrec.study.settings.table import TableSettings
from posrec.study.where import NotComparableError, parse_where

SAMPLE = 1000  # rows from which the way to read times is recognised
SHOWN_ROWS = 3


def read_reviews(raw: Raw) -> pd.DataFrame:
    """Reviews in the order of the rows; without times, the time is the number of the row.

    What was recognised and read is said on stderr. Raises DataError.
    """
    table = TableSettings.model_validate(raw.options["table"])
    reading = _Reading(raw.folder / table.path, table, raw.bad_lines)
    found = reading.read()
    print(f"posrec: {reading.path}: {reading.seen}", file=sys.stderr)
    print(f"posrec: {reading.path}: {_summary(found, reading, table)}", file=sys.stderr)
    return found


def names_of(columns: str | list[str] | None) -> list[str]:
    """The names of one column, of several or of none."""
    return [columns] if isinstance(columns, str) else list(columns or [])


class _Reading:
    """One reading of a table: its columns, what was seen, and counts of the rows that were left out."""

    def __init__(self, path: Path, table: TableSettings, bad_lines: int) -> None:
        self.path, self.table, self.seen = path, table, Seen()
        self.bad = BadRows(path, bad_lines, table.tolerate)
        self.user, self.item, self.time = names_of(table.user), names_of(table.item), names_of(table.time)
        self.where = parse_where(table.where, table.decimal) if table.where else None
        own = [*self.user, *self.item, *self.time]
        self.columns = [*own, *(self.where.columns if self.where else [])]
        self.ends = (len(self.user), len(self.user) + len(self.item), len(own))
        self.rows = self.unwanted = self.without = 0

    def read(self) -> pd.DataFrame:
        kept = self._kept(read_rows(self.path, self.table, self.columns, self.seen, self.bad))
        start = list(islice(kept, SAMPLE))
        if not start and self.unwanted:
            raise DataError(
                f"{self.path}: where: {self.table.where!r} leaves none of {self.rows:,} rows{self._example()}"
            )
        clock = self._clock([self._time_of(fields) for _, _, fields in start]) if self.time else None
        if clock:
            self.seen.note(clock.said)
        found = review_table(self.path, self._reviews(chain(start, kept), clock))
        self.bad.report(self.rows)
        return found

    def _kept(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows that `where` wants and that `missing: drop` does not leave out."""
        drops, where = self.table.missing == "drop", self.where
        for part, number, fields in rows:
            self.rows += 1
            try:
                if where and not where.test(dict(zip(self.columns, fields, strict=True))):
                    self.unwanted += 1
                    continue
            except NotComparableError as error:
                self.bad.take(part, number, str(error))
                continue
            if drops and any(map(is_missing, fields[: self.ends[2]])):
                self.without += 1
                continue
            yield part, number, fields

    def _clock(self, sample: Sequence[object]) -> Clock:
        misfits = self.bad.lines + math.ceil(self.bad.share * len(sample))
        try:
            return clock_of(self.table, " ".join(self.time), sample, self._every_time, misfits)
        except BadValueError as error:
            raise DataError(f"{self.path}: {error}") from None

    def _every_time(self) -> Iterator[object]:
        """The times of all rows that count, from another reading of the table."""
        again = _Reading(self.path, self.table, sys.maxsize)
        rows = read_rows(self.path, self.table, self.columns, Seen(), again.bad)
        return (self._time_of(fields) for _, _, fields in again._kept(rows))

    def _time_of(self, fields: Sequence[Any]) -> object:
        """The time as one value; parts of a date in several columns are joined by spaces."""
        values = fields[self.ends[1] : self.ends[2]]
        return values[0] if len(values) == 1 else " ".join(_part_of_time(value) for value in values)

    def _reviews(self, rows: Iterable[Row], clock: Clock | None) -> Iterator[Review]:
        user_of, item_of = ids_of(self.user), ids_of(self.item)
        users, items, _ = self.ends
        label, count = " ".join(self.time), 0
        for part, number, fields in rows:
            try:
                user, item = user_of(fields[:users]), item_of(fields[users:items])
                time = clock.read(label, self._time_of(fields)) if clock else count
            except BadValueError as error:
                self.bad.take(part, number, str(error))
                continue
            count += 1
            yield user, item, time

    def _example(self) -> str:
        """What the columns of `where` hold in the first rows."""
        assert self.where is not None
        again = read_rows(self.path, self.table, self.where.columns, Seen(), BadRows(self.path, sys.maxsize))
        rows = [fields for _, _, fields in islice(again, SAMPLE)]
        held = [
            f"{name} has {', '.join(shown(value) for value in list(dict.fromkeys(values))[:5])}"
            for name, values in zip(self.where.columns, map(partial(map, str), zip(*rows, strict=True)), strict=True)
        ]
        return f"; {'; '.join(held)}" if held else ""


def _part_of_time(value: object) -> str:
    text = str(plain(value))
    return text.removesuffix(" 00:00:00").strip()


def _summary(found: pd.DataFrame, reading: _Reading, table: TableSettings) -> str:
    """Rows, users, items, first and last day, and the first three rows as they were read."""
    left_out = {"where": reading.unwanted, "missing": reading.without, "bad": len(reading.bad.found)}
    names = {"where": "not wanted by where", "missing": "without user, item or time", "bad": "bad"}
    out = ", ".join(f"{count:,} {names[key]}" for key, count in left_out.items() if count)
    days = (
        f", {_day(found['time'].min())} to {_day(found['time'].max())}" if table.time else ", in the order of the rows"
    )
    head = f"{len(found):,} reviews{f' ({out} left out)' if out else ''}"
    counts = f", {found['user'].nunique():,} users, {found['item'].nunique():,} items{days}"
    rows = found.head(SHOWN_ROWS).itertuples(index=False, name=None)
    return head + counts + "".join(f"\n  {_row(row, table.time is not None)}" for row in rows)


def _row(row: tuple[str, str, int], timed: bool) -> str:
    user, item, time = row
    return f"user {shown(user)}, item {shown(item)}" + (f", {pd.Timestamp(time, unit='s')} UTC" if timed else "")


def _day(seconds: int) -> str:
    return str(pd.Timestamp(seconds, unit="s").date())
