"""Positional encodings: a pure function beneath a thin module each, one interface, one registry.

An encoding may act on the encoded items (`encode`), on queries and keys (`rotate`), on the attention's scores, weights
and values (`scores`, `reweigh`, `values`) or after the attention (`project`); what it doesn't touch stays as it is.
Positions are rows 0 .. L of a table: with positions counted from the end, the last item of a history has row L - 1 and
the candidate after it row L. Times are float64 days since the data set's first training interaction.

    >>> encoding = build_encoding("rope", Shape(dimension=8, heads=2, blocks=1, max_length=5), torch.Generator())
    >>> encoding.encode(torch.ones(3, 8), torch.arange(3)).shape
    torch.Size([3, 8])
"""

from importlib import import_module

import torch

from posrec.model.encodings import (
    added,
    biases,
    concatenated,
    contextual,
    intervals,
    kernels,
    relative,
    rotary,
    rotary_time,
    time_biases,
    time_vectors,
)
from posrec.model.encodings.interface import REGISTRY, Encoding, Pairs, Shape, Steps, register
from posrec.model.encodings.own import EncodingError, run_file
from posrec.study.encodings import built_in_files, find

__all__ = [
    "REGISTRY",
    "Encoding",
    "EncodingError",
    "Pairs",
    "Shape",
    "Steps",
    "added",
    "biases",
    "build_encoding",
    "concatenated",
    "contextual",
    "intervals",
    "kernels",
    "register",
    "relative",
    "rotary",
    "rotary_time",
    "time_biases",
    "time_vectors",
]

for _path in built_in_files():  # each registers its encodings, those of a new file too
    import_module(f"{__name__}.{_path.stem}")


def build_encoding(name: str, shape: Shape, generator: torch.Generator) -> Encoding:
    """The encoding that a study calls `name`; its parameters are drawn from `generator`.

    Raises StudyError for an unknown name, EncodingError for a file of the user's that has changed or registers no such
    class.
    """
    choice = find(name)
    if choice.kind.own:
        run_file(choice.kind)
    return REGISTRY[choice.kind.name](shape, generator, **choice.parameters)
