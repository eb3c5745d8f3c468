"""Each format read a second time, as plainly as its definition allows: what the readers are compared with.

A naive reader takes the bytes of a whole file and gives its rows, or raises ValueError for anything that is not exactly
a file of that format.
"""

import ast
import csv
import json
import unicodedata
import warnings
from collections.abc import Callable
from typing import Any

Review = tuple[str, str, int]
Rows = list[Any]


def lines_of(content: bytes) -> list[str]:
    """The lines of a text, each of which must end with a line end, without a byte order mark."""
    if not content.endswith(b"\n"):
        raise ValueError("not whole lines")
    content = content.removeprefix(b"\xef\xbb\xbf")
    lines = content[:-1].split(b"\n")
    return [line[:-1].decode() if line.endswith(b"\r") else line.decode() for line in lines]


def an_id(value: Any) -> str:
    """An id without control characters, separators of lines, or halves of characters."""
    if type(value) is not str or value.strip() == "":
        raise ValueError(value)
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in value):
        raise ValueError(value)
    return value


def a_time(value: Any) -> int:
    """Whole seconds from 1970 to the year 9999."""
    if type(value) is not int or not 0 <= value < 253_402_300_800:
        raise ValueError(value)
    return value


def a_number(text: str) -> int:
    """A whole number in its only spelling."""
    if str(int(text)) != text:
        raise ValueError(text)
    return int(text)


def a_whole_float(text: str) -> int:
    """The same, with zeros after a point allowed."""
    number, point, rest = text.partition(".")
    if point and (rest == "" or set(rest) != {"0"}):
        raise ValueError(text)
    return a_number(number)


def not_none(rows: list[Review]) -> list[Review]:
    if not rows:
        raise ValueError("no rows")
    return rows


def table(separator: str, user: str, item: str, time: str, read: Callable[[str], int]) -> Callable[[bytes], Rows]:
    """A reader of a table with a header whose fields are not quoted."""

    def naive(content: bytes) -> Rows:
        header, *rows = [line.split(separator) for line in lines_of(content)]
        if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows):
            raise ValueError("columns")
        records = [dict(zip(header, row, strict=True)) for row in rows]
        if not {user, item, time} <= set(header):
            raise ValueError("header")
        return not_none([(an_id(r[user]), an_id(r[item]), a_time(read(r[time]))) for r in records])

    return naive


def recbole(content: bytes) -> Rows:
    """RecBole's .inter: every column has one of four types."""
    header = lines_of(content)[0].split("\t")
    names = [column.split(":", 1) for column in header]
    if any(len(pair) != 2 or pair[1] not in ("token", "token_seq", "float", "float_seq") for pair in names):
        raise ValueError("types")
    if len({name for name, _ in names}) < len(names):
        raise ValueError("a name twice")
    return table("\t", "user_id:token", "item_id:token", "timestamp:float", a_whole_float)(content)


def own_records(content: bytes, separator: str, columns: set[str]) -> list[dict[str, str]]:
    """The rows of a user's own text: blank lines are skipped, the last needs no line end.

    All but TSV may be quoted; a TSV with a name in quotes in its header too. Lines may all end in a carriage return.
    """
    if not content:
        raise ValueError("empty")
    content = content if b"\n" in content or b"\r" not in content[:-1] else content.replace(b"\r", b"\n")
    whole = lines_of(content if content.endswith(b"\n") else content + b"\n")
    try:
        # Not of a StringIO, which ends lines at a bare carriage return as well.
        read = csv.reader((line + "\n" for line in whole), strict=True, delimiter=separator)
        first = next((line for line in whole if line), "").split("\t")
        plain = separator == "\t" and not any(len(name) > 1 and name[0] == name[-1] == '"' for name in first)
        rows = [row for row in ([line.split(separator) for line in whole] if plain else read) if any(row)]
    except csv.Error as error:
        raise ValueError(error) from None
    if rows and not columns <= set(rows[0]):
        rows[0] = [name.strip() for name in rows[0]]
    if not rows or len(set(rows[0])) < len(rows[0]) or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("columns")
    if not columns <= set(rows[0]):
        raise ValueError("header")
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def an_own_id(text: str) -> str:
    """An id that is not in quotes."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        raise ValueError(text)
    return an_id(text)


def an_own_time(text: str) -> int:
    """Seconds, from 1971 on: smaller numbers count something else; a fraction is left out."""
    number, _, fraction = text.partition(".")
    seconds = a_number(number)
    if 0 <= seconds < 31_536_000 or (fraction and not set(fraction) <= set("0123456789")) or text.endswith("."):
        raise ValueError(text)
    return a_time(seconds)


def own(separator: str) -> Callable[[bytes], Rows]:
    """A user's own table of customer, product and bought."""

    def naive(content: bytes) -> Rows:
        records = own_records(content, separator, {"customer", "product", "bought"})
        return not_none(
            [(an_own_id(r["customer"]), an_own_id(r["product"]), an_own_time(r["bought"])) for r in records]
        )

    return naive


def ratings(content: bytes) -> Rows:
    """user,item,rating,timestamp."""
    rows = []
    for line in lines_of(content):
        user, item, rating, time = line.split(",")
        if not 0 <= float(rating) <= 5:
            raise ValueError(rating)
        rows.append((an_id(user), an_id(item), a_time(a_number(time))))
    return rows


def carca(with_times: bool) -> Callable[[bytes], Rows]:
    """CARCA's "user item" or "user item timestamp"; a blank before the end of a line is allowed."""

    def naive(content: bytes) -> Rows:
        rows = []
        for place, line in enumerate(lines_of(content)):
            fields = line.rstrip(" ").split(" ")
            user, item, *time = fields
            if a_number(user) < 1 or a_number(item) < 1 or len(time) != with_times:
                raise ValueError(line)
            if len(user) > 18 or len(item) > 18:
                raise ValueError(line)
            rows.append((user, item, a_time(a_number(time[0])) if with_times else place))
        return rows

    return naive


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def refuse(text: str) -> Any:
    raise ValueError(text)


def objects(content: bytes) -> list[dict[str, Any]]:
    """The JSON objects of the lines."""
    found = [
        json.loads(line, object_pairs_hook=unique, parse_int=a_number, parse_constant=refuse)
        for line in lines_of(content)
    ]
    if any(type(record) is not dict for record in found):
        raise ValueError("no object")
    return found


def json_reviews(user: str, item: str, time: str, milliseconds: bool = False) -> Callable[[bytes], Rows]:
    """Reviews as JSON objects."""

    def naive(content: bytes) -> Rows:
        rows = []
        for record in objects(content):
            if not {user, item, time} <= set(record):
                raise ValueError("a key is missing")
            value = record[time]
            if milliseconds and (type(value) is not int or value < 631_152_000_000):
                raise ValueError(value)
            rows.append((an_id(record[user]), an_id(record[item]), a_time(value // 1000 if milliseconds else value)))
        return rows

    return naive


Items = list[tuple[str, tuple[str, ...]]]  # id and sorted attributes, prices left out; the first of an id counts


def first_of(items: list[tuple[str, set[str]]]) -> Items:
    """The first entry of each id, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    for item, names in items:
        found.setdefault(an_id(item), tuple(sorted(names)))
    return sorted(found.items())


def a_text(value: Any) -> str:
    """A text or nothing."""
    if type(value) not in (str, type(None)):
        raise ValueError(value)
    return (value or "").strip()


def texts(value: Any) -> list[str]:
    """A list of texts or nothing."""
    if value and (type(value) is not list or any(type(entry) is not str for entry in value)):
        raise ValueError(value)
    return value or []


def a_price(value: Any) -> None:
    """A price as a number, or nothing."""
    if value is not None and (type(value) not in (int, float) or not 0 <= value < float("inf")):
        raise ValueError(value)


def literal_items(content: bytes) -> Items:
    """Amazon 2014: Python dictionaries."""
    items = []
    for line in lines_of(content):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of backslashes
                record = ast.literal_eval(line.strip())
                keys = ast.parse(line.strip(), mode="eval").body.keys  # type: ignore[attr-defined]
        except (SyntaxError, TypeError, AttributeError, MemoryError, RecursionError) as error:
            raise ValueError(error) from None
        if type(record) is not dict or len(keys) != len(record) or "asin" not in record:
            raise ValueError("no dictionary")
        paths = record.get("categories") or []
        if type(paths) is not list or any(type(path) is not list for path in paths):
            raise ValueError("categories")
        a_price(record.get("price"))
        names = {name.strip() for path in paths for name in texts(path)} | {f"brand={a_text(record.get('brand'))}"}
        items.append((record["asin"], names - {"", "brand="}))
    return first_of(items)


def items_2018(content: bytes) -> Items:
    """Amazon 2018: JSON; categories with a closing tag are none."""
    items = []
    for record in objects(content):
        a_text(record.get("price"))
        names = {name.strip() for name in texts(record.get("category")) if "</" not in name}
        brand = a_text(record.get("brand"))
        if "asin" not in record:
            raise ValueError("asin")
        items.append((record["asin"], (names | {f"brand={brand}"}) - {"", "brand="}))
    return first_of(items)


def items_2023(content: bytes) -> Items:
    """Amazon 2023: JSON."""
    items = []
    for record in objects(content):
        if type(record.get("price")) is not str:
            a_price(record.get("price"))
        names = {name.strip() for name in texts(record.get("categories"))} | {f"brand={a_text(record.get('store'))}"}
        if "parent_asin" not in record:
            raise ValueError("parent_asin")
        items.append((record["parent_asin"], names - {"", "brand="}))
    return first_of(items)


def items_tables(content: bytes) -> Items:
    """The items.tsv.gz of `tables` with brand and categories."""
    header, *rows = [line.split("\t") for line in lines_of(content)]
    if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows) or "item_id" not in header:
        raise ValueError("columns")
    if not {"attribute_ids", "brand", "categories"} & set(header):
        raise ValueError("no attributes")
    items = []
    for row in rows:
        record = dict(zip(header, row, strict=True))
        names = {*record.get("attribute_ids", "").split(), *record.get("categories", "").split()}
        items.append((record["item_id"], (names | {f"brand={record.get('brand', '').strip()}"}) - {"brand="}))
    return first_of(items)


def items_named(content: bytes) -> Items:
    """attributes.tsv.gz beside two items, A1 with the attributes 7 and 8, B2 with 9; one without a name is its id."""
    header, *rows = [line.split("\t") for line in lines_of(content)]
    if len(set(header)) < len(header) or any(len(row) != len(header) for row in rows):
        raise ValueError("columns")
    if not {"attribute_id", "name"} <= set(header):
        raise ValueError("header")
    records = [dict(zip(header, row, strict=True)) for row in rows]
    names = unique([(an_id(r["attribute_id"]), r["name"].strip() or f"attribute={r['attribute_id']}") for r in records])
    if not {"7", "8", "9"} <= set(names):
        raise ValueError("no name")
    return first_of([("A1", {names["7"], names["8"]}), ("B2", {names["9"]})])


def items_recbole(content: bytes) -> Items:
    """RecBole's .item, of which `words` is split at spaces and every other token is a value."""
    header, *rows = [line.split("\t") for line in lines_of(content)]
    types = dict(column.partition(":")[::2] for column in header)
    if len(types) < len(header) or not set(types.values()) <= {"token", "token_seq", "float", "float_seq"}:
        raise ValueError("types")
    if any(len(row) != len(header) for row in rows) or types.get("item_id") != "token":
        raise ValueError("columns")
    items = []
    for row in rows:
        names: set[str] = set()
        for (name, kind), text in zip(types.items(), row, strict=True):
            if name != "item_id" and kind == "token_seq":
                names |= set(text.split())
            elif name != "item_id" and kind == "token" and text.strip():
                names.add(f"{name}={text.strip()}")
        items.append((row[list(types).index("item_id")], names))
    return first_of(items)


def items_own(content: bytes) -> Items:
    """A user's own CSV of items, whose cells of two columns are split at "|"."""
    items = []
    for record in own_records(content, ",", {"sku", "brand", "tags"}):
        values = [(name, part.strip()) for name in ("brand", "tags") for part in record[name].split("|")]
        items.append((an_own_id(record["sku"]), {f"{name}={value}" for name, value in values if value}))
    return first_of(items)


def from_milliseconds(text: str) -> int:
    """Whole seconds of milliseconds since 1970, from 1990 on."""
    number = a_number(text)
    if number < 631_152_000_000:
        raise ValueError(text)
    return number // 1000
