"""Settings of the training, and its numerics class."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from posrec.study.losses import names
from posrec.study.settings.base import Number, Seed, Settings

STREAMS = ("trunk", "encoding", "dropout", "order", "negatives")


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


if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[names()]

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
    loss: LossName = Field(
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
        False, description="keep in the store the weights that new trainings evaluate (not in the run id)"
    )

    @model_validator(mode="before")
    @classmethod
    def _enough_negatives(cls, given: Any) -> Any:
        """shared_softmax with its own default of `negatives`."""
        if isinstance(given, dict) and given.get("loss", "shared_softmax") == "shared_softmax":
            return {"negatives": SHARED_NEGATIVES, **given}
        return given
