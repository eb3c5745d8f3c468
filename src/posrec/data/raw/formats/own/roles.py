"""Which columns hold the user, the item and the time: guessed from their names, and of the time from its values."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from posrec.data.raw.formats.own.times import clock_of
from posrec.data.raw.formats.text import BadValueError
from posrec.study.settings.table import TableSettings


def _words(text: str) -> list[str]:
    return text.split()


NAMES = {
    "user": _words("""
        user userid uid customer customerid customernumber visitor visitorid member memberid client clientid account
        accountid buyer buyerid reviewer reviewerid person personid cliente utilisateur kunde kundennummer kundeid
        session sessionid author username householdkey"""),
    "item": _words("""
        item itemid iid product productid sku asin parentasin stockcode article articleid movie movieid isbn book
        bookid track trackid song songid artistid produit producto prodotto artikel artikelnummer newsid videoid
        contentid businessid poi venueid appid recipeid"""),
    "time": _words("""
        timestamp time datetime date unixreviewtime ts eventtime eventtimestamp createdat created invoicedate orderdate
        boughtat purchasedate purchasetime reviewtime visittime utctime datum zeit fecha tdat day when at"""),
}
PARTS = {
    "user": ("user", "customer", "kunde", "visitor", "client"),
    "item": ("item", "product", "sku", "artikel", "movie"),
    "time": ("time", "date", "datum"),
}
EVENT = ("event", "eventtype", "eventname", "action", "behavior", "behaviour", "behaviortype", "interaction", "type")
EVENTS = _words("purchase purchased buy view viewed click cart addtocart transaction order pv fav")
FEW = 10  # values of a column without a name that is a rating or a kind of event rather than an id
SAMPLE = 500


class Values(Protocol):
    """A column with its values."""

    @property
    def name(self) -> str: ...
    @property
    def filled(self) -> list[Any]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...


def guess(columns: Sequence[Values]) -> dict[str, str]:
    """Role -> name of the column, for the roles that can be recognised."""
    found: dict[str, str] = {}
    for role in NAMES:
        free = [column.name for column in columns if column.name not in found.values()]
        if name := _by_name(role, free):
            found[role] = name
    if "time" not in found:
        free_ones = [column for column in columns if column.name not in found.values()]
        if times := next((column.name for column in free_ones if holds_times(column.filled)), None):
            found["time"] = times
    return found


def _by_name(role: str, names: Sequence[str]) -> str | None:
    short = {name: _short(name) for name in names}
    exact = [name for known in NAMES[role] for name in names if short[name] == known]
    parts = [name for part in PARTS[role] for name in names if part in short[name] and not short[name].endswith("name")]
    return next(iter([*exact, *parts]), None)


def is_known(name: str) -> bool:
    """Whether a text is a usual name of a column."""
    return any(_short(name) in names for names in NAMES.values()) or _short(name) in (
        "rating",
        "event",
        "price",
        "title",
    )


def is_event(name: str) -> bool:
    """Whether a column of this name says what kind of event a row is."""
    return _short(name) in EVENT


def are_events(values: Collection[str]) -> bool:
    """Whether values are kinds of events of a shop."""
    return any(_short(value) in EVENTS for value in values)


def _short(name: str) -> str:
    return re.sub(r"[^\w]|_", "", name).lower()


def holds_times(values: Sequence[Any]) -> bool:
    """Whether values can only be times: counts since 1970 from 1990 on, or dates."""
    sample = [value for value in values[:SAMPLE] if str(value).strip()]
    try:
        clock = clock_of(TableSettings.model_validate({"path": "x"}), "time", sample, lambda: iter(sample))
        return bool(sample) and min(clock.read("time", value) for value in sample) > 631_152_000
    except BadValueError as error:
        return "in several ways" in str(error)


def invented(columns: Sequence[Values]) -> list[str]:
    """Names for the columns of a text without a header: of the time by its values, then the user, then the item."""
    times = next((column.name for column in columns if holds_times(column.filled)), None)
    rows = max((len(column.filled) for column in columns), default=0)
    ids = [c.name for c in columns if c.name != times and (len(c.counts) > FEW or rows < 5 * FEW)]
    known = dict(zip(ids, ("user_id", "item_id"), strict=False)) | ({times: "timestamp"} if times else {})
    return [known.get(column.name, f"column_{place}") for place, column in enumerate(columns, 1)]
