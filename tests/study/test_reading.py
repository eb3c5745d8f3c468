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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("datasets:\n  010: {}\n", "line 2: YAML does not read the key '010' as text: quote it"),
        ("datasets:\n  2018: {}\n", "line 2: YAML does not read the key '2018' as text: quote it"),
        ("on: {}\n", "line 1: YAML does not read the key 'on' as text: quote it"),
        ("a:\n  ~: 1\n", "line 2: YAML does not read the key '~' as text: quote it"),
        ("a:\n  1.5: 1\n", "line 2: YAML does not read the key '1.5' as text: quote it"),
        ("? [a]\n: 1\n", "line 1: YAML does not read the key that is a list or a mapping as text: quote it"),
        *(
            (f"seeds: [1, {number}]\n", f"line 1: YAML does not read {number} as the decimal number {number}: write")
            for number in ("010", "-007", "0x1f", "0b11", "1_000", "1:30", "1_0.5", "1:30.5")
        ),
    ],
)
def test_what_yaml_reads_as_something_else_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(text)
    with pytest.raises(StudyError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_usual_numbers_and_quoted_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("'010': [0, -3, +5, 120, 0.5, -1.5e+3, .5, '010', 1e-3]\n'2018': {'on': true}\n")
    assert read_yaml(path) == {"010": [0, -3, 5, 120, 0.5, -1500.0, 0.5, "010", "1e-3"], "2018": {"on": True}}


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


@pytest.mark.parametrize(
    ("key", "said"),
    [("'[]'", '"[]"'), ("''", '""'), (r'"\n"', r'"\n"'), ("'[x]'", "[x]"), ("report: {'[]'", 'report."[]"')],
)
def test_an_unknown_key_is_named_however_odd(key: str, said: str, tmp_path: Path) -> None:
    """A key of brackets alone was an IndexError."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"study: mine\n{key}: 1{'}' * key.count('{')}\n")
    with pytest.raises(StudyError) as caught:
        study.load(str(path))
    assert f"{path}: {said}: unknown key; allowed: " in str(caught.value)
