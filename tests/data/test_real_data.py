"""The real files give the published counts; needs a mirror."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posrec.data.prepare import candidates, prepare
from posrec.data.prepare import card as statistics
from posrec.data.prepare.prepared import Candidates
from posrec.data.raw import sources
from posrec.files import read_json
from posrec.plan import ids
from posrec.study.study import Study

KNOWN = {
    "amazon2014-beauty-5core": ((22_363, 12_101, 198_502), 0.44, 637),
    "amazon2014-sports-5core": ((35_598, 18_357, 296_337), 0.48, 2_277),
    "amazon2014-hin": ((6_170, 2_746, 195_773), 0.27, None),
    "amazon2018-gift-cards-5core": ((454, 147, 2_949), None, None),  # 456, 147, 2,960 with its 3 duplicates
    "carca-games": ((31_013, 23_715, 287_107), 0.0, 0),
    "movielens-100k": ((943, 1_682, 100_000), None, 73 + 19),
}
K_CORE = {"carca-games": 1, "movielens-100k": 1}  # as published, unfiltered
TESTED = {"carca-games": 30_901}  # users with three or more; the others: all


@pytest.mark.parametrize("source", KNOWN)
def test_known_counts(
    source: str, mirror: Path, workplace: Path, make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSREC_MIRROR", str(mirror))
    counts, tied, attributes = KNOWN[source]
    expect = dict(zip(("users", "items", "interactions"), counts, strict=True))
    study = make_study(source=source, expect=expect, k_core=K_CORE.get(source, 5))
    files = ids.dataset_files(study, "toy")
    sources.fetch(source, ids.RAW / source)
    prepare.prepare_dataset(study, "toy")
    statistics.describe_dataset(study, "toy")
    card = read_json(files.card)
    if tied is not None:
        assert card["tied_pairs_share"] == pytest.approx(tied, abs=0.005)
    if attributes is not None:
        assert card["attributes"] == attributes
    candidates.draw_candidates(study, "toy")
    assert Candidates.load(files.candidates).test.shape == (TESTED.get(source, counts[0]), 100)
