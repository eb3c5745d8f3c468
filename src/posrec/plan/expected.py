"""Check the counts that a study declares (`expect`) against those of its prepared data.

`expect` does not change the data, so it is not in any id. It is checked when data are prepared, and again whenever the
workflow is read, for data that already exist.
"""

from collections.abc import Mapping

from posrec.errors import DataError
from posrec.files import read_checked_json
from posrec.plan import ids
from posrec.study.settings.dataset import ExpectedCounts
from posrec.study.study import Study


def check_counts(name: str, found: Mapping[str, int], expect: ExpectedCounts | None) -> None:
    """Raise DataError where the counts of the data set `name` differ from those that the study expects."""
    wanted: Mapping[str, int] = expect.model_dump() if expect else {}
    differing = [
        f"{key}: expected {number:,}, found {found[key]:,}" for key, number in wanted.items() if found[key] != number
    ]
    if differing:
        raise DataError(
            f"datasets.{name}.expect: {'; '.join(differing)}: the raw data or the settings (k_core) are "
            "not those of these counts; correct the wrong one"
        )


def check_prepared(study: Study) -> None:
    """Raise DataError where the counts of data already prepared differ from those that the study expects now."""
    for name, dataset in study.settings.datasets.items():
        found = _recorded(study, name)
        if found is not None:
            check_counts(name, found, dataset.expect)


def _recorded(study: Study, name: str) -> dict[str, int] | None:
    """The counts in the manifest; None where it cannot be read, which is an error elsewhere."""
    try:
        files = ids.dataset_files(study, name)
        counts: dict[str, int] = read_checked_json(files.manifest, dataset_id=files.folder.name)["counts"]
    except (DataError, KeyError, TypeError):
        return None
    return counts
