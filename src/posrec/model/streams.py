"""Named random streams: one seed gives independent streams, so that sources of variance can be separated.

Source: architecture of the study (a paired design): the trunk's initial weights, the order of the data, the dropout and
the training negatives of a seed are equal across encodings; an encoding draws its parameters from its own stream.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from posrec.files import digest
from posrec.study.settings.training import STREAMS
from posrec.study.study import Cell


def stream_seeds(seed: int, held: Mapping[Any, int]) -> dict[str, int]:
    """The seed of each stream: the run's own, or the value at which the study holds it."""
    return {name: held.get(name, seed) for name in STREAMS}


def cell_seeds(cell: Cell, seed: int) -> dict[str, int]:
    """The seed of each stream of a run.

    Under `seeding: released` initial weights and dropout have seeds hashed from everything of the run: unrelated
    between encodings, but repeatable. Streams that a study holds keep their seeds.
    """
    seeds = stream_seeds(seed, cell.training.held_streams)
    if cell.switches.seeding == "released":
        settings = [cell.encoding, cell.switches.model_dump(), cell.model.identity()]
        training = cell.training.model_dump(exclude={"keep_weights"})
        for name in {"trunk", "encoding", "dropout"} - set(cell.training.held_streams):
            seeds[name] = int(digest([*settings, training, seed, name])[:7], 16)
    return seeds


def _entropy(name: str, seed: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(name.encode())])


def numpy_stream(name: str, seed: int) -> np.random.Generator:
    """The numpy generator of a named stream."""
    return np.random.default_rng(_entropy(name, seed))


def torch_stream(name: str, seed: int) -> torch.Generator:
    """The torch generator of a named stream."""
    return torch.Generator().manual_seed(torch_seed(name, seed))


def torch_seed(name: str, seed: int) -> int:
    """A 63-bit seed for torch from a named stream."""
    return int(_entropy(name, seed).generate_state(1, np.uint64)[0] >> np.uint64(1))
