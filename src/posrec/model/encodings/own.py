"""Run a user's own file of encodings: the text whose hash is in the run id, and no other that is there later."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.abc import InspectLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType

from posrec.errors import PosrecError
from posrec.model.encodings.interface import REGISTRY
from posrec.study.encodings import Kind

_planned: ContextVar[str | None] = ContextVar("planned", default=None)
_registered: dict[Path, str] = {}  # file -> sha256 of the text whose classes are in the registry


class EncodingError(PosrecError):
    """An encoding of the user's own cannot be built."""


@contextmanager
def planned_version(version: str | None) -> Iterator[None]:
    """Within, an own file runs in this version alone (its sha256, as in the run id); None: in the one that is there."""
    token = _planned.set(version)
    try:
        yield
    finally:
        _planned.reset(token)


def run_file(kind: Kind) -> None:
    """Run the file that registers this kind, once for each of its versions.

    Raises EncodingError where it was changed since the training was planned, or registers no such class.
    """
    text = kind.path.read_bytes()
    version = hashlib.sha256(text).hexdigest()
    if _planned.get() not in (None, version):
        raise EncodingError(
            f"{kind.path}: was changed since this training was planned, and its hash is in the run id; nothing is "
            "written: run the same command again"
        )
    if _registered.get(kind.path) != version:
        _registered.pop(kind.path, None)
        _run(kind.path, text, version)
        _registered[kind.path] = version
    if kind.name not in REGISTRY:
        raise EncodingError(f"{kind.path}: does not register '{kind.name}' when it is imported")


class _Text(InspectLoader):
    """Imports a text. Python's own loader reads the file again, and takes the bytecode of an older text of the same
    size and second for its.
    """

    def __init__(self, path: Path, text: bytes) -> None:
        self.path, self.text = path, text

    def get_source(self, fullname: str) -> str:
        """The text."""
        return self.text.decode("utf-8")

    def get_code(self, fullname: str) -> CodeType:
        """The text as code whose tracebacks name the file."""
        return self.source_to_code(self.text, str(self.path))

    def is_package(self, fullname: str) -> bool:
        """It is one file."""
        return False


def _run(path: Path, text: bytes, version: str) -> None:
    name = f"posrec_own_{path.stem}_{version[:12]}"
    loader = _Text(path, text)
    spec = spec_from_loader(name, loader, origin=str(path))
    assert spec is not None
    sys.modules[name] = module = module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
