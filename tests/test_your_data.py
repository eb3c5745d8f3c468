"""Every export of docs/guide/your-data.md goes through with the block that is printed there, and with `posrec look`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from posrec import cli
from posrec.files import read_json, write_text
from posrec.plan import ids
from posrec.study import study

from . import exports

PAGE = (Path(__file__).parents[1] / "docs/guide/your-data.md").read_text(encoding="utf-8")
ITEMS = {"MovieLens": "movies.csv", "A semicolon CSV with decimal commas": "artikel.csv", "RecBole": "shop.item"}
EVENTS = "An event log with views and purchases"
REST = {"encodings": ["none"], "seeds": [1], "report": {"stability": False}}
# Reviews that the block leaves; users and items are all there.
EXPECTED = {
    "MovieLens": lambda user, item, number: item % 5 >= 2.5,
    "A semicolon CSV with decimal commas": lambda user, item, number: 3 + item + (item % 10) / 10 + 0.09 >= 4.5,
    "Invoices": lambda user, item, number: (number + 536_365) % 9 and (number + 536_365) % 20,
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    Path("data").mkdir()
    return Path("data")


def block(title: str) -> str:
    return PAGE.partition(f"### {title}\n```yaml\n")[2].partition("```")[0]


def counts(path: str) -> dict[str, Any]:
    loaded = study.load(path)
    (name,) = loaded.settings.datasets
    for verb in ("prepare", "describe"):
        assert cli.main([verb, path, "--dataset", name]) == 0
    return read_json(ids.dataset_files(loaded, name).card)


@pytest.mark.parametrize("title", exports.EXPORTS)
def test_the_block_of_the_page_reads_the_export(title: str, data: Path) -> None:
    exports.EXPORTS[title](data)
    text = block(title)
    assert 1 < len(text.splitlines()) <= 12
    content = yaml.safe_load(text)
    for dataset in content.values():
        dataset["k_core"] = 1
    write_text("study.yaml", yaml.safe_dump({"study": "mine", "datasets": content, **REST}))
    card = counts("study.yaml")
    kept = EXPECTED.get(title, lambda user, item, number: True)
    rows = [(user, item) for number, (user, item, _) in enumerate(exports.buys()) if kept(user, item, number)]
    assert card["interactions"] == card["reviews"] == len(rows)
    assert card["users"] == len({user for user, _ in rows})
    assert card["items"] == len({item for _, item in rows})
    assert (card["attributes"] > 0) is (title in ITEMS)
    if title != "Sequences":
        assert card["first_day"] == "2023-11-20"


def test_a_pattern_reads_what_the_folder_does(data: Path) -> None:
    exports.parts(data)
    content = yaml.safe_load(block("A folder of Parquet parts"))
    content["orders"]["table"]["path"] = "data/*/part-*.parquet"
    write_text("study.yaml", yaml.safe_dump({"study": "mine", "datasets": content, **REST}))
    assert counts("study.yaml")["reviews"] == len(list(exports.buys()))


@pytest.mark.parametrize("title", exports.EXPORTS)
def test_look_writes_a_study_that_reads_the_export(title: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exports.EXPORTS[title](data)
    items = ITEMS.get(title, "")
    paths = [path for path in data.iterdir() if path.name != items]
    (path,) = paths
    more = ["--items", f"data/{items}"] if items else []
    assert cli.main(["look", str(path), *more, "--write", "study.yaml", "--name", "mine"]) == 0
    said = capsys.readouterr()
    assert "does not read it yet" not in said.out
    assert ("event has view" in said.out) is (title == EVENTS)
    card = counts("study.yaml")
    rows = len(list(exports.buys()))
    known = {"Invoices": sum((number + 536_365) % 9 > 0 for number in range(rows)), EVENTS: 3 * rows}
    assert card["reviews"] == known.get(title, rows)
    assert (card["attributes"] > 0) is bool(items)
    assert cli.main(["look", str(path), "--write", "study.yaml"]) == 2  # it exists
    assert "study.yaml: exists" in capsys.readouterr().err


def test_look_at_a_table_of_items_and_at_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exports.movielens(data)
    assert cli.main(["look", "data/movies.csv"]) == 0
    assert "items:\n  path: data/movies.csv\n  item: movieId\n  attributes: [genres]\n" in capsys.readouterr().out
    (data / "empty.csv").write_text("a,b\n")
    (data / "letters.csv").write_text("a,b\nx,y\nz,y\n")
    for path, said in (
        ("data/gone.csv", "data/gone.csv: missing"),
        ("data/empty.csv", "no rows were found in it"),
        ("data/letters.csv", "no column looks like the user or the item; its columns are: a, b; write table: {path: "),
    ):
        assert cli.main(["look", path]) == 2
        assert said in capsys.readouterr().err
