"""The schema of a study file: every key, its type, its default and its meaning.

It has plain values only, so that the workflow can read a study without importing torch or pandas. `posrec schema`
turns these classes into workflow/schemas/study.schema.json.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_serializer,
    model_validator,
)

from posrec.study.encodings import built_in_families
from posrec.study.twins import TWINS, calibrate
from posrec.study.where import parse_where

# Encoding -> family: how the position reaches the model (the families of the correlation with a data set's deviation).
# The built-in ones as they are named without parameters; `catalogue.family_of` knows every name.
ENCODINGS = built_in_families()
STREAMS = ("trunk", "encoding", "dropout", "order", "negatives")
PRIMARY = "NDCG@10"  # on the full catalogue


def _read_number(value: Any) -> Any:
    # YAML 1.1 reads 1e-4 (no dot) as a string; the study means the number.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _read_share(value: Any) -> Any:
    """A share as a number, or in per cent: 0.02 or "2 %"."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", value.strip()) if isinstance(value, str) else None
    return float(match[1]) / 100 if match else _read_number(value)


Number = Annotated[float, BeforeValidator(_read_number), Field(allow_inf_nan=False)]
PERCENT = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$"}]}
Share = Annotated[float, BeforeValidator(_read_share), Field(allow_inf_nan=False), WithJsonSchema(PERCENT)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
PaperDataset = Literal["Beauty", "Fashion", "Games", "Men", "Subfashion", "Subgames", "Submen", "Submen2"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
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


class Settings(BaseModel):
    """Base of all settings: unknown keys and wrong types are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _twin_first(schema: dict[str, Any]) -> None:
    schema.pop("required")  # a twin knows its counts


class SimulationSettings(Settings):
    """A synthetic counterpart (twin) of an Amazon data set: reviews with known truth.

    `twin` and `scale` give the counts, lengths, categories and features; settings given beside them override these.
    """

    model_config = ConfigDict(json_schema_extra=_twin_first)

    twin: PaperDataset | None = Field(None, description="the paper's data set whose statistics are used")
    scale: Number | None = Field(None, ge=0.01, le=1, description="of the twin: share of its users, items, categories")
    users: int = Field(ge=10, description="number of users")
    items: int = Field(ge=10, description="number of items")
    mean_length: Number = Field(ge=3, description="mean number of reviews a user; lengths are 3 + geometric")
    seed: Seed = Field(0, description="seed of the simulator")
    order: Number = Field(0.6, ge=0, le=1, description="share of reviews whose item follows from the items before")
    lag_weights: list[Annotated[Number, Field(ge=0)]] = Field(
        [0.7, 0.3],
        min_length=1,
        max_length=10,
        description="how far back order reaches: weights of the successors of the item before, two before, ...",
    )
    noise: Number = Field(0.0, ge=0, le=1, description="share of the other reviews whose item is any, drawn evenly")
    season: Number = Field(0.0, ge=0, le=1, description="share of the other reviews whose item is of the season")
    seasons: int = Field(4, ge=2, le=12, description="seasons of a year, of equally many items")
    trend: Number = Field(0.0, ge=0, le=1, description="share of the other reviews whose item came out lately")
    trend_days: int = Field(90, ge=1, description="days for which an item counts as new")
    recency: Number = Field(
        0.0, ge=0, le=1, description="share of the other reviews that stay in the last item's category if it is recent"
    )
    recency_days: int = Field(14, ge=0, description="days for which the last item counts as recent")
    popularity: Number = Field(0.8, ge=0, le=3, description="exponent of the items' power law")
    categories: int = Field(12, ge=1, description="number of item categories")
    category_loyalty: Number = Field(
        0.5, ge=0, le=1, description="share of the reviews that are left which stay in the user's category"
    )
    tied_days: Number = Field(0.3, ge=0, lt=1, description="share of reviews on the same day as the one before")
    years: int = Field(4, ge=1, le=30, description="length of the simulated period")
    features: Literal["multi_hot", "image"] = Field(
        "multi_hot", description="image: write dense vectors of the items as well (use them with dense_features: true)"
    )

    @model_validator(mode="before")
    @classmethod
    def _calibrated(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("twin") not in TWINS:
            return values
        scale = _read_number(values.get("scale", 1.0))
        return {**calibrate(values["twin"], scale), **values} if isinstance(scale, int | float) else values

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recency came later: where it is off, ids and files are what they were before."""
        found: dict[str, Any] = serialize(self)
        return found if self.recency else {name: found[name] for name in found if not name.startswith("recency")}

    @model_validator(mode="after")
    def _shares(self) -> "SimulationSettings":
        if self.noise + self.season + self.trend + self.recency > 1:
            raise ValueError("noise, season, trend and recency are shares of the same reviews: together at most 1")
        if not sum(self.lag_weights):
            raise ValueError("lag_weights are all 0: give at least one above 0, or set order to 0")
        if self.scale is not None and self.twin is None:
            raise ValueError("scale needs a twin: set twin, or remove scale")
        return self


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


class SubsetSettings(Settings):
    """A part of a data set: the reviews by some users of some items, both chosen from all of the data."""

    users: int | None = Field(None, ge=1, description="how many users; null: all")
    items: int | None = Field(None, ge=1, description="how many items; null: all")
    by: Literal["number", "activity", "random"] = Field(
        "number", description="the first in the order of ids, those with the most reviews, or random ones"
    )
    seed: Seed = Field(0, description="seed of that choice")


class ControlSettings(Settings):
    """Controls: an effect of order or time must disappear under them."""

    histories: Literal["keep", "shuffle"] = Field(
        default="keep", description="shuffle: each user's training interactions in random order, each with its time"
    )
    context: Literal["keep", "drop", "shuffle"] = Field(
        default="keep", description="drop: zeros; shuffle: every interaction has the time features of another"
    )
    seed: Seed = Field(default=0, description="seed of both shuffles")


class DatasetSettings(Settings):
    """One data set of a study: its origin and its preparation. All of it is in the data set id."""

    source: Name | None = Field(None, description="a known source (`posrec fetch --list`); or `table`, or `simulate`")
    table: TableSettings | None = Field(None, description="a table of your own instead of a known source")
    simulate: SimulationSettings | None = Field(None, description="simulate the reviews instead of reading a source")
    bad_lines: int = Field(0, ge=0, description="lines of each raw file that may be left out because they are damaged")
    duplicates: Literal["drop", "keep"] = Field(
        "drop", description="rows with the user, item and time of an earlier one: drop them first (and count), or keep"
    )
    repeats: Literal["all", "first", "last"] = Field(
        "all", description="of a user's reviews of one item keep all, or the first or last in time, before the filter"
    )
    k_core: int = Field(
        5,
        ge=1,
        description="iterative k-core: every user and item keeps at least k reviews (1: off)",
    )
    filter: Literal["k_core", "one_pass"] = Field(
        "k_core", description="k_core iteratively, or in one pass over the raw counts as in CARCA"
    )
    subset: SubsetSettings | None = Field(None, description="a part of the users and items, taken after the filter")
    tied_times: Literal["shuffle", "file", "item"] = Field(
        "shuffle",
        description="order of a user's reviews with equal times: seeded shuffle, or their order in the file or by item "
        "id (controls)",
    )
    tied_times_seed: Seed = Field(0, description="seed of that shuffle")
    split: Literal["leave_one_out", "global_time"] = Field(
        "leave_one_out",
        description="hold out each user's last two interactions, or each user's first after a common point in time",
    )
    held_out_share: Number = Field(
        0.1, gt=0, lt=0.5, description="global_time: share of all interactions after each of the two points in time"
    )
    time_features: Literal["calendar", "cyclic"] = Field(
        "calendar", description="context: six fractions of the calendar, or the year and sines and cosines of cycles"
    )
    attributes: bool = Field(True, description="use the items' categories, brand and price")
    attribute_kinds: list[Literal["categories", "brand", "price"]] = Field(
        ["categories", "brand", "price"], min_length=1, description="which of them"
    )
    attribute_min_count: int = Field(1, ge=1, description="leave out attributes that fewer items have")
    price_bins: int = Field(10, ge=2, le=100, description="number of price bins, with equally many items in each")
    dense_features: bool = Field(False, description="use the items' dense features, such as those of images")
    control: ControlSettings = Field(default_factory=ControlSettings, description="what is removed on purpose")
    expect: "ExpectedCounts | None" = Field(None, description="counts after preparation; a difference is an error")
    model: dict[str, Any] = Field(default_factory=dict, description="model settings for this data set only")
    training: dict[str, Any] = Field(default_factory=dict, description="training settings for this data set only")

    @model_validator(mode="after")
    def _numbers_are_used(self) -> "DatasetSettings":
        items = self.table and self.table.items
        if items and items.standardised and not self.dense_features:
            raise ValueError("table.items.standardised makes dense features: set dense_features: true as well")
        return self

    def identity(self) -> dict[str, Any]:
        """The settings as the data set's id names them: one that came later only where it is not its default.

        Without what changes no byte of the data, and without a table's place: it is known by its content.
        """
        without = dict.fromkeys(("model", "training", "expect", "source"), True)
        found = self.model_dump(exclude=without)
        if self.duplicates == "drop":
            del found["duplicates"]
        return {**found, "table": self.table and identity_of_table(self.table)}


class ExpectedCounts(Settings):
    """Counts that a data set must have after preparation."""

    users: int = Field(ge=1, description="users")
    items: int = Field(ge=1, description="items")
    interactions: int = Field(ge=1, description="interactions")


LATER = {"block": "carca", "decoder_positions": False}  # model settings that came later, with their defaults
OF_CARCA = ("residual", "norm_place", "activation")  # model settings that only CARCA's block has


class ModelSettings(Settings):
    """The encoder of CARCA (Rashed et al., RecSys 2022) with a dot-product head, or CARCA itself.

    The defaults, with those of the training, are the recipe with which models beat a Markov chain and a co-occurrence
    kNN on Amazon Beauty (`studies/beauty.yaml`).
    """

    dimension: int = Field(64, ge=4, description="width D of the item encodings")
    block: Literal["carca", "sasrec", "ligr"] = Field(
        "carca",
        description="encoder block: CARCA's, SASRec's (Kang and McAuley 2018) or LiGR's gated one (eSASRec, 2025)",
    )
    blocks: int = Field(1, ge=1, description="encoder blocks")
    heads: int = Field(2, ge=1, description="attention heads; must divide `dimension`")
    max_length: int = Field(50, ge=1, description="L: the most recent items of a history that count")
    upper_bound: Number | None = Field(
        1.0, gt=0, description="maximum norm of an item embedding (max_norm); null: none"
    )
    upper_bound_norm: Number = Field(2.0, ge=1, description="order p of the norm that `upper_bound` limits")
    norm: Literal["layer", "rms", "none"] = Field("layer", description="normalisation in the encoder")
    norm_place: Literal["before", "after"] = Field(
        "before", description="normalise the input of attention and feed-forward, or after their residuals"
    )
    activation: Literal["leaky", "silu", "relu", "gelu", "identity"] = Field(
        "leaky", description="activation of the feed-forward layers"
    )
    dropout: Number = Field(0.2, ge=0, lt=1, description="dropout rate of encodings, attention and feed-forward")
    head: Literal["dot", "carca"] = Field(
        "dot", description="dot product with the last encoded item, or CARCA's cross-attention decoder"
    )
    residual: Literal["mul", "sum", "none"] = Field("sum", description="residual of the encoder's attention")
    decoder_residual: Literal["mul", "sum", "none"] = Field(
        "mul", description="residual of the decoder's cross-attention"
    )
    position_start: Literal["end", "begin"] = Field(
        "end", description="count positions from the end of the history, or from its beginning"
    )
    position_scale: Literal["items", "unit"] | Annotated[Number, Field(gt=0)] = Field(
        "items",
        description="size of added and concatenated positions at the start: the root mean square norm of the items' "
        "encodings, that of the encoding as published, or this norm",
    )
    context: bool = Field(False, description="use the six time features as input")
    candidate_context: Literal["request_time", "last_interaction", "none"] = Field(
        "none", description="time of a candidate: the request's, the last interaction's, or none"
    )
    decoder_positions: bool = Field(
        False, description="let relative encodings (not by time) act in the decoder's cross-attention as well"
    )

    def identity(self) -> dict[str, Any]:
        """The settings in ids and run files. A setting added later is included only if it is not its default.

        So results from before it existed keep their ids and bytes.
        """
        return self.model_dump(exclude={name for name in LATER if getattr(self, name) == LATER[name]})


class NumericsSettings(Settings):
    """The numerics class: bytes are the same within one class on one processor type. Never detected."""

    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="cpu, or cuda: one NVIDIA GPU, all seeds of a cell at once"
    )
    precision: Literal["fp32", "fp64", "bf16"] = Field(
        default="fp32", description="floating-point type; bf16: for the matrix products of training only, the rest fp32"
    )
    engine: Literal["torch", "numba"] = Field(
        default="torch", description="torch, or numba: parts of training compiled (the package's extra `compiled`)"
    )

    @model_validator(mode="after")
    def _compiled_types(self) -> "NumericsSettings":
        if self.engine == "numba" and (self.device == "cuda" or self.precision == "bf16"):
            raise ValueError("engine numba needs device cpu and fp32 or fp64; with cuda or bf16 set engine: torch")
        return self


SHARED_NEGATIVES = 1000  # of a batch, by default
SHARED = ("softmax", "shared_softmax")  # losses whose negatives are shared by all targets of a batch


class TrainingSettings(Settings):
    """How a cell is trained, and how its epoch is selected."""

    learning_rate: Number = Field(3e-3, gt=0, description="AdamW's learning rate after warm-up")
    batch_size: int = Field(128, ge=1, description="users per batch")
    epochs: int = Field(
        60, ge=1, description="ceiling: patience ends a training; an epoch has every training user once"
    )
    patience: int = Field(
        2,
        ge=1,
        description="validations without improvement before the rate falls (`schedule: plateau`) or training ends",
    )
    validate_every: int = Field(1, ge=1, description="epochs between two validations")
    validation_users: int = Field(5000, ge=1, description="size of the fixed sample of validation users")
    warmup_steps: int | None = Field(
        None, ge=0, description="steps of linear warm-up; null: 100, at most a twentieth of the training"
    )
    schedule: Literal["plateau", "constant", "linear"] = Field(
        "plateau",
        description="learning rate after warm-up: divided by 5 whenever patience ends, twice before training ends; "
        "constant; or linear to 0 at the last epoch",
    )
    weight_decay: Number = Field(0.0, ge=0, description="AdamW's weight decay")
    held_streams: dict[Literal["trunk", "encoding", "dropout", "order", "negatives"], Seed] = Field(
        default_factory=dict, description="random streams that use this seed instead of the run's"
    )
    numerics: NumericsSettings = Field(default_factory=NumericsSettings, description="numerics class")
    loss: Literal["shared_softmax", "softmax", "bce", "gbce", "ce"] = Field(
        "shared_softmax",
        description="softmax over `negatives` items that all targets of a batch share, or over the whole catalogue; "
        "binary cross-entropy, gBCE (gSASRec, RecSys 2023) or cross-entropy over each target's own `negatives`",
    )
    negatives: int = Field(
        1, ge=1, description="negatives per target; shared_softmax: per batch, and 1,000 unless the study says it"
    )
    shared_negatives: Literal["uniform", "in_batch"] = Field(
        "uniform", description="shared_softmax: items drawn uniformly, or the batch's own targets with logQ correction"
    )
    gbce_calibration: Number = Field(0.75, ge=0, le=1, description="gBCE's t: 0 is bce, 1 is fully calibrated")
    keep_weights: bool = Field(
        False, description="keep the weights of the evaluated epochs in the store (not in the run id)"
    )

    @model_validator(mode="before")
    @classmethod
    def _enough_negatives(cls, given: Any) -> Any:
        """shared_softmax with its own default of `negatives`."""
        if isinstance(given, dict) and given.get("loss", "shared_softmax") == "shared_softmax":
            return {"negatives": SHARED_NEGATIVES, **given}
        return given


class EvaluationSettings(Settings):
    """How a trained model is scored. Part of the evaluation id, not of the run id: kept weights are reused."""

    negatives: int = Field(default=100, ge=1, description="sampled negatives per user, none from the user's items")
    candidates_seed: Seed = Field(default=0, description="seed of the frozen candidates")


class MarginSettings(Settings):
    """The smallest differences that matter, stated before the runs. Every verdict and figure uses them."""

    relative: Number = Field(default=0.02, ge=0, description="of a level: share of the mean of `none`")
    floor: Number = Field(default=0.1, ge=0, description="of a level: never below so many points")
    ratio: Number = Field(default=1.5, gt=1, description="of two spreads over seeds: their ratio")
    rate: Number = Field(
        default=0.15,
        gt=0,
        lt=1,
        description="of two rates of runs that fail or collapse: their difference; also the largest share of runs "
        "still rising with which a cell counts as trained to the end",
    )


class ReportSettings(Settings):
    """What the report shows. A change redraws it and trains nothing."""

    title: str = Field(default="", description="title of the report; default: the study's name")
    stability: bool = Field(
        default=True, description="show spreads over seeds (needs at least 3 seeds); false: levels only"
    )
    published: dict[Name, PaperDataset] = Field(
        default_factory=dict,
        description="data set of the study -> its name in the paper, whose figures are shown beside ours",
    )
    margin: MarginSettings = Field(default_factory=MarginSettings, description="the smallest differences that matter")


class SequentialSeeds(Settings):
    """Seeds added in declared steps until each comparison is decided, with one error of 5 % over all looks."""

    looks: list[int] = Field(min_length=1, description="numbers of seeds at which the results are looked at, rising")
    now: int | None = Field(
        default=None,
        description="seeds trained now: one of `looks`, by default the first; raise it to the next look to go on",
    )
    first: Seed = Field(default=1, description="the first seed; the others follow it")
    spend: Literal["obrien_fleming"] = Field(
        default="obrien_fleming", description="how the error is spent over the looks: little early, most at the last"
    )

    @model_validator(mode="after")
    def _rising(self) -> "SequentialSeeds":
        if self.looks != sorted(set(self.looks)) or self.looks[0] < 3:
            raise ValueError(f"looks are rising numbers of seeds from 3 on, not {self.looks}")
        if self.now is not None and self.now not in self.looks:
            raise ValueError(f"now is one of the looks {self.looks}, not {self.now}")
        return self

    @property
    def seeds(self) -> list[int]:
        """The seeds of the current look.

        >>> SequentialSeeds(looks=[5, 8], now=None).seeds
        [1, 2, 3, 4, 5]
        """
        return list(range(self.first, self.first + (self.now or self.looks[0])))


def _form_of_seeds(value: Any) -> str:
    return "[looks]" if isinstance(value, dict | SequentialSeeds) else "[list]"


Seeds = Annotated[
    Annotated[list[Seed], Field(min_length=1), Tag("[list]")] | Annotated[SequentialSeeds, Tag("[looks]")],
    Discriminator(_form_of_seeds),
]


class StudySettings(Settings):
    """A study: data sets x encodings x settings x seeds x protocols, and what to report."""

    study: Name = Field(description="name of the study; its results are under results/studies/<name>")
    protocols: list[str | dict[str, str]] = Field(
        ["sound"],
        min_length=1,
        description="how training and evaluation are done: presets (sound, sound_last, released) and mixtures "
        "{name: mine, base: sound, ties: released}; docs/reference/released-code.md names the switches",
    )
    datasets: dict[Name, DatasetSettings] = Field(min_length=1, description="data sets by name")
    encodings: list[str] = Field(min_length=1, description="positional encodings")
    model: dict[str, Any] = Field(default_factory=dict, description="model settings; a list is a dimension of the grid")
    training: dict[str, Any] = Field(
        default_factory=dict, description="training settings; a list is a dimension of the grid"
    )
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings, description="evaluation")
    seeds: Seeds = Field(
        description="seeds for the scores of the encodings: a list, or declared looks such as "
        "{looks: [5, 8, 12, 18, 25], now: 5} for a study that adds seeds until it is decided"
    )
    deviation_seeds: list[Seed] = Field(
        default_factory=list,
        description="seeds of `none` that estimate each data set's deviation; disjoint from `seeds`",
    )
    only: list[dict[str, Any]] = Field(
        default_factory=list,
        description="keep the cells that match one of these (keys: dataset, encoding, protocol, any setting)",
    )
    report: ReportSettings = Field(default_factory=ReportSettings, description="report")

    @property
    def scoring_seeds(self) -> list[int]:
        """The seeds that score the encodings: those listed, or those of the current look."""
        return self.seeds.seeds if isinstance(self.seeds, SequentialSeeds) else self.seeds

    @property
    def seeds_of_all_looks(self) -> list[int]:
        """The seeds up to the last look."""
        if isinstance(self.seeds, SequentialSeeds):
            return list(range(self.seeds.first, self.seeds.first + self.seeds.looks[-1]))
        return self.seeds

    @property
    def looks(self) -> tuple[int, ...]:
        """The declared looks; empty for a list of seeds."""
        return tuple(self.seeds.looks) if isinstance(self.seeds, SequentialSeeds) else ()

    @field_validator("only")
    @classmethod
    def _as_the_grid(cls, only: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The values of `only` as the grid has them: 1e-3, which YAML 1.1 reads as text, is 0.001."""
        return [{key: _as_setting(key, value) for key, value in entry.items()} for entry in only]


def _as_setting(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_as_setting(key, one) for one in value]
    if key in ("dataset", "encoding", "protocol") and not isinstance(value, str):
        raise ValueError(f"{key}: {value!r} is not text: quote it")
    model = next((m for m in (ModelSettings, TrainingSettings) if key in m.model_fields), None)
    try:
        return getattr(model.model_validate_json(json.dumps({key: value})), key) if model else value
    except (ValidationError, TypeError):
        return value  # which is then not in the grid
