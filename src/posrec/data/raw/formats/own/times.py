"""Times of a table as whole seconds since 1970 UTC: numbers in any unit, ISO 8601, dates in a format of their own."""

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from posrec.data.raw.formats.own.values import is_missing, plain
from posrec.data.raw.formats.text import END_OF_TIME, BadValueError, check_time, shown, whole_number
from posrec.study.settings.table import TableSettings

ISO_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?)?"
    r"(?:\[([\w/+-]+)\])?"
)
ZONED = re.compile(r".*:\d\d.*(Z|UTC|GMT|[+-]\d\d(:?\d\d)?|\])")
NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})(?:\.[0-9]+)?")  # one spelling: "007" is damage
COMPACT = re.compile(r"(19|20)[0-9]{10}")  # %Y%m%d%H%M; as milliseconds they would be of the 1970s
FIRST = 31_536_000  # seconds to 1971: a number below it counts something else than seconds since 1970
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
BOUNDS = {"seconds": 10**10, "milliseconds": 10**13, "microseconds": 10**16, "nanoseconds": 10**19}  # to the year 2286
DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%y", "%d/%m/%y"),
    *("%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y-%m-%d", "%Y%m%d"),
)
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z", " %H:%M:%S.%f")
OTHERS = (
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%Y%m%d%H%M%S",
    "%Y%m%dT%H%M%S",
    "%d/%b/%Y:%H:%M:%S %z",
)
PARTS = ("%Y %m %d", "%Y %m %d %H", "%Y %m %d %H %M", "%Y %m %d %H %M %S", "%d %m %Y", "%m %d %Y")
FORMATS = [*(day + clock for day in DAYS for clock in CLOCKS), *OTHERS, *PARTS]
KEPT = 2**16  # texts whose times are remembered
ReadTime = Callable[[str, object], int]  # name of the column and value; raises BadValueError


@dataclass(frozen=True)
class Clock:
    """How a table's times are read, and how that is said."""

    read: ReadTime
    said: str


def clock_of(
    table: TableSettings, column: str, sample: Sequence[object], every: Callable[[], Iterable[object]], misfits: int = 0
) -> Clock:
    """How to read times like those of `sample`; where several formats fit it, `every` value of the table decides.

    misfits: values of the sample that may fit none. Raises BadValueError where day and month could be either in all of
    them.
    """
    zone = zone_of(table.time_zone)
    where = f" in {table.time_zone}" if table.time_zone else ""
    if table.time_format:
        return Clock(partial(_formatted, table.time_format, zone), f"times {table.time_format!r}{where}")
    if table.time_unit:
        return Clock(_reader_of(table.time_unit, zone), f"times in {table.time_unit}{where}")
    values = [plain(value) for value in sample if not is_missing(value)]
    if any(isinstance(value, datetime.datetime) for value in values):
        return Clock(partial(_seconds, zone=zone), f"times as timestamps{where}")
    if _is_all(lambda value: bool(COMPACT.fullmatch(str(value))) and _fits("%Y%m%d%H%M", value), values, misfits):
        return Clock(partial(_formatted, "%Y%m%d%H%M", zone), f"times '%Y%m%d%H%M'{where or ' in UTC'}")
    for unit in UNITS:
        if _is_all(partial(_counts, unit), values, misfits):
            return Clock(_reader_of(unit, zone), f"times in {unit}")
    if _is_all(_is_iso, values, misfits):
        return Clock(_reader_of("iso", zone), f"times in ISO 8601{where or _utc(values)}")
    pattern = _format_of(column, values, every, misfits)
    if pattern:
        return Clock(
            partial(_formatted, pattern, zone), f"times {pattern!r}{where or (' in UTC' * ('%z' not in pattern))}"
        )
    return Clock(partial(_seconds, zone=zone), "times in seconds")  # whose error says what helps


def _utc(values: Sequence[object]) -> str:
    """What is assumed of times without a zone."""
    return "" if all(ZONED.fullmatch(str(value)) for value in values) else ", in UTC where they name no zone"


def zone_of(name: str | None) -> datetime.tzinfo:
    """A zone of the IANA database; UTC without a name."""
    return ZoneInfo(name) if name else datetime.UTC


def _is_all(test: Callable[[object], bool], values: Sequence[object], misfits: int) -> bool:
    """Whether values pass a test, but for as many as may fail it; looks no further than the first one too many."""
    left = min(misfits, len(values) - 1)
    for value in values:
        left -= not test(value)
        if left < 0:
            return False
    return bool(values)


def _counts(unit: str, value: object) -> bool:
    """Whether a number can count this unit since 1970: from 1971 to 2286, so that no other unit fits."""
    number = _number(value)
    return number is not None and FIRST * UNITS[unit] <= number < BOUNDS[unit]


def _number(value: object) -> int | None:
    """A count of a unit without its fraction; None for anything else."""
    if isinstance(value, str):
        match = NUMBER.fullmatch(value)
        value = int(match[1]) if match else None
    if isinstance(value, float) and 0 <= value < END_OF_TIME * 10**9:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _reader_of(unit: str, zone: datetime.tzinfo) -> ReadTime:
    return partial(_iso, zone=zone) if unit == "iso" else partial(_seconds, unit=unit, zone=zone)


def _seconds(column: str, value: object, unit: str = "seconds", zone: datetime.tzinfo = datetime.UTC) -> int:
    value = plain(value)
    if isinstance(value, datetime.datetime):
        return _since_1970(column, value, zone)
    number = _number(value)
    if number is None and isinstance(value, str) and value.startswith("-"):
        number = whole if isinstance(whole := whole_number(value.removesuffix(".0")), int) else None
    if number is None:
        hint = _way_to_read(value) if isinstance(value, str) and value else ""
        raise BadValueError(f"{column} is {shown(value)}, not a whole number of {unit}{hint}")
    seconds = number // UNITS[unit]
    if 0 <= seconds < FIRST:
        raise BadValueError(
            f"{column} is {number}, in 1970 as {unit}: set time_unit or time_format to how times are written, or "
            "time: null where the order of the rows is all there is"
        )
    if seconds >= END_OF_TIME:
        raise BadValueError(f"{column} is {number}, after the year 9999 as {unit}: set time_unit to what it counts")
    return check_time(column, seconds)


def _way_to_read(text: str) -> str:
    """The setting that reads a date; where day and month could be either, both ways."""
    if _is_iso(text):
        return ": set time_unit: iso"
    fitting = [pattern for pattern in FORMATS if _fits(pattern, text)]
    either = " or ".join(f"'{pattern}'" for pattern in fitting[:3]) or "'%d.%m.%Y %H:%M'"
    return f": a date needs time_unit: iso or its own time_format, such as {either}"


def _format_of(
    column: str, values: Sequence[object], every: Callable[[], Iterable[object]], misfits: int
) -> str | None:
    """The one format that fits; None: none does. Raises BadValueError where several fit all values and differ."""
    texts = list(dict.fromkeys(str(value) for value in values))
    fitting = [pattern for pattern in FORMATS if _is_all(partial(_fits, pattern), texts, misfits)]
    if len(fitting) > 1:
        fitting = _fitting_all(fitting, every, misfits)
    if len(fitting) > 1:
        differing = [text for text in texts if len({_moment(pattern, text) for pattern in fitting}) > 1]
        if differing:
            either = " or ".join(f"time_format: '{pattern}'" for pattern in fitting)
            raise BadValueError(f"{column} is {shown(differing[0])}, which can be read in several ways: set {either}")
    return fitting[0] if fitting else None


def _fitting_all(patterns: list[str], every: Callable[[], Iterable[object]], misfits: int) -> list[str]:
    """Those that fit every value, with as many misfits as are allowed in a sample; looks until one is left."""
    left, failures = list(patterns), dict.fromkeys(patterns, 0)
    known: set[str] = set()
    for value in every():
        text = "" if is_missing(value) else str(plain(value))
        if not text or text in known:
            continue
        if len(known) < KEPT:
            known.add(text)
        fits = {pattern: _fits(pattern, text) for pattern in left}
        if any(fits.values()):  # a value that none reads says nothing of them
            for pattern in left:
                failures[pattern] += not fits[pattern]
            left = [pattern for pattern in left if failures[pattern] <= misfits] or left
        if len(left) == 1:
            break
    return left


def _fits(pattern: str, value: object) -> bool:
    return _moment(pattern, str(value)) is not None


@lru_cache(maxsize=KEPT)
def _moment(pattern: str, text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(text, pattern)
    except ValueError:
        return None


def _is_iso(value: object) -> bool:
    return isinstance(value, str) and _iso_moment(value) is not None


@lru_cache(maxsize=KEPT)
def _iso_moment(text: str) -> datetime.datetime | None:
    match = ISO_TIME.fullmatch(text)
    if not match:
        return None
    bare = re.sub(r" ?(UTC|GMT)$", "Z", text.partition("[")[0].replace(",", "."))
    try:
        moment = datetime.datetime.fromisoformat(re.sub(r" (?=[+-]\d\d(:?\d\d)?$|Z$)", "", bare))
        return moment if moment.tzinfo or not match[1] else moment.replace(tzinfo=ZoneInfo(match[1]))
    except (ValueError, KeyError, OSError):
        return None


def _iso(column: str, value: object, zone: datetime.tzinfo) -> int:
    value = plain(value)
    if isinstance(value, datetime.datetime):
        return _since_1970(column, value, zone)
    moment = _iso_moment(value) if isinstance(value, str) else None
    if moment is None:
        raise BadValueError(
            f"{column} is {shown(value)}, not a date and time such as 2024-05-31 or 2024-05-31T18:00:00Z; time_format "
            "reads other ways to write them"
        )
    return _since_1970(column, moment, zone)


def _formatted(pattern: str, zone: datetime.tzinfo, column: str, value: object) -> int:
    value = plain(value)
    if isinstance(value, datetime.datetime):
        return _since_1970(column, value, zone)
    moment = _moment(pattern, str(value))
    if moment is None:
        raise BadValueError(f"{column} is {shown(value)}, which time_format: {pattern!r} does not read")
    return _since_1970(column, moment, zone)


def _since_1970(column: str, moment: datetime.datetime, zone: datetime.tzinfo) -> int:
    """Whole seconds; a time without a zone is of `zone`."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    seconds = (aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(seconds=1)
    if seconds < 0:
        raise BadValueError(f"{column} is {shown(str(moment))}, before 1970")
    return check_time(column, seconds)
