"""Read a study file: plain values alone, and no key twice.

Of a key that stands twice YAML's readers take the last and say nothing: a setting that was edited would have no effect.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from posrec.errors import StudyError

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
        content = loader.construct_document(node) if node and not twice else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that cannot be
        raise StudyError(f"{path}: not valid YAML: {error}") from None
    if twice:
        lines = [f"{path}: line {line}: {key} stands in line {first} already; remove one" for line, key, first in twice]
        raise StudyError("\n".join(lines))
    return content


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
