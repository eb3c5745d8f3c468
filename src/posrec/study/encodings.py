"""Which encodings exist, without importing torch: read from the `@register(...)` lines of their files.

An encoding's name in a study is a kind (`rope`), a kind with a number (`rmha7`), or a kind with parameters that differ
from their defaults (`rope-base=100`). A user's own kinds are in the folder that the environment variable
POSREC_ENCODINGS names. A study contains names only: a file of that folder is executed only when a study trains the
encoding that it registers.

    >>> find("rope-base=100").parameters["base"]
    100.0
    >>> find("rmha7").kind.family
    'relative'
    >>> find("to_rope-mode=split_by_dim").kind.about["Learnt"]
    '0'
"""

import ast
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from posrec.errors import StudyError
from posrec.files import sha256
from posrec.study.reading import nearest

BUILT_IN = Path(__file__).parents[1] / "model" / "encodings"
FILES = (  # their order in lists of what exists; others follow
    *("added", "concatenated", "relative", "rotary", "biases", "intervals"),
    *("contextual", "time_vectors", "time_biases", "rotary_time", "kernels"),
)
FOLDER = "POSREC_ENCODINGS"
FAMILIES = ("none", "added", "concatenated", "relative", "rotary", "time", "time_order", "kernel", "control")
ABOUT = ("Formula", "Source", "Claim", "Learnt")  # what a class's docstring says of it, a line that begins so each
EXAMPLES = {"rmha{clip}": "rmha4"}  # a pattern -> its name in lists of what exists
SYNONYMS = {  # what other papers and libraries call an encoding, in small letters and digits alone
    "none": ("nope", "no", "nopos", "nopositions", "noposition", "off", "null", "false", "without", "empty"),
    "abs": ("sinusoidal", "sinusoid", "sincos", "sin", "absolute", "fixed", "vaswani", "vanilla", "ape", "pe"),
    "learnt": ("learned", "learnable", "trainable", "embedding", "positionembedding", "sasrec", "bert", "gpt2"),
    "rmha4": ("shaw", "relative", "rpr", "rpe", "rmha", "shawrelative"),
    "rope": ("rotary", "rotaryembedding", "roformer", "ropeembedding", "su"),
    "t5_bias": ("t5", "t5relative", "raffel"),
    "alibi": ("press", "linearbias"),
    "tisasrec": ("tisas", "timeinterval2020"),
}
_KIND = re.compile(r"[a-z][a-z0-9_]{0,40}(\{[a-z_]+\})?")
VALUE = r"-[a-z_]+=[a-zA-Z0-9.+_]+(e-[0-9]+)?"
NAME = re.compile(rf"([a-z][a-z0-9_]{{0,40}})((?:{VALUE})*)")
_PARAMETER = re.compile(r"-([a-z_]+)=([a-zA-Z0-9.+_]+(?:e-[0-9]+)?)")


@dataclass(frozen=True)
class Kind:
    """A registered encoding: its name, its family, its parameters' defaults, and the file that registers it.

    choices: of a parameter that is a word, the words, the default first. about: the summary of its class's docstring as
    "Summary", and what the lines of `ABOUT` say.
    """

    name: str
    family: str
    parameters: dict[str, Any]
    path: Path
    own: bool  # from the user's folder
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)

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
    paths = [(path, False) for path in built_in_files()]
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
        raise StudyError(f"'{name}' does not exist{_meant(name, known)}; allowed: {allowed()}")
    base, given = match.group(1), dict(_PARAMETER.findall(match.group(2)))
    kind, values = known.get(base), {}
    for candidate in known.values():
        number = re.fullmatch(re.sub(r"\{\w+\}", "([1-9][0-9]{0,3})", candidate.name), base)
        if candidate.pattern and number:
            kind, values = candidate, {candidate.pattern: int(number.group(1))}
    if kind is None or (kind.pattern and not values):
        raise StudyError(f"'{name}' does not exist{_meant(name, known)}; allowed: {allowed()}")
    for key, text in given.items():
        values[key] = _value(name, kind, key, text)
    return Choice(kind, {**kind.parameters, **values})


def _meant(name: str, known: Iterable[str]) -> str:
    """A hint at the encoding that a name means elsewhere, in any spelling, or at the most similar one."""
    base, dash, parameters = name.partition("-")
    if "=" not in parameters:
        base, dash, parameters = name, "", ""
    plain = re.sub(r"[^a-z0-9]", "", base.lower())
    spelt = {re.sub(r"[^a-z0-9]", "", kind): kind for kind in known if "{" not in kind}
    meant = next((kind for kind, words in SYNONYMS.items() if plain in words), None) or spelt.get(plain)
    if meant:
        return f"; did you mean '{meant}{dash}{parameters}'?"
    return nearest(base, [EXAMPLES.get(kind, kind) for kind in known])


def synonym(name: str, known: Iterable[str]) -> str:
    """A hint at the one of `known` that a name means in other papers and libraries, or that is most similar.

    >>> synonym("Rotary", ["none", "rope"]), synonym("ropes", ["none", "rope"])
    ("; did you mean 'rope'?", "; did you mean 'rope'?")
    """
    return _meant(name, known)


def family_of(name: str) -> str:
    """The family of an encoding: how the position reaches the model."""
    return find(name).kind.family


def built_in_files() -> list[Path]:
    """The files of built-in encodings: those of FILES in their order, then all others that register one."""
    others = [path for path in sorted(BUILT_IN.glob("*.py")) if path.stem not in FILES and _registered(path, 0, False)]
    return [*(BUILT_IN / f"{name}.py" for name in FILES), *others]


def built_in_families() -> dict[str, str]:
    """Name -> family of the built-in encodings, a pattern as its example."""
    registered = [kind for path in built_in_files() for kind in _registered(path, 0, False)]
    return {EXAMPLES.get(kind.name, kind.name): kind.family for kind in registered}


def built_in_forms() -> list[str]:
    """The built-in encodings, each followed by its other forms: the other words of its parameters.

    >>> [name for name in built_in_forms() if name.startswith("to_rope")]
    ['to_rope', 'to_rope-mode=split_by_dim', 'to_rope-mode=split_by_head']
    """
    found = []
    for name in built_in_families():
        choices = find(name).kind.choices
        found += [name, *(f"{name}-{key}={word}" for key, words in choices.items() for word in words[1:])]
    return found


def name_pattern() -> str:
    """A regular expression of the built-in encodings' names, numbers and parameters included, for editors."""
    kinds_ = [kind.name for path in built_in_files() for kind in _registered(path, 0, False)]
    starts = "|".join(re.sub(r"\{\w+\}", "[1-9][0-9]{0,3}", name) for name in kinds_)
    return f"({starts})({VALUE})*"


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
    if key in kind.choices:
        return _word(name, key, text, kind.choices[key])
    try:
        value = type(default)(text) if not isinstance(default, bool) else {"true": True, "false": False}[text]
    except (ValueError, KeyError):
        raise StudyError(f"'{name}': {key} must be like {default!r} (given: {text})") from None
    if not isinstance(value, bool) and not 0 < value < 1e12:
        raise StudyError(f"'{name}': {key} must be above 0 (given: {text})")
    if value == default:
        raise StudyError(f"'{name}': {key}={text} is the default; leave it out")
    return value


def _word(name: str, key: str, text: str, words: tuple[str, ...]) -> str:
    if text not in words:
        near = nearest(text, list(words))
        raise StudyError(f"'{name}': {key} must be one of {', '.join(words)}{near} (given: {text})")
    if text == words[0]:
        raise StudyError(f"'{name}': {key}={text} is the default; leave it out")
    return text


@lru_cache(maxsize=256)
def _registered(path: Path, changed: int, own: bool) -> tuple[Kind, ...]:
    """The kinds that a file registers, without running its code. changed: its modification time, for the cache."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        raise StudyError(f"{path}: not a readable Python file ({error})") from None
    return tuple(_kind(path, call, own, about) for call, about in _registrations(tree))


def _registrations(tree: ast.Module) -> Iterator[tuple[ast.Call, dict[str, str]]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            about = _about(ast.get_docstring(node) or "")
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).split(".")[-1] == "register":
                    yield decorator, about


def _about(docstring: str) -> dict[str, str]:
    """The docstring's first paragraph and its lines of `ABOUT`, each on one line; what is not there is left out."""
    summary = " ".join(docstring.split("\n\n")[0].split())
    lines = re.findall(rf"^({'|'.join(ABOUT)}): (.+)$", docstring, re.MULTILINE)
    return {"Summary": summary, **dict(lines)}


def _kind(path: Path, call: ast.Call, own: bool, about: dict[str, str]) -> Kind:
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
    choices = {key: value for key, value in parameters.items() if _are_words(value)}
    wrong = [
        key for key, value in parameters.items() if not isinstance(value, bool | int | float) and key not in choices
    ]
    if wrong:
        raise StudyError(f"{where}: {wrong[0]}: a parameter's default is a number, true / false, or a tuple of words")
    defaults = {key: choices[key][0] if key in choices else value for key, value in parameters.items()}
    return Kind(name, family, defaults, path, own, choices, about)


def _are_words(value: Any) -> bool:
    """Whether a parameter is one of some words: a tuple of them, the default first."""
    return isinstance(value, tuple) and len(value) > 1 and all(re.fullmatch("[a-z_]+", str(word)) for word in value)


# Encoding -> family: how the position reaches the model (the families of the correlation with a data set's deviation).
# The built-in ones as they are named without parameters; `family_of` knows every name.
ENCODINGS = built_in_families()
