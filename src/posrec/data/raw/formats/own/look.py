"""What is in a file: its kind, its columns with examples, and the settings of a table that read it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from posrec.data.raw.formats.own import roles
from posrec.data.raw.formats.own.bad_rows import BadRows
from posrec.data.raw.formats.own.delimited import SEPARATORS, plain_rows, quoted_rows, split_line, untyped
from posrec.data.raw.formats.own.lines import text_lines
from posrec.data.raw.formats.own.rows import kind_of, parsed_records
from posrec.data.raw.formats.own.seen import Seen
from posrec.data.raw.formats.own.values import is_missing, plain, words_of
from posrec.data.raw.formats.text import BadValueError, shown
from posrec.errors import DataError
from posrec.plan.hashes import parts_of
from posrec.study.settings.table import separator_of
from posrec.study.where import NotComparableError, as_number

SAMPLE = 5000  # rows that are looked at
EXAMPLES = 3
FEW_VALUES = 12  # of a column that may say what kind of event a row is
MOSTLY = 0.9  # share of lines with as many fields as most
ALONE = 0.5  # share of values that are of one row only, from which a column tells nothing of other items
Rows = list[list[Any]]


@dataclass
class Column:
    """A column of the rows that were looked at."""

    name: str
    values: list[Any]

    @property
    def filled(self) -> list[Any]:
        return [value for value in self.values if not is_missing(value)]

    @property
    def counts(self) -> Counter[str]:
        return Counter(str(plain(value)) for value in self.filled)

    @property
    def examples(self) -> str:
        """The first different values."""
        return ", ".join(shown(value)[:30] for value in list(self.counts)[:EXAMPLES])

    def is_number(self) -> bool:
        """Whether all values are numbers."""
        try:
            return bool([as_number(value) for value in self.filled])
        except NotComparableError:
            return False


@dataclass
class Sight:
    """What was seen in a file: facts of its form, its columns, and the settings that recognition needs beside them."""

    path: str
    seen: Seen
    columns: list[Column]
    settings: dict[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)


def look_at(path: str) -> Sight:
    """The first rows of a file, a pattern or a folder of parts. Raises DataError: it cannot be read."""
    part = parts_of(Path(path))[0]
    if not part.is_file():
        raise DataError(f"{path}: missing")
    sight = Sight(path, Seen(), [])
    kind = kind_of(part)
    sight.seen.note({"parquet": "Parquet", "json_lines": "JSON lines"}.get(kind, "text"))
    if kind == "parquet":
        sight.columns = _of_parquet(part)
        return sight
    bad = BadRows(part, SAMPLE)
    lines = islice(text_lines(part, None, sight.seen, bad), SAMPLE)
    if kind == "json_lines":
        records = [_flat(record) for _, record in parsed_records(part, lines, sight.seen, bad)]
        names = dict.fromkeys(key for record in records for key in record)
        sight.columns = [Column(name, [record.get(name) for record in records]) for name in names]
    else:
        _look_at_text(sight, part, list(lines), bad)
    if not any(column.values for column in sight.columns):
        raise DataError(f"{path}: no rows were found in it ({sight.seen})")
    return sight


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """The keys of inner objects as outer.inner, as a table names them."""
    inner = {key: _flat(value) for key, value in record.items() if isinstance(value, dict)}
    joined = {f"{key}.{name}": value for key, values in inner.items() for name, value in values.items()}
    return {key: value for key, value in record.items() if key not in inner} | joined


def _of_parquet(part: Path) -> list[Column]:
    import polars as pl  # loaded only where it is needed

    try:
        frame = pl.scan_parquet(part, glob=False).head(SAMPLE).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{part}: not a readable Parquet file ({str(error).splitlines()[0][:200]})") from None
    return [Column(name, frame[name].to_list()) for name in frame.columns]


def _look_at_text(sight: Sight, part: Path, lines: list[tuple[int, str]], bad: BadRows) -> None:
    texts = [text for _, text in lines if text.strip()]
    separator = _separator_of(texts, separator_of(part.name, None) or ",")
    if separator is None:
        _look_at_sequences(sight, texts)
        return
    sight.seen.separated(separator)
    quoted = len(separator) == 1 and (separator != "\t" or '\t"' in "".join(texts[:1]))
    rows = [fields for _, fields in (quoted_rows if quoted else plain_rows)(part, lines, separator, sight.seen, bad)]
    if _is_header(rows):
        sight.seen.note("with a header")
        names = untyped(rows.pop(0))
    else:
        sight.seen.note("without a header")
        names = roles.invented([Column(str(place), list(values)) for place, values in enumerate(_turned(rows))])
        sight.settings = {"columns": names, "separator": separator}
    width = len(names)
    rows = [row for row in rows if len(row) == width]
    sight.columns = [Column(name, list(values)) for name, values in zip(names, _turned(rows, width), strict=True)]


def _turned(rows: Rows, width: int | None = None) -> list[tuple[Any, ...]]:
    """The columns of rows of one length, that of the first."""
    width = width or (len(rows[0]) if rows else 0)
    return list(zip(*(row for row in rows if len(row) == width), strict=True)) or [()] * width


def _separator_of(texts: Sequence[str], usual: str) -> str | None:
    """The separator with which the first line and nearly all others have equally many fields, and the most of them.

    None: there is none.

    The usual one of a file's ending is taken first.
    """
    best, found = 1, None
    for separator in dict.fromkeys((usual, *SEPARATORS)):
        counts = Counter(len(split_line(text, separator)) for text in texts)
        width, lines = counts.most_common(1)[0] if counts else (0, 0)
        if width > best and lines >= MOSTLY * len(texts) and len(split_line(texts[0], separator)) == width:
            best, found = width, separator
            if separator == usual:
                return found
    return found


def _look_at_sequences(sight: Sight, texts: Sequence[str]) -> None:
    """Lines of a user and its items."""
    rows = [text.replace(",", " ").split() for text in texts]
    sight.seen.note("a sequence per line")
    sight.settings = {"kind": "sequences"}
    pairs = [(row[0], item) for row in rows for item in row[1:]]
    sight.columns = [
        Column(name, list(values)) for name, values in zip(("user_id", "item_id"), _turned_pairs(pairs), strict=True)
    ]


def _turned_pairs(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [user for user, _ in pairs], [item for _, item in pairs]


def _is_header(rows: Rows) -> bool:
    """Whether the first row names the columns: by known names, or texts that no other row has, or above numbers."""
    if not rows:
        return False
    first = untyped(rows[0])
    if any(roles.is_known(name) for name in first):
        return True
    if any(not name or name[0].isdigit() for name in first):
        return False
    columns = [values[1:] for values in _turned(rows)]
    above_numbers = any(values and all(value[:1].isdigit() for value in values) for values in columns)
    return above_numbers or not any(name in values for name, values in zip(first, columns, strict=True))


def attributes_of(sight: Sight, item: str) -> dict[str, list[str]]:
    """Columns that can be attributes of the items in a table of them: words, and numbers to be binned."""
    found: dict[str, list[str]] = {"attributes": [], "binned": []}
    for column in sight.columns:
        if column.name == item or not column.filled:
            continue
        if column.is_number():
            found["binned"].append(column.name)
        elif _is_shared(column):
            found["attributes"].append(column.name)
    return {key: names for key, names in found.items() if names}


def _is_shared(column: Column) -> bool:
    """Whether most values are of several rows."""
    try:
        counts = Counter(word for value in column.filled for word in words_of(column.name, value, "|"))
    except BadValueError:
        return False
    alone = sum(count == 1 for count in counts.values())
    return len(column.filled) < FEW_VALUES or alone <= ALONE * len(counts)


def events_of(sight: Sight, used: Sequence[str]) -> Iterator[tuple[str, Counter[str]]]:
    """Columns that may say what kind of event a row is, with their values."""
    for column in sight.columns:
        few = column.name not in used and 1 < len(column.counts) <= FEW_VALUES and not column.is_number()
        if few and (roles.is_event(column.name) or roles.are_events(column.counts)):
            yield column.name, column.counts


def described(sight: Sight) -> str:
    """The columns as lines of text."""
    rows = [("column", "examples", "filled", "different")]
    for column in sight.columns:
        share = len(column.filled) / max(len(column.values), 1)
        rows.append((column.name, column.examples, f"{share:.0%}", f"{len(column.counts):,}"))
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
