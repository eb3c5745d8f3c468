"""Real raw reviews through the same rules."""

import json
import os

import pytest

from .project import TINY, Project

pytestmark = pytest.mark.workflow
GIFT_CARDS = {
    "study": "gift_cards",
    "datasets": {
        "gift_cards": {
            "source": "amazon2018-gift-cards-5core",
            "expect": {"users": 456, "items": 147, "interactions": 2960},
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
    assert json.loads(card.read_text())["interactions"] == 2960
    assert len(list(folder.rglob("runs/**/seed=*.json"))) == len(TINY["seeds"])
    del fresh.environment["POSREC_MIRROR"]
    done = fresh.snakemake("trained", "--configfile", "studies/gift_cards.yaml")
    assert "Nothing to be done" in done


def test_without_a_mirror_the_error_says_what_to_set(fresh: Project) -> None:
    fresh.environment["POSREC_MIRROR"] = ""
    fresh.study("studies/gift_cards.yaml", **GIFT_CARDS)
    done = fresh.run("snakemake", "--cores", "1", "data", "--configfile", "studies/gift_cards.yaml", check=False)
    assert done.returncode != 0
    assert "POSREC_MIRROR" in done.stdout
