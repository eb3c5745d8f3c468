"""Settings of a data set: its origin, its preparation, and what is removed on purpose."""

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from posrec.study.settings.base import Name, Number, Seed, Settings
from posrec.study.settings.simulation import SimulationSettings
from posrec.study.settings.table import TableSettings, identity_of_table


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
    times: Literal["keep", "shuffle", "index"] = Field(
        default="keep",
        description="the times themselves, which encodings read; the context stays. shuffle: each user's training "
        "interactions exchange theirs; index: an interaction's number in its user's history, as days",
    )
    seed: Seed = Field(default=0, description="seed of the shuffles")

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The control of times came later: where it is off, ids are what they were before."""
        found: dict[str, Any] = serialize(self)
        return {name: found[name] for name in found if name != "times" or self.times != "keep"}


class ExpectedCounts(Settings):
    """Counts that a data set must have after preparation."""

    users: int = Field(ge=1, description="users")
    items: int = Field(ge=1, description="items")
    interactions: int = Field(ge=1, description="interactions")


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
