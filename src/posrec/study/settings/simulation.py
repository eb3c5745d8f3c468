"""Settings of the simulator: a synthetic data set with known truth."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from posrec.study.settings.base import Number, PaperDataset, Seed, Settings, read_number
from posrec.study.twins import TWINS, calibrate


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
    mean_length: Number = Field(ge=3, description="mean number of reviews per user; lengths are 3 + geometric")
    seed: Seed = Field(0, description="seed of the simulator")
    order: Number = Field(0.6, ge=0, le=1, description="share of reviews whose item follows from the items before")
    lag_weights: list[Annotated[Number, Field(ge=0)]] = Field(
        [0.7, 0.3],
        min_length=1,
        max_length=10,
        description="how far back order reaches: weights of the successors of the item before, two before, ...",
    )
    follows: Literal["order", "gap", "both"] = Field(
        "order",
        description="which item before the next one succeeds: by its place (lag_weights), by the days between it and "
        "the last item (the nearest to gap_days), or by both (three before the last if within gap_days, else one)",
    )
    gap_days: int = Field(30, ge=1, description="days of follows: gap | both")
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
        scale = read_number(values.get("scale", 1.0))
        return {**calibrate(values["twin"], scale), **values} if isinstance(scale, int | float) else values

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recency and gaps came later: where they are off, ids and files are what they were before."""
        off = (() if self.recency else ("recency", "recency_days")) + (
            () if self.follows != "order" else ("follows", "gap_days")
        )
        return {name: value for name, value in serialize(self).items() if name not in off}

    @model_validator(mode="after")
    def _shares(self) -> "SimulationSettings":
        if self.noise + self.season + self.trend + self.recency > 1:
            raise ValueError("noise, season, trend and recency are shares of the same reviews: together at most 1")
        if not sum(self.lag_weights):
            raise ValueError("lag_weights are all 0: give at least one above 0, or set order to 0")
        if self.scale is not None and self.twin is None:
            raise ValueError("scale needs a twin: set twin, or remove scale")
        return self
