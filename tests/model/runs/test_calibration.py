"""The measured speed of this machine: fitted to what short trainings took, and kept."""

from pathlib import Path

import pytest

from posrec.files import write_checked_json
from posrec.model.runs import calibration
from posrec.plan import ids, work

TINY = ((120, 40, 5, 8, 1, 8, 16, "carca"), (120, 60, 5, 16, 2, 8, 32, "dot"), (60, 400, 4, 16, 1, 8, 32, "carca"))


def test_the_speed_is_measured_once_and_says_what_the_trainings_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSREC_STORE", str(tmp_path))
    monkeypatch.setattr(calibration, "SHAPES", TINY)
    monkeypatch.setattr(calibration, "REQUESTS", 50)
    speed = calibration.speed()
    assert speed.keys() == work.SPEED.keys()
    assert all(value >= 0 for value in speed.values())
    for shape in TINY:
        for load, _ in calibration._times(shape):
            assert load.seconds(speed) > 0
    monkeypatch.setattr(calibration, "measure", lambda: pytest.fail("measured again"))
    assert calibration.speed() == speed


def test_a_record_of_another_kind_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSREC_STORE", str(tmp_path))
    monkeypatch.setattr(calibration, "measure", lambda: dict.fromkeys(work.SPEED, 2.0))
    calibration.speed()
    (path,) = (ids.store() / "calibration").iterdir()
    write_checked_json(path, {"runs": 1.0})  # as an older version wrote it
    assert calibration.speed() == dict.fromkeys(work.SPEED, 2.0)
