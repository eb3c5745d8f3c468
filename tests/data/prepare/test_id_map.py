"""The original ids beside prepared data: whole, in the order of the numbers, refused when changed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posrec.data.prepare import prepare
from posrec.data.prepare.id_map import IdMap
from posrec.data.prepare.prepared import Prepared
from posrec.errors import DataError, ForeignError
from posrec.plan import ids
from posrec.study.study import Study

PLACE = Path("data/toy/46868aa30501/ids.npz")
TABLE = "user_id,item_id,timestamp\n" + "".join(
    f"{user},{item},{1_700_000_000 + 86_400 * day}\n"
    for user in ("Zoë", "10", "9", "2")
    for day, item in enumerate(("b", "ä", "日本", "c d"))
)


def test_ids_of_every_script_come_back(tmp_path: Path) -> None:
    path = tmp_path / PLACE
    IdMap(["Zoë", "", "10"], ["日本", "a,b"]).save(path)
    assert IdMap.load(path) == IdMap(["Zoë", "", "10"], ["日本", "a,b"])


def test_a_changed_map_and_that_of_another_data_set_are_refused(tmp_path: Path) -> None:
    path = tmp_path / PLACE
    IdMap(["a"], ["b"]).save(path)
    other = tmp_path / "data/toy/000000000000/ids.npz"
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    with pytest.raises(ForeignError, match="dataset_id"):
        IdMap.load(other)
    path.write_bytes(path.read_bytes().replace(b"users", b"usurs"))
    with pytest.raises(DataError, match="ids"):
        IdMap.load(path)


def test_prepared_numbers_lead_back_to_the_table(workplace: Path, make_study: Callable[..., Study]) -> None:
    Path("mine.csv").write_text(TABLE, encoding="utf-8")
    study = make_study(table={"path": "mine.csv"}, k_core=1)
    prepare.prepare_dataset(study, "toy")
    files = ids.dataset_files(study, "toy")
    data, named = Prepared.load(files.arrays, files.manifest), IdMap.load(files.id_map)
    users = np.repeat(np.array(named.users), np.diff(data.offsets))
    items = np.array(named.items)[data.items - 1]
    rows = sorted(f"{u},{i},{t}" for u, i, t in zip(users, items, data.times, strict=True))
    assert rows == sorted(TABLE.splitlines()[1:])


def test_data_prepared_before_ids_were_kept_get_them_with_the_same_bytes(
    workplace: Path, make_study: Callable[..., Study]
) -> None:
    Path("mine.csv").write_text(TABLE, encoding="utf-8")
    study = make_study(table={"path": "mine.csv"}, k_core=1)
    prepare.prepare_dataset(study, "toy")
    files = ids.dataset_files(study, "toy")
    before = files.arrays.read_bytes()
    for path in (files.id_map, ids.store() / "data" / files.folder.name / "ids.npz"):
        path.unlink()
    with pytest.raises(DataError, match="posrec prepare STUDY --dataset toy"):
        IdMap.load(files.id_map)
    prepare.prepare_dataset(study, "toy")
    assert files.arrays.read_bytes() == before
    assert len(IdMap.load(files.id_map).users) == 4
