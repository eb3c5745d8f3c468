"""The resolved study: read only if its content is what its name says."""

import json
from pathlib import Path

import pytest

from posrec.errors import StudyError
from posrec.study import resolved
from posrec.study.study import Study, from_dict, load
from tests.model.toy import RAW

NAMES = ["second", "toy", "another"]  # not sorted


@pytest.fixture
def study() -> Study:
    datasets = dict.fromkeys(NAMES, RAW["datasets"]["toy"])
    return from_dict({**RAW, "datasets": datasets, "training": {**RAW["training"], "learning_rate": 1e-5}})


def write(study: Study, folder: Path) -> Path:
    name, content = resolved.resolved(study.settings)
    (folder / name).write_text(content)
    return folder / name


def test_it_reads_as_it_was_written_in_its_order(study: Study, tmp_path: Path) -> None:
    found = load(write(study, tmp_path))
    assert found.settings == study.settings
    assert list(found.settings.datasets) == NAMES


def test_an_edited_or_renamed_file_is_refused(study: Study, tmp_path: Path) -> None:
    """A learning rate changed inside trained another study."""
    path = write(study, tmp_path)
    good = path.read_text()
    content = json.loads(good)
    edited = {**content["settings"], "seeds": [1, 2, 4]}
    for text in (
        good.replace("1e-05", "1e-04"),
        json.dumps({**content, "settings": edited}),
        json.dumps({**content, "settings": edited, "checksum": resolved._checksum(edited)}),
        json.dumps(content["settings"]),
        json.dumps({key: value for key, value in content.items() if key != "checksum"}),
        good[:-20],
        "[]",
        "",
    ):
        path.write_text(text)
        with pytest.raises(StudyError, match=rf"{path.name}: .*; delete it and run snakemake"):
            load(path)
    path.unlink()
    (tmp_path / "0123456789ab.json").write_text(good)
    with pytest.raises(StudyError, match="edited or renamed"):
        load(tmp_path / "0123456789ab.json")
