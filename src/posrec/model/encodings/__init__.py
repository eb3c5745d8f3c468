"""Positional encodings: a pure function beneath a thin module each, one interface, one registry.

An encoding may act on the encoded items (`encode`), on queries and keys (`rotate`), on the attention's scores and
values (`scores`, `values`) or after the attention (`project`); what it doesn't touch stays as it is. Positions are rows
0 .. L of a table: with positions counted from the end, the last item of a history has row L - 1 and the candidate after
it row L.

    >>> encoding = build_encoding("rope", Shape(dimension=8, heads=2, blocks=1, max_length=5), torch.Generator())
    >>> encoding.encode(torch.ones(3, 8), torch.arange(3)).shape
    torch.Size([3, 8])
"""

import importlib.util
import sys

import torch

from posrec.catalogue import Kind, find
from posrec.errors import PosrecError
from posrec.files import sha256
from posrec.model.encodings import added, biases, concatenated, intervals, relative, rotary
from posrec.model.encodings.interface import REGISTRY, Encoding, Pairs, Shape, register

__all__ = [
    "REGISTRY",
    "Encoding",
    "Pairs",
    "Shape",
    "added",
    "biases",
    "build_encoding",
    "concatenated",
    "intervals",
    "register",
    "relative",
    "rotary",
]


class EncodingError(PosrecError):
    """An encoding of the user's own cannot be built."""


def build_encoding(name: str, shape: Shape, generator: torch.Generator) -> Encoding:
    """The encoding that a study calls `name`; its parameters are drawn from `generator`.

    Raises StudyError for an unknown name, EncodingError for a file of the user's that registers no such class.
    """
    choice = find(name)
    if choice.kind.own:
        _load(choice.kind)
    return REGISTRY[choice.kind.name](shape, generator, **choice.parameters)


def _load(kind: Kind) -> None:
    """Run the file of the user's folder that registers this kind, once for each of its versions."""
    module = f"posrec_own_{kind.path.stem}_{sha256(kind.path)[:12]}"
    if module not in sys.modules:
        spec = importlib.util.spec_from_file_location(module, kind.path)
        if spec is None or spec.loader is None:
            raise EncodingError(f"{kind.path}: cannot be imported")
        sys.modules[module] = loaded = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(loaded)
        except BaseException:
            del sys.modules[module]
            raise
    if kind.name not in REGISTRY:
        raise EncodingError(f"{kind.path}: does not register '{kind.name}' when it is imported")
