"""`expect`: the counts that a study declares are compared, also where the data have long been there."""

from pathlib import Path

import pytest

from posrec.errors import DataError
from posrec.files import write_checked_json, write_json
from posrec.plan import expected, ids
from posrec.study.settings.dataset import ExpectedCounts
from tests.model.toy import RAW, make_study

FOUND = {"users": 12, "items": 7, "interactions": 1400}


def test_equal_counts_and_no_expectation_say_nothing() -> None:
    expected.check_counts("toy", FOUND, None)
    expected.check_counts("toy", FOUND, ExpectedCounts(**FOUND))


def test_every_difference_is_named() -> None:
    with pytest.raises(DataError) as caught:
        expected.check_counts("toy", FOUND, ExpectedCounts(users=12, items=8, interactions=1500))
    assert str(caught.value).startswith(
        "datasets.toy.expect: items: expected 8, found 7; interactions: expected 1,500, found 1,400: "
    )


@pytest.mark.parametrize("content", [None, {}, {"counts": None}, []])
def test_data_that_are_not_there_are_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = make_study(datasets={"toy": {**RAW["datasets"]["toy"], "expect": FOUND}})
    if content is not None:
        write_json(ids.dataset_files(loaded, "toy").manifest, content)
    expected.check_prepared(loaded)


def test_an_expectation_that_is_added_later_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = make_study(datasets={"toy": {**RAW["datasets"]["toy"], "expect": FOUND}})
    files = ids.dataset_files(loaded, "toy")
    write_checked_json(files.manifest, {"dataset_id": files.folder.name, "counts": {**FOUND, "users": 13}})
    with pytest.raises(DataError, match=r"datasets\.toy\.expect: users: expected 12, found 13"):
        expected.check_prepared(loaded)
