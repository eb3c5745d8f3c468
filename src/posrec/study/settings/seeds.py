"""The seeds of a study: a list, or declared looks."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from posrec.study.settings.base import Seed, Settings


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
