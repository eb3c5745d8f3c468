"""The studies, commands and encodings in the guides work as printed there."""

import datetime
import random
from pathlib import Path

import pytest
import torch
import yaml

from posrec import cli
from posrec.data.raw import formats
from posrec.files import read_json
from posrec.model import encodings
from posrec.plan import ids
from posrec.study import sources, study

DOCS = Path(__file__).parents[1] / "docs"
DATA = (DOCS / "guide/data.md").read_text(encoding="utf-8")
STUDIES = (DOCS / "guide/studies.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str, kind: str) -> list[str]:
    return [part.partition("```")[0] for part in text.split(f"```{kind}\n")[1:]]


def purchases(header: str, users: int = 30, items: int = 12) -> str:
    """A table with the guide's header: every user buys six things on different days."""
    choice = random.Random(1)
    lines = [header]
    for user in range(users):
        for number, item in enumerate(choice.sample(range(items), 6)):
            day = datetime.date(2024, 1, 1) + datetime.timedelta(days=choice.randrange(300) + number)
            values = {
                "order": len(lines),
                "customer": f"c{user}",
                "product": f"p{item}",
                "bought_at": f"{day}T08:30:00Z",
            }
            lines.append("\t".join(str(values[column]) for column in header.split("\t")))
    return "\n".join(lines) + "\n"


def test_a_table_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    (text,) = blocks(section(DATA, "Use your own table"), "yaml")
    assert len(text.splitlines()) == 10
    example = next(block for block in blocks(section(DATA, "Use your own table"), "") if block.startswith("order\t"))
    header, row = example.splitlines()
    Path("data").mkdir()
    Path("shop.yaml").write_text(text)
    Path("data/purchases.tsv").write_text(f"{header}\n{row}\n")
    source = ids.source_of("shop", study.load("shop.yaml").settings.datasets["shop"])
    assert formats.read_reviews(Path(), source).values.tolist() == [["anna", "tea", 1_717_178_400]]
    Path("data/purchases.tsv").write_text(purchases(header))
    for verb in ("prepare", "describe", "candidates", "baselines"):
        assert cli.main([verb, "--study", "shop.yaml", "--dataset", "shop"]) == 0
    assert cli.main(["train", "--study", "shop.yaml", "--encoding", "rope", "--seed", "1"]) == 0
    loaded = study.load("shop.yaml")
    card = read_json(ids.dataset_files(loaded, "shop").card)
    assert (card["users"], card["items"], card["interactions"]) == (30, 12, 180)
    (run,) = Path("results/studies/shop/runs").rglob("seed=1.json")
    assert read_json(run)["status"] == "finished"


def test_every_fetch_of_the_guide_is_known() -> None:
    lines = [line.split("#")[0].split() for line in section(DATA, "Get the reviews").splitlines()]
    names = [word for line in lines if line[:2] == ["posrec", "fetch"] for word in line[2:] if word[0] != "-"]
    assert {"movielens-100k", "amazon2014-beauty"} <= set(names)
    assert {name for name in names if not name.endswith(".yaml")} <= set(sources.sources())


def test_the_study_of_the_guide_is_valid() -> None:
    (text,) = blocks(section(STUDIES, "Write a study"), "yaml")
    cells = study.from_dict(yaml.safe_load(text)).cells
    assert {(cell.model.blocks, cell.encoding) for cell in cells} == {
        (1, "none"),
        (1, "learnt"),
        (1, "rope"),
        (2, "rope"),
    }


@pytest.mark.parametrize(("page", "moved"), [("start.md", [0.0, 0.6]), ("reference/encodings.md", [3.0, 3.0])])
def test_the_encodings_of_the_pages_work(
    page: str, moved: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = blocks((DOCS / page).read_text(encoding="utf-8"), "python")
    (tmp_path / "shift.py").write_text(text)
    monkeypatch.setenv("POSREC_ENCODINGS", str(tmp_path))
    shape = encodings.Shape(dimension=4, heads=2, blocks=1, max_length=5)
    shift = encodings.build_encoding("shift-by=3", shape, torch.Generator())
    encoded = shift.encode(torch.zeros(2, 4), torch.tensor([0, 2]))
    assert encoded[:, 0].tolist() == pytest.approx(moved)
