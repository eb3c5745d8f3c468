"""Base of all settings, and the types that several of them share."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


def read_number(value: Any) -> Any:
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
    return float(match[1]) / 100 if match else read_number(value)


Number = Annotated[float, BeforeValidator(read_number), Field(allow_inf_nan=False)]
PERCENT = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$"}]}
Share = Annotated[float, BeforeValidator(_read_share), Field(allow_inf_nan=False), WithJsonSchema(PERCENT)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
PaperDataset = Literal["Beauty", "Fashion", "Games", "Men", "Subfashion", "Subgames", "Submen", "Submen2"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Settings(BaseModel):
    """Base of all settings: unknown keys and wrong types are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
