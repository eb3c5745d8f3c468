"""Real raw reviews through the same rules."""

import json
import os

import pytest

from .project import TINY, Project

pytestmark = pytest.mark.workflow
START = 1_500_000_000
GIFT_CARDS = {
    "study": "gift_cards",
    "datasets": {
        "gift_cards": {
            "source": "amazon2018-gift-cards-5core",
            "expect": {"users": 454, "items": 147, "interactions": 2949},
        }
    },
    "encodings": ["none"],
    "deviation_seeds": [],
}


@pytest.fixture
def mirror() -> str:
    """The mirror's path, from the environment of the tests."""
    path = os.environ.get("POSREC_MIRROR")
    if not path:
        pytest.skip("POSREC_MIRROR is not set: no raw reviews to read")
    return os.path.abspath(path)


def test_gift_cards_go_from_raw_json_to_runs(fresh: Project, mirror: str) -> None:
    fresh.environment["POSREC_MIRROR"] = mirror
    fresh.study("studies/gift_cards.yaml", **GIFT_CARDS)
    fresh.snakemake("trained", "--configfile", "studies/gift_cards.yaml")
    folder = fresh.folder / "results/studies/gift_cards"
    (card,) = folder.rglob("card.json")
    assert json.loads(card.read_text())["interactions"] == 2949
    assert len(list(folder.rglob("runs/**/seed=*.json"))) == len(TINY["seeds"])
    del fresh.environment["POSREC_MIRROR"]
    done = fresh.snakemake("trained", "--configfile", "studies/gift_cards.yaml")
    assert "Nothing to be done" in done


def test_a_table_of_ones_own(fresh: Project) -> None:
    """No rule makes it; a changed table is a new data set, an unchanged one with a new date is not."""
    rows = [f"c{user}\tp{item}\t{START + user * 50 + item}" for user in range(9) for item in range(user % 3, 8)]
    path = fresh.folder / "my data/buys.tsv"
    path.parent.mkdir()
    path.write_text("\n".join(["who\twhat\twhen", *rows, ""]))
    table = {"path": "my data/buys.tsv", "user": "who", "item": "what", "time": "when"}
    fresh.study("studies/mine.yaml", study="mine", datasets={"mine": {"table": table, "k_core": 2}})
    target = ("data", "--configfile", "studies/mine.yaml")
    assert "prepare_dataset" in fresh.snakemake(*target)
    fresh.touch("my data", 1.0)
    assert "Nothing to be done" in fresh.snakemake(*target)
    fresh.edit("my data/buys.tsv", f"c0\tp0\t{START}", f"c0\tp1\t{START}")
    assert "prepare_dataset" in fresh.snakemake(*target)
    cards = [json.loads(card.read_text()) for card in (fresh.folder / "results/studies/mine").rglob("card.json")]
    assert [card["interactions"] for card in cards] == [len(rows)] * 2


def test_without_a_mirror_the_error_says_what_to_set(fresh: Project) -> None:
    fresh.environment["POSREC_MIRROR"] = ""
    fresh.study("studies/gift_cards.yaml", **GIFT_CARDS)
    done = fresh.run("snakemake", "--cores", "1", "data", "--configfile", "studies/gift_cards.yaml", check=False)
    assert done.returncode != 0
    assert "POSREC_MIRROR" in done.stdout
