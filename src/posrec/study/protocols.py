"""Protocols: how training and evaluation are done. Each difference of the authors' released code is a switch.

A protocol is a preset or a mixture of switches. Its training part is in the run id and its evaluation part in the
evaluation id, so that one training serves every evaluation. docs/reference/released-code.md explains each switch.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from posrec.errors import StudyError
from posrec.study.reading import nearest
from posrec.study.settings.base import Name, Settings

Switch = Literal["sound", "released"]
SwitchesType = TypeVar("SwitchesType", bound=Settings)


def _switch(description: str) -> Any:
    return Field(default="sound", description=description)


class TrainingSwitches(Settings):
    """The switches that can change a trained parameter. They are in the run id."""

    targets: Literal["all", "last"] = Field(default="all", description="every step is a target, or one per sample")
    causal: Switch = _switch("sound: a causal mask where all steps are targets; released: never")
    candidate_position_training: Switch = Field(
        default="sound",
        description="target and negative of step t carry the slot after it; released: slot t's own row of L",
    )
    rope_axis: Switch = _switch("rope rotates along the sequence; released: along batch x heads")
    sinusoid_direction: Switch = _switch("row r has position r; released: the last row has position 0")
    position_norm: Switch = _switch("added positions start as large as `position_scale` says; released: as drawn")
    rmha_softmax: Switch = _switch("one masked softmax; released: a second, unmasked one")
    rmha_projection: Switch = _switch("Xavier and bias 0 at the start; released: both uniform over +-1 / sqrt(D)")
    activation: Switch = _switch("the named activation; released: leaky is the identity")
    ff_residual: Switch = _switch("s * FF(s); released: mul falls through to FF(s * FF(s))")
    seeding: Switch = _switch("named streams of one seed; released: weights and dropout unrelated")
    dot_head: Switch = _switch("one sigmoid on the last item; released: three, slot by slot")
    batch_none: Switch = _switch("one batch size for all encodings; released: `none` trains with half of it")
    sampling: Switch = _switch("every user once per epoch; released: with replacement, never the last user or item")
    max_norm: Switch = _switch("rows above `upper_bound` get that norm; released: norm + 1e-7 divides them")
    optimiser: Switch = _switch("AdamW as published; released: its eps is not part of the bias correction")
    warm_up: Switch = _switch("rate (step + 1) / warmup_steps; released: step / warmup_steps, so 0 at the first step")
    early_stopping: Switch = _switch("patience ends a training; released: all epochs are trained")

    @property
    def masked(self) -> bool:
        """Whether step t sees items 1 .. t only."""
        return self.targets == "all" and self.causal == "sound"


class EvaluationSwitches(Settings):
    """How a trained model is scored. These switches are in the evaluation id and change no training."""

    selection: Switch = _switch("one epoch, by validation; released: the best test value of any")
    eval_users: Switch = _switch("all test users once; released: min(10,000, all users) drawn, unequally")
    candidates: Switch = _switch("the frozen file; released: L - 1 redrawn, repeats allowed")
    ties: Switch = _switch("expectation over random order; released: the order of an unstable sort")
    eval_context: Switch = _switch("the context of training; released: cast to integers")
    candidate_position_test: Switch = _switch("the slot after the history; released: slots 0 .. L - 1")
    dot_head_test: Switch = _switch("the last encoded item; released: candidate j against slot j")
    reported_mean: Switch = _switch("mean over users; released: mean over the means of batches")


@dataclass(frozen=True)
class Protocol:
    """A named combination of switches."""

    name: str
    training: TrainingSwitches = field(default_factory=TrainingSwitches)
    evaluation: EvaluationSwitches = field(default_factory=EvaluationSwitches)


def _all_released(switches: type[Settings]) -> dict[str, str]:
    return {name: "released" for name in switches.model_fields if name != "targets"}


PRESETS = {
    "sound": Protocol("sound"),
    "sound_last": Protocol("sound_last", TrainingSwitches(targets="last")),
    "released": Protocol(
        "released",
        TrainingSwitches.model_validate(_all_released(TrainingSwitches)),
        EvaluationSwitches.model_validate(_all_released(EvaluationSwitches)),
    ),
}
DRAWN_USERS = 10_000  # at most, of every evaluation under `eval_users: released`
# A switch that has a half in training and a half in evaluation: its name sets both.
HALVES = {
    "candidate_position": ("candidate_position_training", "candidate_position_test"),
    "dot_head": ("dot_head", "dot_head_test"),
}
SWITCHES = (*TrainingSwitches.model_fields, *EvaluationSwitches.model_fields)


def parse(entries: Sequence[str | dict[str, Any]], where: str) -> tuple[Protocol, ...]:
    """The protocols in a study's list: names of presets, and mixtures {name, base, switch: value, ...}.

    Raises StudyError naming the entry, what is allowed and the nearest valid name.
    """
    protocols = tuple(_protocol(entry, f"{where}: protocols[{number}]") for number, entry in enumerate(entries, 1))
    seen: dict[Any, str] = {}
    names: set[str] = set()
    for protocol in protocols:
        if protocol.name in names:
            raise StudyError(f"{where}: protocols: {protocol.name} is listed twice; remove or rename one")
        names.add(protocol.name)
        same = seen.setdefault((protocol.training, protocol.evaluation), protocol.name)
        if same != protocol.name:
            raise StudyError(f"{where}: protocols: {same} and {protocol.name} have the same switches; remove one")
    return protocols


def single_switches(protocols: tuple[Protocol, ...]) -> list[tuple[str, str, Protocol, Protocol]]:
    """(switch, preset of the others, sound side, released side) of each protocol one switch away from a preset."""
    found = []
    for base, other in itertools.permutations(protocols, 2):
        switch = one_switch(base, other)
        if base.name == "sound" and switch:
            found.append((switch, "sound", base, other))
        if base.name == "released" and switch:
            found.append((switch, "released", other, base))
    return found


def one_switch(first: Protocol, second: Protocol) -> str | None:
    """The one switch in which two protocols differ; both halves of a switch count as one. None: not one switch.

    >>> one_switch(PRESETS["sound"], PRESETS["released"]) is None
    True
    """
    before, after = ({**p.training.model_dump(), **p.evaluation.model_dump()} for p in (first, second))
    differing = tuple(name for name in SWITCHES if before[name] != after[name])
    whole = next((name for name, halves in HALVES.items() if set(halves) == set(differing)), None)
    if whole or len(differing) != 1:
        return whole
    return f"{differing[0]}_training" if differing[0] in HALVES else differing[0]


def _protocol(entry: str | dict[str, Any], where: str) -> Protocol:
    if isinstance(entry, str):
        return _preset(entry, where)
    if "name" not in entry:
        raise StudyError(f"{where}: a mixture needs a `name`; for example {{name: mine, base: sound, ties: released}}")
    name, base = str(entry["name"]), _preset(str(entry.get("base", "sound")), f"{where}.base")
    _check_name(name, where)
    training, evaluation = base.training.model_dump(), base.evaluation.model_dump()
    for key, value in entry.items():
        if key in ("name", "base"):
            continue
        halves = HALVES.get(key, (key,))
        if not any(half in SWITCHES for half in halves):
            allowed = [*HALVES, *(name for name in SWITCHES if name not in HALVES)]
            raise StudyError(f"{where}.{key}: unknown switch{nearest(key, allowed)}; allowed: {', '.join(allowed)}")
        for half in halves:
            (training if half in training else evaluation)[half] = value
    return Protocol(
        name, _validated(TrainingSwitches, training, where), _validated(EvaluationSwitches, evaluation, where)
    )


def _preset(name: str, where: str) -> Protocol:
    if name not in PRESETS:
        raise StudyError(
            f"{where}: '{name}' is not a preset{nearest(name, list(PRESETS))}; allowed: {', '.join(PRESETS)}, or a "
            "mixture {name: ..., base: sound, ties: released}"
        )
    return PRESETS[name]


class _Named(Settings):
    name: Name


def _check_name(name: str, where: str) -> None:
    try:
        _Named(name=name)
    except ValidationError:
        raise StudyError(f"{where}.name: '{name}' must be letters, digits, _ and - (at most 64)") from None
    if name in PRESETS:
        raise StudyError(f"{where}.name: '{name}' is the name of a preset; choose another name for the mixture")


def _validated(switches: type[SwitchesType], values: dict[str, Any], where: str) -> SwitchesType:
    try:
        return switches.model_validate(values)
    except ValidationError as error:
        issue = error.errors()[0]
        key = str(issue["loc"][0])
        allowed = issue["ctx"]["expected"].replace(" or ", ", ")
        raise StudyError(f"{where}.{key}: {values[key]!r} is not allowed; one of {allowed}") from None
