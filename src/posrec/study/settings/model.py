"""Settings of the model."""

from typing import Annotated, Any, Literal

from pydantic import Field

from posrec.study.settings.base import Number, Settings

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
