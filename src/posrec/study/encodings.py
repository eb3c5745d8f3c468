"""Which encodings exist, without importing torch: read from the `@register(...)` lines of their files.

An encoding's name in a study is a kind (`rope`), a kind with a number (`rmha7`), or a kind with parameters that differ
from their defaults (`rope-base=100`). A user's own kinds are in the folder that the environment variable
POSREC_ENCODINGS names. A study contains names only: a file of that folder is executed only when a study trains the
encoding that it registers.

    >>> find("rope-base=100").parameters["base"]
    100.0
    >>> find("rmha7").kind.family
    'relative'
"""

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from posrec.errors import StudyError
from posrec.files import sha256
from posrec.study.reading import nearest

BUILT_IN = Path(__file__).parents[1] / "model" / "encodings"
FILES = ("added", "concatenated", "relative", "rotary", "biases", "intervals")  # their order in lists of what exists
FOLDER = "POSREC_ENCODINGS"
FAMILIES = ("none", "added", "concatenated", "relative", "time", "control")
EXAMPLES = {"rmha{clip}": "rmha4"}  # a pattern -> its name in lists of what exists
_KIND = re.compile(r"[a-z][a-z0-9_]{0,40}(\{[a-z_]+\})?")
NAME = re.compile(r"([a-z][a-z0-9_]{0,40})((?:-[a-z_]+=[a-zA-Z0-9.+]+(?:e-[0-9]+)?)*)")
_PARAMETER = re.compile(r"-([a-z_]+)=([a-zA-Z0-9.+]+(?:e-[0-9]+)?)")


@dataclass(frozen=True)
class Kind:
    """A registered encoding: its name, its family, its parameters' defaults, and the file that registers it."""

    name: str
    family: str
    parameters: dict[str, Any]
    path: Path
    own: bool  # from the user's folder

    @property
    def pattern(self) -> str | None:
        """The parameter in the name (`clip` of `rmha{clip}`), or None."""
        found = re.search(r"\{(\w+)\}", self.name)
        return found.group(1) if found else None


@dataclass(frozen=True)
class Choice:
    """An encoding of a study: a kind and the values of all its parameters."""

    kind: Kind
    parameters: dict[str, Any]

    @property
    def identity(self) -> dict[str, Any]:
        """Its part of a run id: kind, parameters, and for a user's own encoding the hash of its file."""
        own = {"file": sha256(self.kind.path)} if self.kind.own else {}
        return {"kind": self.kind.name, "parameters": self.parameters, **own}


def kinds() -> dict[str, Kind]:
    """All kinds by name, built-in and the user's own. Raises StudyError naming the file of a bad registration."""
    folder = os.environ.get(FOLDER)
    paths = [(BUILT_IN / f"{name}.py", False) for name in FILES]
    if folder:
        if not Path(folder).is_dir():
            raise StudyError(f"{FOLDER}={folder}: is not a folder; correct or unset it")
        paths += [(path, True) for path in sorted(Path(folder).glob("*.py"))]
    found: dict[str, Kind] = {}
    for path, own in paths:
        for kind in _registered(path, path.stat().st_mtime_ns, own):
            if kind.name in found or (own and kind.pattern):
                if kind.pattern:
                    raise StudyError(f"{path}: '{kind.name}': patterns are for built-in encodings; use a parameter")
                raise StudyError(f"{path}: '{kind.name}' is also registered in {found[kind.name].path}; rename one")
            found[kind.name] = kind
    return found


def find(name: str) -> Choice:
    """The encoding with this name in a study. Raises StudyError with the allowed names and the nearest one."""
    known, match = kinds(), NAME.fullmatch(name)
    if not match:
        raise StudyError(f"'{name}' does not exist{nearest(name, list(known))}; allowed: {allowed()}")
    base, given = match.group(1), dict(_PARAMETER.findall(match.group(2)))
    kind, values = known.get(base), {}
    for candidate in known.values():
        number = re.fullmatch(re.sub(r"\{\w+\}", "([1-9][0-9]{0,3})", candidate.name), base)
        if candidate.pattern and number:
            kind, values = candidate, {candidate.pattern: int(number.group(1))}
    if kind is None or (kind.pattern and not values):
        raise StudyError(f"'{name}' does not exist{nearest(base, list(known))}; allowed: {allowed()}")
    for key, text in given.items():
        values[key] = _value(name, kind, key, text)
    return Choice(kind, {**kind.parameters, **values})


def family_of(name: str) -> str:
    """The family of an encoding: how the position reaches the model."""
    return find(name).kind.family


def built_in_families() -> dict[str, str]:
    """Name -> family of the built-in encodings, a pattern as its example."""
    registered = [kind for name in FILES for kind in _registered(BUILT_IN / f"{name}.py", 0, False)]
    return {EXAMPLES.get(kind.name, kind.name): kind.family for kind in registered}


def name_pattern() -> str:
    """A regular expression of the built-in encodings' names, numbers and parameters included, for editors."""
    kinds_ = [kind.name for name in FILES for kind in _registered(BUILT_IN / f"{name}.py", 0, False)]
    starts = "|".join(re.sub(r"\{\w+\}", "[1-9][0-9]{0,3}", name) for name in kinds_)
    return f"({starts})(-[a-z_]+=[a-zA-Z0-9.+]+(e-[0-9]+)?)*"


def allowed() -> str:
    """The encodings that a study may use, in words."""
    return ", ".join(f"{k.name}{'' if not k.own else ' (own)'}" for k in kinds().values()) + (
        "; parameters as in rope-base=100 (docs/reference/encodings.md)"
    )


def _value(name: str, kind: Kind, key: str, text: str) -> Any:
    if key not in kind.parameters or key == kind.pattern:
        has = ", ".join(k for k in kind.parameters if k != kind.pattern) or "none"
        raise StudyError(f"'{name}': {kind.name} has no parameter '{key}'{nearest(key, list(kind.parameters))}: {has}")
    default = kind.parameters[key]
    try:
        value = type(default)(text) if not isinstance(default, bool) else {"true": True, "false": False}[text]
    except (ValueError, KeyError):
        raise StudyError(f"'{name}': {key} must be like {default!r} (given: {text})") from None
    if not isinstance(value, bool) and not 0 < value < 1e12:
        raise StudyError(f"'{name}': {key} must be above 0 (given: {text})")
    if value == default:
        raise StudyError(f"'{name}': {key}={text} is the default; leave it out")
    return value


@lru_cache(maxsize=256)
def _registered(path: Path, changed: int, own: bool) -> tuple[Kind, ...]:
    """The kinds that a file registers, without running its code. changed: its modification time, for the cache."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        raise StudyError(f"{path}: not a readable Python file ({error})") from None
    return tuple(_kind(path, call, own) for call in _registrations(tree))


def _registrations(tree: ast.Module) -> Iterator[ast.Call]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).split(".")[-1] == "register":
                    yield decorator


def _kind(path: Path, call: ast.Call, own: bool) -> Kind:
    where = f"{path}, line {call.lineno}"
    try:
        name, family = (ast.literal_eval(argument) for argument in call.args)
        parameters = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except ValueError:
        raise StudyError(f"{where}: write @register(name, family, parameter=default, ...), all plain values") from None
    if not (isinstance(name, str) and _KIND.fullmatch(name)):
        raise StudyError(f"{where}: a name consists of a-z, 0-9 and _ (given: {name!r})")
    if family not in FAMILIES:
        raise StudyError(f"{where}: family {family!r} does not exist; allowed: {', '.join(FAMILIES)}")
    wrong = [key for key, value in parameters.items() if not isinstance(value, bool | int | float)]
    if wrong:
        raise StudyError(f"{where}: {wrong[0]}: a parameter's default is a number or true / false")
    return Kind(name, family, parameters, path, own)
