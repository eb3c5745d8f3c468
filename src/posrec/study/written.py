"""Study files that posrec writes: of a table that somebody has, with settings that a person can read and change."""

from pathlib import Path
from typing import Any

import yaml

from posrec.errors import StudyError
from posrec.files import write_text
from posrec.study.study import load

HEADER = """\
# The table is read as `posrec prepare` says. `posrec plan {path}` shows what this trains and what it costs;
# docs/reference/study-keys.md describes every key.
"""
ENCODINGS = ["none", "abs", "learnt", "rope"]
SEEDS = [1, 2, 3, 4, 5]


def write_study(path: Path, name: str, dataset: dict[str, Any], **settings: Any) -> None:
    """Write a study of one data set, and check it. Raises StudyError: the file exists, or its settings are wrong."""
    if path.exists():
        raise StudyError(f"{path}: exists; give another name, or remove it first")
    content = {"study": name, "datasets": {name: dataset}, "encodings": ENCODINGS, "seeds": SEEDS, **settings}
    write_text(path, HEADER.format(path=path) + as_yaml(content))
    try:
        load(str(path))
    except StudyError:
        path.unlink()
        raise


def as_yaml(content: dict[str, Any]) -> str:
    """Settings as YAML: blocks of keys in their order, and lists on one line."""
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Dumper(yaml.SafeDumper):
    """Lists on one line; no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=True)
