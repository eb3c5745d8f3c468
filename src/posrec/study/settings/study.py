"""The schema of a study file: every key, its type, its default and its meaning.

Settings are plain values, so that the workflow can read a study without importing torch or pandas. `posrec schema`
turns these classes into workflow/schemas/study.schema.json.
"""

import json
from typing import Any

from pydantic import Field, ValidationError, field_validator

from posrec.study.settings.base import Name, Seed, Settings
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.settings.evaluation import EvaluationSettings, ReportSettings
from posrec.study.settings.model import ModelSettings
from posrec.study.settings.seeds import Seeds, SequentialSeeds
from posrec.study.settings.training import TrainingSettings


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
