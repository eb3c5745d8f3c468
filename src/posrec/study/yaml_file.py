"""Read a study file: plain values alone, and no key twice.

Of a key that stands twice YAML's readers take the last and say nothing: a setting that was edited would have no effect.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from posrec.errors import StudyError

TEXT_KEYS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
# Octal, hexadecimal, binary and base-60 numbers, and underscores in them, are YAML 1.1 alone: other readers differ.
NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?([0-9]*\.?[0-9]*(e[-+]?[0-9]+)?|\.inf|\.nan)", re.IGNORECASE),
}
Twice = tuple[int, str, int]  # line, key, line where it stands first


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML or JSON file. Raises StudyError naming the file, for a key that stands twice also both
    lines.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read ({error})") from None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        twice = sorted(_twice(node)) if node else []
        misread = sorted(_misread(node)) if node else []
        content = loader.construct_document(node) if node and not twice and not misread else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that cannot be
        raise StudyError(f"{path}: not valid YAML: {error}") from None
    if twice:
        lines = [f"{path}: line {line}: {key} stands in line {first} already; remove one" for line, key, first in twice]
        raise StudyError("\n".join(lines))
    if misread:
        raise StudyError("\n".join(f"{path}: line {line}: {reason}" for line, reason in misread))
    return content


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """All nodes of a document, each once, however often aliases name it."""
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
            line, text = node.start_mark.line + 1, node.value
            yield (
                line,
                f"YAML does not read {text} as the decimal number {text}: write that, or quote it if it is a name",
            )


def _written(node: yaml.Node) -> str:
    return f"'{node.value}'" if isinstance(node, yaml.ScalarNode) else "that is a list or a mapping"


def _twice(root: yaml.Node) -> Iterator[Twice]:
    """Keys that stand twice in one mapping; each node once, however often aliases name it."""
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
