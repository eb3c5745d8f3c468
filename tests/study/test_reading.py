"""Reading YAML: duplicate keys are rejected, everything else is read as written."""

import json
from pathlib import Path

import pytest

from posrec.errors import StudyError
from posrec.study import study
from posrec.study.reading import read_yaml

TWICE = """study: small
training:
  learning_rate: 0.1
  epochs: 3
  learning_rate: 0.2
datasets:
  toy: {k_core: 3, k_core: 5}
only:
  - dataset: toy
  - dataset: toy
    encoding: none
    encoding: rope
study: large
"""


def test_each_duplicate_key_is_named_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(TWICE)
    with pytest.raises(StudyError) as caught:
        study.load(path)
    assert str(caught.value).splitlines() == [
        f"{path}: line 5: duplicate key training.learning_rate, first in line 3; remove one",
        f"{path}: line 7: duplicate key datasets.toy.k_core, first in line 7; remove one",
        f"{path}: line 12: duplicate key only.encoding, first in line 11; remove one",
        f"{path}: line 13: duplicate key study, first in line 1; remove one",
    ]


def test_json_has_each_key_once_too(tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    path.write_text('{"study": "a",\n "seeds": [1], "seeds": [2]}')
    with pytest.raises(StudyError, match="line 2: duplicate key seeds, first in line 2"):
        read_yaml(path)


def test_aliases_and_merged_mappings_are_no_repetition(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}] * 2}


@pytest.mark.parametrize("content", [{"a": [1, 2.5, None, True, "x"], "b": {"c": {}}}, [], "text", None])
def test_what_is_read_is_what_was_written(tmp_path: Path, content: object) -> None:
    path = tmp_path / "any.json"
    path.write_text(json.dumps(content))
    assert read_yaml(path) == content
    path.write_text("")
    assert read_yaml(path) is None
