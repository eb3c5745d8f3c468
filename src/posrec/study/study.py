"""Read and check a study file, and expand it into cells.

The whole study is checked before anything runs. Every error names the key, what is allowed and the nearest valid name.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posrec.errors import StudyError
from posrec.study import sources
from posrec.study.encodings import find
from posrec.study.protocols import Protocol, TrainingSwitches, parse
from posrec.study.reading import SettingsType, check_size, nearest, read_yaml, validated
from posrec.study.resolved import is_resolved, read_resolved
from posrec.study.settings.model import OF_CARCA, ModelSettings
from posrec.study.settings.study import StudySettings
from posrec.study.settings.training import SHARED, TrainingSettings

MIN_SEEDS = 3  # the smallest number that can show a spread
SECOND_SOFTMAX = ("rmha{clip}", "rmha_control")  # encodings that the switch rmha_softmax acts on


@dataclass(frozen=True)
class Cell:
    """A training without its seed, and the protocols that share it, which differ only in their evaluation."""

    dataset: str
    encoding: str
    protocols: tuple[Protocol, ...]
    model: ModelSettings
    training: TrainingSettings
    seeds: tuple[int, ...]

    @property
    def protocol(self) -> Protocol:
        """The first of its protocols."""
        return self.protocols[0]

    @property
    def switches(self) -> TrainingSwitches:
        """The training part of its protocols."""
        return self.protocols[0].training

    @property
    def layout(self) -> str:
        """Packed tokens, or every history padded to L where the released code gives padding a weight."""
        padded = self.switches.rmha_softmax == "released" and find(self.encoding).kind.name in SECOND_SOFTMAX
        return "padded" if padded else "packed"


@dataclass(frozen=True)
class Study:
    """A checked study and its cells."""

    settings: StudySettings
    cells: tuple[Cell, ...]
    protocols: tuple[Protocol, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Name of the study and of its folder under results/studies."""
        return self.settings.study


def load(path: str | Path) -> Study:
    """Read the study file `path`. Raises StudyError naming the file and key."""
    return from_dict(read_resolved(path) if is_resolved(path) else read_yaml(path), str(path))


def from_dict(raw: Any, where: str = "study") -> Study:
    """Check the raw content of a study file. Raises StudyError."""
    if not isinstance(raw, dict):
        raise StudyError(f"{where}: a study file is a mapping of keys; see params.yaml")
    check_size(raw, where)
    settings = validated(StudySettings, raw, where, "")
    _check_encodings(settings, where)
    _check_seeds(settings, where)
    _check_datasets(settings, where)
    _check_duplicates(settings, where)
    _check_published(settings, where)
    protocols = parse(settings.protocols, where)
    cells = tuple(_cells(settings, protocols, where))
    if not cells:
        raise StudyError(f"{where}: only: matches no cell of the grid; drop an entry or widen it")
    return Study(settings, cells, protocols, tuple(_warnings(cells, settings)))


def _check_encodings(settings: StudySettings, where: str) -> None:
    for name in settings.encodings:
        try:
            find(name)
        except StudyError as error:
            raise StudyError(f"{where}: encodings: {error}") from None


def _check_seeds(settings: StudySettings, where: str) -> None:
    common = sorted(set(settings.seeds_of_all_looks) & set(settings.deviation_seeds))
    if common:
        raise StudyError(
            f"{where}: deviation_seeds: {common} are also in seeds; a deviation estimated on the seeds that score the "
            "encodings would be correlated with itself; use other seeds"
        )
    if settings.deviation_seeds and "none" not in settings.encodings:
        raise StudyError(
            f"{where}: deviation_seeds: need the encoding 'none', whose spread is the deviation; add it to encodings"
        )
    if not settings.report.stability:
        return
    for key, seeds in (("seeds", settings.scoring_seeds), ("deviation_seeds", settings.deviation_seeds or [0, 1, 2])):
        if len(set(seeds)) < MIN_SEEDS:
            raise StudyError(
                f"{where}: {key}: a stability study needs at least {MIN_SEEDS} different seeds "
                f"(given: {len(set(seeds))}); add seeds, or set report.stability: false to show levels only"
            )


def _check_datasets(settings: StudySettings, where: str) -> None:
    for name, dataset in settings.datasets.items():
        if sum(origin is not None for origin in (dataset.source, dataset.table, dataset.simulate)) != 1:
            raise StudyError(f"{where}: datasets.{name}: give one of `source`, `table` and `simulate` (and no other)")
        if dataset.model.get("context", False) is not False and not sources.has_times(dataset):
            raise StudyError(
                f"{where}: datasets.{name}.model.context: the data have no times, which context needs; remove it"
            )


def _check_published(settings: StudySettings, where: str) -> None:
    for name in settings.report.published:
        if name not in settings.datasets:
            allowed = list(settings.datasets)
            raise StudyError(
                f"{where}: report.published.{name}: the study has no such data set{nearest(name, allowed)}; "
                f"it has: {', '.join(allowed)}"
            )


def _check_duplicates(settings: StudySettings, where: str) -> None:
    for key in ("encodings", "seeds", "deviation_seeds"):
        values = settings.scoring_seeds if key == "seeds" else getattr(settings, key)
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise StudyError(f"{where}: {key}: {', '.join(twice)} is listed twice; remove one")


def _cells(settings: StudySettings, protocols: tuple[Protocol, ...], where: str) -> Iterator[Cell]:
    grids = {name: _grid(settings, name, where) for name in settings.datasets}
    _check_only(settings, protocols, grids, where)
    for dataset, encoding, shared in itertools.product(grids, settings.encodings, _sharing(protocols)):
        for model, training in grids[dataset]:
            single = [Cell(dataset, encoding, (protocol,), model, training, ()) for protocol in shared]
            wanted = tuple(cell.protocol for cell in single if _wanted(cell, settings.only))
            if wanted:
                seeds = _seeds(settings, encoding, protocols[0] in wanted)
                yield Cell(dataset, encoding, wanted, model, training, seeds)


def _sharing(protocols: tuple[Protocol, ...]) -> list[list[Protocol]]:
    """Protocols grouped by their training part: one training serves a whole group."""
    groups: dict[TrainingSwitches, list[Protocol]] = {}
    for protocol in protocols:
        groups.setdefault(protocol.training, []).append(protocol)
    return list(groups.values())


def _seeds(settings: StudySettings, encoding: str, first: bool) -> tuple[int, ...]:
    """The deviation is measured with `none` under the study's first protocol."""
    return tuple(settings.scoring_seeds) + (tuple(settings.deviation_seeds) if encoding == "none" and first else ())


def _grid(settings: StudySettings, dataset: str, where: str) -> list[tuple[ModelSettings, TrainingSettings]]:
    own = settings.datasets[dataset]
    without_times = {} if sources.has_times(own) else {"context": False}
    models = _expand(ModelSettings, {**settings.model, **own.model, **without_times}, where, "model")
    trainings = _expand(TrainingSettings, {**settings.training, **own.training}, where, "training")
    for model in models:
        if model.dimension % model.heads:
            raise StudyError(
                f"{where}: model.heads: {model.heads} heads do not divide dimension {model.dimension}; choose a divisor"
            )
        if {"rope", "rope_one"} & {
            find(name).kind.name for name in settings.encodings
        } and model.dimension // model.heads % 2:
            raise StudyError(
                f"{where}: model.heads: rope rotates pairs of channels, and dimension {model.dimension} / "
                f"{model.heads} heads is odd; choose an even width per head"
            )
        _check_block(model, where)
    pairs = {json.dumps([m.model_dump(), t.model_dump()]): (m, t) for m in models for t in trainings}
    for model, training in pairs.values():
        _check_shared(model, training, where)
    return list(pairs.values())  # a value listed twice gives one cell


def _check_block(model: ModelSettings, where: str) -> None:
    """SASRec's and LiGR's blocks have their own residuals, norms and activations."""
    if model.block == "carca":
        return
    for key in OF_CARCA:
        if getattr(model, key) != (default := ModelSettings.model_fields[key].default):
            raise StudyError(
                f"{where}: model.{key}: belongs to block carca; block {model.block} has its own: remove model.{key} "
                f"(default {default}), or choose model.block: carca"
            )


def _check_shared(model: ModelSettings, training: TrainingSettings, where: str) -> None:
    """With CARCA's head and shared negatives, a candidate must be the same at every step."""
    if model.head != "carca" or training.loss not in SHARED:
        return
    needed = {"candidate_context": "none", "position_start": "end", "decoder_positions": False}
    if wrong := [key for key, value in needed.items() if getattr(model, key) != value]:
        wanted = ", ".join(f"{key}: {str(needed[key]).lower()}" for key in wrong)
        raise StudyError(
            f"{where}: training.loss: {training.loss} shares negatives between the steps of a history, so with "
            f"model.head: carca a candidate must be the same at every step: set model.{wanted}, or choose "
            "training.loss: bce, gbce or ce, or model.head: dot"
        )


def _expand(model: type[SettingsType], raw: dict[str, Any], where: str, prefix: str) -> list[SettingsType]:
    """All combinations of the listed values; each value is checked under its own key."""
    axes = [
        [(key, value) for value in (values if isinstance(values, list) else [values])] for key, values in raw.items()
    ]
    for axis, key in zip(axes, raw, strict=True):
        if not axis:
            raise StudyError(f"{where}: {prefix}.{key}: an empty list; give at least one value")
    return [validated(model, dict(combination), where, prefix) for combination in itertools.product(*axes)]


def _value_of(cell: Cell, key: str) -> Any:
    if key in ("dataset", "encoding"):
        return getattr(cell, key)
    if key == "protocol":
        return cell.protocol.name
    return getattr(cell.model if key in ModelSettings.model_fields else cell.training, key)


def _wanted(cell: Cell, only: list[dict[str, Any]]) -> bool:
    def matches(entry: dict[str, Any]) -> bool:
        return all(
            _value_of(cell, key) in (value if isinstance(value, list) else [value]) for key, value in entry.items()
        )

    return not only or any(matches(entry) for entry in only)


def _check_only(settings: StudySettings, protocols: tuple[Protocol, ...], grids: dict[str, Any], where: str) -> None:
    """Every key and value of `only` must be in the grid: a misspelt one would silently drop cells."""
    pairs = [pair for grid in grids.values() for pair in grid]
    named: dict[str, list[Any]] = {
        "dataset": list(grids),
        "encoding": settings.encodings,
        "protocol": [protocol.name for protocol in protocols],
    }
    grid_keys = [*ModelSettings.model_fields, *TrainingSettings.model_fields]
    for number, entry in enumerate(settings.only, 1):
        for key, value in entry.items():
            if key not in named and key not in grid_keys:
                allowed = [*named, *grid_keys]
                raise StudyError(
                    f"{where}: only[{number}].{key}: unknown key{nearest(key, allowed)}; allowed: {', '.join(allowed)}"
                )
            values = named.get(key) or [getattr(m if hasattr(m, key) else t, key) for m, t in pairs]
            for wanted in value if isinstance(value, list) else [value]:
                if wanted not in values:
                    shown = ", ".join(sorted({str(v) for v in values}))
                    raise StudyError(f"{where}: only[{number}].{key}: {wanted!r} is not in the grid; it has: {shown}")


def padded_note(cells: Sequence[Cell]) -> str:
    """A note on the cells that the packed engine does not support; empty where it supports all."""
    names = dict.fromkeys(f"{c.encoding} under protocol {c.protocol.name}" for c in cells if c.layout == "padded")
    if not names:
        return ""
    return (
        f"{', '.join(names)}: the second softmax (rmha_softmax: released) gives padding a weight, which packed tokens "
        "do not have; there every history is padded to L slots, which is slower and a separate numerics class"
    )


def numerics_note(cells: Sequence[Cell]) -> str:
    """A note on the cells trained on a GPU, with bfloat16 products or compiled kernels; empty where there are none."""
    every = dict.fromkeys(cell.training.numerics for cell in cells)
    special = [one for one in every if one.device == "cuda" or one.precision == "bf16" or one.engine == "numba"]
    if not special:
        return ""
    named = [f"{one.device}, {one.precision}{', numba' * (one.engine == 'numba')}" for one in special]
    gpu = any(one.device == "cuda" for one in special)
    where = " On a GPU the bytes may differ between runs: see docs/guide/gpu.md." if gpu else ""
    each = "each a" if len(named) > 1 else "a"
    return f"training.numerics: {' and '.join(named)}: {each} separate numerics class with its own run ids.{where}"


def _warnings(cells: tuple[Cell, ...], settings: StudySettings) -> Iterator[str]:
    yield from filter(None, (padded_note(cells), numerics_note(cells)))
    for name, dataset in settings.datasets.items():
        if dataset.source in sources.sources() and sources.unrecorded(dataset.source):
            yield (
                f"datasets.{name}: source '{dataset.source}' is not recorded yet, so this is only a plan, and its ids "
                f"will change: run `posrec fetch {dataset.source} --record` once, and commit {sources.LOCK.name}"
            )
        if not sources.has_times(dataset) and settings.model.get("context", False) is not False:
            bare = not sources.has_attributes(dataset) and any(
                c.dataset == name and c.model.head == "carca" for c in cells
            )
            dot = (
                "; there are no attributes either, so CARCA's decoder compares item ids only: use the dot head, "
                f"datasets.{name}.model: {{head: dot}}"
            )
            yield f"datasets.{name}: the data have no times, so context is switched off" + (dot if bare else "")
        bounds = {c.model.upper_bound for c in cells if c.dataset == name and c.model.upper_bound is not None}
        blind = sorted(bound for bound in bounds if bound <= 1e-3)
        if blind and not (sources.has_attributes(dataset) or dataset.dense_features):
            yield (
                f"datasets.{name}: upper bound {blind[0]:g} shrinks every item embedding to almost nothing, and "
                "without attributes the model cannot distinguish items: expect chance level"
            )
