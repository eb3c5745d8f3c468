"""Mangled study files are planned, or the error names file and key; POSREC_FUZZ=10000 tries so many."""

from pathlib import Path

import pytest
from hypothesis import given

from tests.fuzzing import EXAMPLES

from . import fuzz


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSREC_STORE", str(tmp_path / "store"))
    Path("shop.csv").write_text("u,i\na,x\na,y\na,z\n")


def test_the_good_study_is_planned() -> None:
    assert fuzz.check(fuzz.yaml.safe_dump(fuzz.GOOD))


@EXAMPLES
@given(text=fuzz.studies())
def test_a_mangled_study_is_planned_or_the_error_names_file_and_key(text: str) -> None:
    fuzz.check(text)
