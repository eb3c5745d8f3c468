"""Guards of DATA_VERSION and EVALUATION_VERSION: fails when the data change and the number was not raised."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

from posrec import versions
from posrec.data.prepare.candidates import draw_candidates
from posrec.data.prepare.prepare import prepare_dataset
from posrec.data.prepare.prepared import Candidates, Prepared
from posrec.data.simulate.simulate import simulate
from posrec.plan import ids
from posrec.study.study import Study

# Change a hash only together with its version.
DATA = {2: ("ef43496cf0f87e16", "f6a515466c2a2e32")}
EVALUATION = {(2, 3): "c802991ccfdc1afc"}


def hash_of(*parts: bytes) -> str:
    return hashlib.sha256(b"/".join(parts)).hexdigest()[:16]


def test_data_of_this_version(workplace: Path, make_study: Callable[..., Study]) -> None:
    study = make_study({"negatives": 20}, simulate={"users": 80, "items": 40, "mean_length": 7, "seed": 2}, k_core=2)
    dataset = study.settings.datasets["toy"]
    assert dataset.simulate is not None
    folder = ids.raw_folder("toy", dataset)
    simulate(dataset.simulate, folder)
    prepare_dataset(study, "toy")
    draw_candidates(study, "toy")
    files = ids.dataset_files(study, "toy")
    arrays = vars(Prepared.load(files.arrays, files.manifest))
    candidates = Candidates.load(files.candidates)
    reviews = [gzip.decompress((folder / name).read_bytes()) for name in ("reviews.json.gz", "meta.json.gz")]
    prepared = [arrays[name].tobytes() for name in sorted(arrays) if name != "features"]  # no dense ones here
    assert (hash_of(*reviews), hash_of(*prepared)) == DATA[versions.DATA_VERSION]
    key = (versions.DATA_VERSION, versions.EVALUATION_VERSION)
    assert hash_of(candidates.test.tobytes(), candidates.validation.tobytes()) == EVALUATION[key]
