"""Settings of tables of your own, of reviews and of items: how the files are written and which columns count."""

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from posrec.study.settings.base import Settings, Share
from posrec.study.where import parse_where

TablePath = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f{}\[\]\"'`$;|&<>\\]{1,400}$")]
Column = Annotated[str, Field(min_length=1)]
Columns = Column | Annotated[list[Column], Field(min_length=2, max_length=8)]
Separator = Annotated[str, Field(pattern=r"^[^\r\n\"]{1,8}$")]
TextEncoding = Literal["utf-8", "cp1252", "latin-1", "utf-16", "utf-16-le", "utf-16-be"]
TableKind = Literal["text", "sequences", "json_lines", "parquet"]
PACKED = (".gz", ".zip")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def separator_of(path: str | Path, separator: str | None) -> str | None:
    """What separates the columns of a table; None: it is a Parquet file, or a folder of them (with / at its end).

    >>> separator_of("shop.tsv.gz", None), separator_of("shop.csv", None), separator_of("shop.csv", ";")
    ('\\t', ',', ';')
    """
    ending = next((ending for ending in reversed(Path(path).suffixes) if ending not in PACKED), "")
    return None if ending == ".parquet" or str(path).endswith("/") else separator or ("\t" if ending == ".tsv" else ",")


def form_of(table: "TableSettings | ItemTableSettings") -> list[str | None]:
    """What decides, beside its content, how a table is read: its columns' separator, and whether it must be packed."""
    return [separator_of(table.path, table.separator), *(end for end in PACKED if table.path.endswith(end))]


# What every table's id has named from the start. `time_unit` was seconds, and `encoding` utf-8, before they were
# recognised; where they are, the content decides, which is in the id too.
ALWAYS_NAMED = ("user", "item", "time", "time_unit", "separator", "attributes", "parted_by")
BEFORE_RECOGNISED = {"time_unit": "seconds", "encoding": "utf-8"}


def identity_of_table(table: "TableSettings | ItemTableSettings") -> dict[str, Any]:
    """A table's settings as an id names them: without its place; those that came later only if not their default."""
    found = table.model_dump(exclude={"path", "sha256", "items"})
    if "time_unit" in found:
        found["time_unit"] = found["time_unit"] or BEFORE_RECOGNISED["time_unit"]
    return {key: value for key, value in found.items() if key in ALWAYS_NAMED or not _is_default(table, key)}


def _is_default(table: "TableSettings | ItemTableSettings", key: str) -> bool:
    field, value = type(table).model_fields[key], getattr(table, key)
    return bool(value == field.get_default(call_default_factory=True) or value == BEFORE_RECOGNISED.get(key))


RECOGNISED = "default: as the content says"
PATH = (
    "a file, a pattern such as data/*.csv, or a folder of parts: CSV, TSV or other text, JSON lines, Parquet, RecBole"
)
SEPARATOR = "between columns, such as ; or ::; default: recognised, tab for .tsv, else comma"
ENCODING = "encoding of a text; " + RECOGNISED
COLUMNS = "names of the columns of a text without a header"
HEADER = "with `columns`: whether the first line is a header all the same, to be left out; " + RECOGNISED
QUOTED = "whether fields may be in double quotes; default: yes, but for tabs without a quoted header and for ::"
DECIMAL = "what is before the fraction of a number; " + RECOGNISED


class ItemTableSettings(Settings):
    """A table of your own with the items' attributes, one item per row."""

    path: TablePath = Field(description=PATH)
    item: Columns = Field("item_id", description="column of the item's id; a list: the id is composed of them")
    attributes: list[Column] = Field(default_factory=list, description="columns of attributes: words, not quantities")
    binned: list[Column] = Field(default_factory=list, description="columns of numbers: attributes by bins of `bins`")
    bins: int = Field(10, ge=2, le=100, description="number of those bins, with equally many items in each")
    standardised: list[Column] = Field(
        default_factory=list,
        description="columns of numbers: features with mean 0 and standard deviation 1 (needs dense_features: true)",
    )
    parted_by: str | None = Field(
        "|", min_length=1, description="text between several values of one cell; null: a cell is one value"
    )
    separator: Separator | None = Field(None, description=SEPARATOR)
    encoding: TextEncoding | None = Field(None, description=ENCODING)
    columns: list[Column] | None = Field(None, min_length=1, description=COLUMNS)
    header: bool | None = Field(None, description=HEADER)
    quoted: bool | None = Field(None, description=QUOTED)
    decimal: Literal[".", ","] | None = Field(None, description=DECIMAL)
    kind: Literal["text", "json_lines", "parquet"] | None = Field(None, description="what the file is; " + RECOGNISED)
    sha256: Sha256 | None = Field(None, description="checksum of the file; default: that of the file as it is")

    @model_validator(mode="after")
    def _something(self) -> "ItemTableSettings":
        if not (self.attributes or self.binned or self.standardised):
            raise ValueError("name the columns to use: attributes (words), binned or standardised (numbers)")
        return self


class TableSettings(Settings):
    """A table of your own, one review per row. Columns are found by name; others are ignored."""

    path: TablePath = Field(description=PATH)
    user: Columns = Field("user_id", description="column of the user's id; a list: the id is composed of them")
    item: Columns = Field("item_id", description="column of the item's id; a list: the id is composed of them")
    time: Columns | None = Field(
        "timestamp",
        description="column of the time, or columns of its parts, joined by spaces; null: only the order of the rows",
    )
    time_unit: Literal["seconds", "milliseconds", "microseconds", "nanoseconds", "iso"] | None = Field(
        None, description="how times are written: numbers since 1970 UTC, or ISO 8601 dates; " + RECOGNISED
    )
    time_format: str | None = Field(
        None,
        pattern="%",
        description="how times are written otherwise, such as '%m/%d/%Y %H:%M' (Python's strptime); " + RECOGNISED,
    )
    time_zone: str | None = Field(None, description="zone of times that name none, such as Europe/Berlin; default: UTC")
    separator: Separator | None = Field(None, description=SEPARATOR)
    encoding: TextEncoding | None = Field(None, description=ENCODING)
    columns: list[Column] | None = Field(None, min_length=1, description=COLUMNS)
    header: bool | None = Field(None, description=HEADER)
    quoted: bool | None = Field(None, description=QUOTED)
    decimal: Literal[".", ","] | None = Field(None, description=DECIMAL)
    kind: TableKind | None = Field(
        None, description="what the file is; sequences: lines of a user and its items in order; else " + RECOGNISED
    )
    where: str | None = Field(
        None, max_length=1000, description="the rows that count, such as event = 'purchase' and rating >= 4"
    )
    missing: Literal["error", "drop"] = Field(
        "error", description="rows with an empty user, item or time: an error, or leave them out (and count)"
    )
    tolerate: Share = Field(
        0.0, ge=0, lt=1, description="share of rows that may be left out because they cannot be read, such as 2 %"
    )
    sha256: Sha256 | None = Field(None, description="checksum of the file; default: that of the file as it is")
    items: ItemTableSettings | None = Field(None, description="a second table, of the items' attributes")

    @model_validator(mode="before")
    @classmethod
    def _sequences_have_no_times(cls, given: Any) -> Any:
        """Columns of sequences have the names user_id and item_id, whatever the study calls them."""
        if isinstance(given, dict) and given.get("kind") == "sequences":
            if given.get("time") is not None or given.get("where") is not None:
                raise ValueError("kind: sequences has a user and its items in order: remove time and where")
            return {**given, "time": None}
        return given

    @field_validator("where")
    @classmethod
    def _is_a_condition(cls, where: str | None) -> str | None:
        if where is not None:
            parse_where(where)
        return where

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, zone: str | None) -> str | None:
        try:
            return None if zone is None else ZoneInfo(zone).key
        except (ValueError, OSError, KeyError):  # a path, a folder, or unknown
            raise ValueError(f"{zone!r} is not a zone such as Europe/Berlin, America/New_York or UTC") from None
