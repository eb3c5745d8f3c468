"""The counts that a study declares (`expect`) against those of its prepared data.

`expect` is in no id, since it changes no byte of the data: so it is compared when data are prepared, and again whenever
the workflow is read, also where the data have long been there.
"""

from collections.abc import Mapping

from posrec.errors import DataError
from posrec.files import read_json
from posrec.plan import ids
from posrec.study.settings import ExpectedCounts
from posrec.study.study import Study


def check_counts(name: str, found: Mapping[str, int], expect: ExpectedCounts | None) -> None:
    """Raise DataError where the counts of the data set `name` are not those that the study expects."""
    wanted: Mapping[str, int] = expect.model_dump() if expect else {}
    differing = [
        f"{key}: expected {number:,}, found {found[key]:,}" for key, number in wanted.items() if found[key] != number
    ]
    if differing:
        raise DataError(
            f"datasets.{name}.expect: {'; '.join(differing)}: other raw data or other settings (k_core) than "
            "the counts were written for; correct whichever is wrong"
        )


def check_prepared(study: Study) -> None:
    """Raise DataError where data that are already prepared have other counts than the study expects now."""
    for name, dataset in study.settings.datasets.items():
        found = _recorded(study, name)
        if found is not None:
            check_counts(name, found, dataset.expect)


def _recorded(study: Study, name: str) -> dict[str, int] | None:
    """The counts in the manifest; None where there is none that can be read, which its readers say."""
    try:
        counts: dict[str, int] = read_json(ids.dataset_files(study, name).manifest)["counts"]
    except (DataError, KeyError, TypeError):
        return None
    return counts
