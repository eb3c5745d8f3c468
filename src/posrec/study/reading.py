"""Read a YAML file, and check its content against the classes of the settings.

Every error names the key, what is allowed and the nearest valid name.
"""

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from posrec.errors import StudyError

SettingsType = TypeVar("SettingsType", bound=BaseModel)
MAX_VALUES = 100_000  # in a study file
TEXT_KEYS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
# Only YAML 1.1 knows octal, hexadecimal, binary and base-60 numbers and underscores in them: other readers differ.
NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?([0-9]*\.?[0-9]*(e[-+]?[0-9]+)?|\.inf|\.nan)", re.IGNORECASE),
}


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML or JSON file: plain values, as they are written, and each key once.

    Duplicate keys are rejected; YAML's own readers would silently keep the last one. So are keys that are not text and
    numbers that YAML 1.1 reads in another base. Raises StudyError that names the file and the lines.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}){_beside(Path(path))}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: cannot be read (byte {error.start + 1} is not UTF-8); save it as UTF-8") from None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        twice = sorted(_duplicates(node)) if node else []
        misread = sorted(_misread(node)) if node else []
        content = loader.construct_document(node) if node and not twice and not misread else None
    except yaml.YAMLError as error:
        raise StudyError(f"{path}: {_where_of(error)}") from None
    except (ValueError, RecursionError) as error:  # ValueError: an impossible date or number
        raise StudyError(f"{path}: not valid YAML: {error}") from None
    if twice:
        lines = [
            f"{path}: line {line}: duplicate key {key}, first in line {first}; remove one" for line, key, first in twice
        ]
        raise StudyError("\n".join(lines))
    if misread:
        raise StudyError("\n".join(f"{path}: line {line}: {reason}" for line, reason in misread))
    return content


def _beside(path: Path) -> str:
    """A hint at the file that was meant: the most similar one beside it, or where study files are."""
    if path.is_dir():
        return "; give a file in it"
    try:
        beside = sorted(str(other) for other in path.parent.iterdir() if other.suffix in (".yaml", ".yml", ".json"))
    except OSError:
        return f"; there is no folder {path.parent}: study files are params.yaml and those in studies/"
    return nearest(str(path), beside) or "; study files are params.yaml and those in studies/"


def _where_of(error: yaml.YAMLError) -> str:
    """Line, column and problem of what is not YAML, counted from 1."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error).splitlines()[0]
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    hint = "; indent with spaces" if "'\\t'" in problem else ""
    return f"{place}not valid YAML: {problem}{hint}; see params.yaml for an example"


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """All nodes of a document, each once in spite of aliases."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]


def _misread(root: yaml.Node) -> Iterator[tuple[int, str]]:
    """Line and reason of what YAML 1.1 reads as something else than is written: keys as numbers, 010 as 8."""
    keys = {id(name): name for node in _nodes(root) if isinstance(node, yaml.MappingNode) for name, _ in node.value}
    for name in keys.values():
        if name.tag not in TEXT_KEYS:
            yield name.start_mark.line + 1, f"YAML does not read the key {_written(name)} as text: quote it"
    for node in _nodes(root):
        if node.tag in NUMBERS and id(node) not in keys and not NUMBERS[node.tag].fullmatch(node.value):
            written = node.value
            reason = f"YAML does not read {written} as the decimal number {written}: write that, or quote a name"
            yield node.start_mark.line + 1, reason


def _written(node: yaml.Node) -> str:
    return f"'{node.value}'" if isinstance(node, yaml.ScalarNode) else "that is a list or a mapping"


def _duplicates(root: yaml.Node) -> Iterator[tuple[int, str, int]]:
    """Line, key and line of the first occurrence of each duplicate key; nodes are visited once in spite of aliases."""
    waiting, seen = [(root, "")], set()
    while waiting:
        node, key = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(child, key) for child in node.value]
        if isinstance(node, yaml.MappingNode):
            named = [(child, f"{key}.{name.value}" if key else str(name.value), name) for name, child in node.value]
            waiting += [(child, path) for child, path, _ in named]
            first: dict[str, int] = {}
            for _, path, name in named:
                line = name.start_mark.line + 1
                if path in first:
                    yield line, path, first[path]
                first.setdefault(path, line)


def check_size(raw: Any, where: str) -> None:
    """Refuse content that aliases (`&a`, `*a`) blow up: each use of a value counts, and a cycle never ends."""
    waiting, count = [raw], 0
    while waiting and count <= MAX_VALUES:
        value = waiting.pop()
        count += 1
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    if waiting:
        raise StudyError(f"{where}: more than {MAX_VALUES:,} values; check for an alias that contains itself")


def validated(model: type[SettingsType], raw: dict[str, Any], where: str, prefix: str) -> SettingsType:
    """The settings in `raw`, which is under the key `prefix` of the file `where`. Raises StudyError."""
    try:
        return model.model_validate_json(json.dumps(raw))
    except TypeError as error:
        raise StudyError(f"{where}: {prefix or 'the file'}: {error}; use plain text and numbers") from None
    except ValidationError as error:
        lines = [_explain(model, issue, prefix) for issue in error.errors()]
        raise StudyError("\n".join(f"{where}: {line}" for line in dict.fromkeys(lines))) from None


def _explain(model: type[BaseModel], issue: Any, prefix: str) -> str:
    place = issue["loc"]
    unknown = issue["type"] == "extra_forbidden"
    # Parts that begin with [ name keys of mappings and forms of a value; an unknown key is what a person wrote.
    written = len(place) - 1 if unknown else len(place)
    location = [part for at, part in enumerate(place) if at >= written or not str(part).startswith("[")]
    key = _key(([prefix] if prefix else []) + location)
    if unknown:
        allowed = _keys_at(model, location[:-1])
        return f"{key}: unknown key{nearest(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    help_text = _help_at(model, location)
    given = "" if issue["type"] == "missing" else f" (given: {json.dumps(issue['input'], default=str)[:80]})"
    hint = ""
    if issue["type"] == "string_type" and not isinstance(issue["input"], list | dict):
        hint = f": YAML does not read this as text: quote it, as in {_quoted(issue['input'])}"
    if issue["type"] == "literal_error":
        hint = nearest(str(issue["input"]), issue["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", "))
    what = issue["msg"].removeprefix("Value error, ")
    return f"{key}: {what}{given}{hint}" + (f"; {location[-1]} = {help_text}" if help_text else "")


def _key(location: list[Any]) -> str:
    """A place in the file as people write it, list items counted from 1.

    >>> _key(["datasets", "toy", "k_core"]), _key(["seeds", 0])
    ('datasets.toy.k_core', 'seeds[1]')
    """
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{_readable(part)}" for part in location)
    return "".join(parts).removeprefix(".")


def _readable(name: str) -> str:
    """A key as it is, or quoted and escaped where it could not be seen or be told from the place of a list's item."""
    return name if name.isprintable() and name.strip("[ ]") else json.dumps(name)


def _quoted(value: Any) -> str:
    """How to write what YAML 1.1 read as another type; a truth value was yes or no, on or off."""
    if isinstance(value, bool):
        return '"yes" or "on"' if value else '"no" or "off"'
    return f'"{value}"' if value is not None else '"null"'


def nearest(word: str, allowed: list[str]) -> str:
    """A hint at the allowed name most similar to `word`, or an empty string."""
    match = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""


def _model_at(model: type[BaseModel], location: list[Any]) -> type[BaseModel] | None:
    """The settings class that a location inside `model` leads into."""
    current: type[BaseModel] | None = model
    for part in location:
        if current is None or part not in current.model_fields:
            continue  # a list index or the name of a data set
        annotation = current.model_fields[part].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        plain = (getattr(option, "__origin__", option) for option in options)
        current = next((o for o in plain if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return current


def _keys_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    inner = _model_at(model, location)
    return list(inner.model_fields) if inner else []


def _help_at(model: type[BaseModel], location: list[Any]) -> str:
    inner = _model_at(model, location[:-1]) if location else None
    info = inner.model_fields.get(str(location[-1])) if inner else None
    return (info.description or "") if info else ""
