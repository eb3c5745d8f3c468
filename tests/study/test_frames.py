"""Studies of data frames of pandas and polars, and of tables that export Arrow as pyarrow's do."""

import datetime
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import posrec
from posrec import cli
from posrec.errors import StudyError
from posrec.files import read_json
from posrec.plan import ids

DAY = datetime.timedelta(days=1)
START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


class Arrow:
    """What posrec uses of a table of pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.columns = frame.columns
        self._frame = frame

    def __getitem__(self, key: str) -> Any:
        return self._frame[key]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def orders() -> pl.DataFrame:
    rows = [
        (float(user), f"p{(user + step) % 6}", START + DAY * (7 * user + step))
        for user in range(8)
        for step in range(5)
    ]
    return pl.DataFrame(rows, schema=["customer", "sku", "at"], orient="row")


def products() -> pl.DataFrame:
    rows = [(f"p{n}", ["red", "blue"][n % 2], None if n == 3 else n + 0.5) for n in range(6)]
    return pl.DataFrame(rows, schema=["sku", "colour", "price"], orient="row")


def pandas(frame: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: frame[name].to_list() for name in frame.columns})


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)


@pytest.mark.parametrize("kind", [lambda frame: frame, pandas, Arrow], ids=["polars", "pandas", "arrow"])
def test_a_study_of_frames(kind: Any) -> None:
    made = posrec.study(
        kind(orders()),
        user="customer",
        item="sku",
        time="at",
        items=kind(products()),
        name="shop",
        dataset={"k_core": 1},
        seeds=[1, 2, 3],
    )
    assert made.path == Path("studies/shop.yaml")
    loaded = made.load()
    table = loaded.settings.datasets["shop"].table
    assert table is not None
    assert table.items is not None
    assert (table.items.attributes, table.items.binned) == (["colour"], ["price"])
    for verb in ("prepare", "describe"):
        assert cli.main([verb, "studies/shop.yaml", "--dataset", "shop"]) == 0
    card = read_json(ids.dataset_files(loaded, "shop").card)
    assert (card["users"], card["items"], card["interactions"]) == (8, 6, 40)
    assert (card["first_day"], card["last_day"], card["attributes"]) == ("2024-01-01", "2024-02-23", 7)


def test_equal_data_are_the_same_data_set_and_a_study_is_not_replaced_in_silence() -> None:
    keys: dict[str, Any] = {"user": "customer", "item": "sku", "time": None, "name": "shop"}
    first = posrec.study(orders(), **keys).load()
    with pytest.raises(StudyError, match=r"studies/shop.yaml: exists"):
        posrec.study(orders(), **keys)
    again = posrec.study(orders(), overwrite=True, **keys).load()
    assert [ids.dataset_id("shop", one.settings.datasets["shop"]) for one in (first, again)] == [
        ids.dataset_id("shop", first.settings.datasets["shop"])
    ] * 2
    assert first.settings.datasets["shop"].table.time is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"user": "who"}, "df: has no column who; its columns are: customer, sku, at"),
        ({"items": pl.DataFrame({"x": [1]})}, "items: has no column sku; its columns are: x"),
        ({"df": [1, 2]}, "df: is a list, not a data frame of pandas or polars or a table of pyarrow"),
        ({"table": {"wher": "x"}}, "datasets.mine.table.wher: unknown key; did you mean 'where'?"),
        ({"encodings": ["rop"]}, "did you mean 'rope'"),
    ],
)
def test_what_is_wrong_is_named_and_leaves_no_study(change: dict[str, Any], said: str) -> None:
    keys: dict[str, Any] = {"df": orders(), "user": "customer", "item": "sku", "time": "at"}
    with pytest.raises(StudyError) as caught:
        posrec.study(**{**keys, **change})
    assert said in str(caught.value)
    assert not Path("studies/mine.yaml").exists()


def test_run_needs_a_checkout() -> None:
    made = posrec.study(orders(), user="customer", item="sku")
    with pytest.raises(StudyError, match=r"studies/mine.yaml: run this in the root of a checkout"):
        made.run()


def test_the_function_and_the_package_of_one_name() -> None:
    """`import posrec` alone loads neither torch nor pandas nor polars."""
    code = "import sys, posrec; print(callable(posrec.study), sorted({'torch', 'pandas', 'polars'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True []\n"
