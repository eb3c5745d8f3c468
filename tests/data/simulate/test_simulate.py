"""The simulator: same bytes, the raw format, and the truth that it claims."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from posrec.data.raw import formats
from posrec.data.simulate.simulate import DAY, draw_simulation, simulate
from posrec.data.simulate.walks import RULES, SUCCESSOR_WEIGHTS, Walks, season_of, source_lags
from posrec.data.simulate.world import FIRST_DAY, SEASON, TREND, Pool, World
from posrec.files import read_json
from posrec.plan import ids
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.settings.simulation import SimulationSettings

SETTINGS = SimulationSettings(users=1500, items=400, mean_length=10, seed=3)
SOURCE = {"format": "amazon2018", "files": {"reviews.json.gz": None, "meta.json.gz": None}}


@pytest.fixture(scope="module")
def drawn() -> tuple[World, Walks]:
    return draw_simulation(SETTINGS)[:2]


def lag_shares(world: World, walks: Walks, rule: str) -> list[list[float]]:
    """Share of the reviews of a rule, with two items before, that are each successor of each lag; (2, 3)."""
    users, steps = np.nonzero(walks.rules == RULES.index(rule))
    users, steps = users[steps >= 2], steps[steps >= 2]
    item = walks.items[users, steps]
    before = [walks.items[users, steps - 1 - lag] for lag in (0, 1)]
    return [[float((world.successors[lag, before[lag], j] == item).mean()) for j in range(3)] for lag in (0, 1)]


def test_same_settings_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        simulate(SETTINGS, tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["meta.json.gz", "reviews.json.gz", "simulation.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    simulate(SETTINGS.model_copy(update={"seed": 4}), tmp_path / "c")
    assert (tmp_path / "a/reviews.json.gz").read_bytes() != (tmp_path / "c/reviews.json.gz").read_bytes()


def test_files_hold_the_walks(tmp_path: Path, drawn: tuple[World, Walks]) -> None:
    world, walks = drawn
    simulate(SETTINGS, tmp_path)
    reviews = formats.read_reviews(tmp_path, SOURCE)
    users, steps = np.nonzero(walks.items >= 0)
    expected = {
        (f"U{u:07d}", f"S{walks.items[u, s]:09d}", int(walks.days[u, s]) * DAY)
        for u, s in zip(users, steps, strict=True)
    }
    assert set(reviews.itertuples(index=False, name=None)) == expected
    assert len(reviews) == walks.lengths.sum() == read_json(tmp_path / "simulation.json")["reviews"]
    assert (reviews["item"].ne(reviews["item"].shift()).sum()) == reviews["item"].nunique()  # grouped by item
    meta = [json.loads(line) for line in gzip.decompress((tmp_path / "meta.json.gz").read_bytes()).splitlines()]
    assert [line["category"] for line in meta] == [[f"Category {number}"] for number in world.category]
    attributes = formats.read_attributes(tmp_path, SOURCE, set(reviews["item"]))
    kinds = {name.split("=")[0].split()[0] for names in attributes.values() for name in names}
    assert kinds == {"Category", "brand", "price"}


def test_lengths_days_and_popularity(drawn: tuple[World, Walks]) -> None:
    world, walks = drawn
    assert walks.lengths.min() == 3
    assert walks.lengths.mean() == pytest.approx(10, abs=5 * 7.5 / 1500**0.5)
    real = walks.items >= 0
    assert (real.sum(axis=1) == walks.lengths).all()
    assert (walks.days[:, 0] >= FIRST_DAY).all()
    assert (walks.days[:, 0] < FIRST_DAY + 4 * 366).all()
    gaps = np.diff(walks.days, axis=1)[real[:, 1:]]
    assert gaps.min() == 0
    assert (gaps == 0).mean() == pytest.approx(0.3, abs=0.02)
    counts = np.bincount(walks.items[walks.rules == RULES.index("popularity")], minlength=world.n_items)
    assert np.corrcoef(counts, world.popularity)[0, 1] > 0.9
    ratio = world.popularity.max() / world.popularity.min()
    assert ratio == pytest.approx(400**0.8)


def test_no_item_twice(drawn: tuple[World, Walks]) -> None:
    for row, length in zip(drawn[1].items, drawn[1].lengths, strict=True):
        assert len(set(row[:length].tolist())) == length


def test_order_follows_the_lags(drawn: tuple[World, Walks]) -> None:
    """Successors carry their lag's weight, and the two lags' successors differ: the place of an item matters."""
    world, walks = drawn
    shares = lag_shares(world, walks, "order")
    np.testing.assert_allclose(shares, np.outer(SETTINGS.lag_weights, SUCCESSOR_WEIGHTS), atol=0.06)
    assert (world.successors[0] == world.successors[1]).mean() < 0.1
    assert np.sum(lag_shares(world, walks, "popularity")) < 0.1
    rules = walks.rules[:, 1:][walks.items[:, 1:] >= 0]
    assert (rules == RULES.index("order")).mean() == pytest.approx(0.6, abs=0.02)


def test_successors_stay_in_the_category_and_are_others(drawn: tuple[World, Walks]) -> None:
    world = drawn[0]
    for lag in (0, 1):
        assert (world.category[world.successors[lag]] == world.category[:, None]).all()
        assert (world.successors[lag] != np.arange(world.n_items)[:, None]).all()
        assert all(len(set(row)) == 3 for row in world.successors[lag].tolist())
        assert (np.bincount(world.successors[lag, :, 0]) == 1).all()  # a cycle: everyone is the next of one


def test_without_order_there_are_no_successors() -> None:
    settings = SETTINGS.model_copy(update={"order": 0.0, "category_loyalty": 1.0, "users": 300})
    world, walks, _ = draw_simulation(settings)
    assert not (walks.rules == RULES.index("order")).any()
    loyal = [len(set(world.category[row[row >= 0]].tolist())) <= 2 for row in walks.items]
    assert np.mean(loyal) > 0.95  # but for users who have met all of a category


@pytest.mark.parametrize("change", [{"users": 40, "items": 10, "mean_length": 30}, {"categories": 50, "items": 12}])
def test_small_catalogues(change: dict[str, int]) -> None:
    """Users who outlive the catalogue repeat, but not at once, and only when they have met everything."""
    world, walks, _ = draw_simulation(SETTINGS.model_copy(update={"users": 100, **change}))
    assert world.n_categories == min(change.get("categories", 12), world.n_items)
    for row, length in zip(walks.items, walks.lengths, strict=True):
        first = row[: min(length, world.n_items)].tolist()
        assert len(set(first)) == len(first)
        assert (np.diff(row[:length]) != 0).all()


def test_order_reaches_as_far_back_as_the_weights_say() -> None:
    settings = SETTINGS.model_copy(update={"lag_weights": [0.0, 0.0, 1.0], "order": 1.0, "users": 300})
    world, walks, _ = draw_simulation(settings)
    users, steps = np.nonzero(walks.rules == RULES.index("order"))
    assert steps.min() == 3  # the fourth review is the first with an item three before
    item, before = walks.items[users, steps], walks.items[users, steps - 3]
    assert (world.successors[2, before] == item[:, None]).any(axis=1).all()


def test_seasons_bring_their_items() -> None:
    changes = {"order": 0.0, "season": 1.0, "seasons": 3, "users": 300, "mean_length": 5}
    world, walks, _ = draw_simulation(SETTINGS.model_copy(update=changes))
    season = {item: number for number, items in enumerate(in_groups(world.pools[SEASON])) for item in items}
    assert season_of(np.array([0, 119, 120, 364]), 3).tolist() == [0, 0, 1, 2]  # April ends with day 119
    real = walks.items >= 0
    expected = season_of(walks.days[real], 3)
    assert (np.array([season[item] for item in walks.items[real]]) == expected).all()


def test_a_trend_brings_what_came_out_lately() -> None:
    changes = {"order": 0.0, "trend": 1.0, "trend_days": 60, "users": 300, "mean_length": 5, "popularity": 0.0}
    world, walks, _ = draw_simulation(SETTINGS.model_copy(update=changes))
    release = dict(zip(world.pools[TREND].items.tolist(), world.release.tolist(), strict=True))
    real = (walks.items >= 0) & (walks.days < FIRST_DAY + 4 * 365)
    age = walks.days[real] - np.array([release[item] for item in walks.items[real].tolist()])
    assert age.min() >= 0
    assert (age < 60).mean() > 0.99  # but for days on which all that is new was met


def test_noise_is_drawn_evenly() -> None:
    changes = {"order": 0.0, "noise": 1.0, "popularity": 2.0, "mean_length": 5}
    world, walks, _ = draw_simulation(SETTINGS.model_copy(update=changes))
    counts = np.bincount(walks.items[walks.items >= 0], minlength=world.n_items)
    assert counts.max() < 3 * counts.mean()


def in_groups(pool: Pool) -> list[list[int]]:
    """The items of each group of a pool, by its bounds."""
    ends = np.searchsorted(pool.cumulated, pool.bounds[1:], side="left") + 1
    return [part.tolist() for part in np.split(pool.items, ends[:-1])]


def test_recency_stays_in_the_last_category_while_it_is_recent() -> None:
    changes = {"order": 0.0, "recency": 1.0, "recency_days": 7, "users": 300, "mean_length": 6, "categories": 4}
    world, walks, _ = draw_simulation(SETTINGS.model_copy(update=changes))
    users, steps = np.nonzero(walks.items[:, 1:] >= 0)
    before, after = (world.category[walks.items[users, steps + n]] for n in (0, 1))
    recent = walks.days[users, steps + 1] - walks.days[users, steps] <= 7
    assert (before == after)[recent].all()  # no category of a hundred items runs out
    assert (before == after)[~recent].mean() < 0.4  # a quarter by chance, and popular ones more often
    assert (walks.rules[walks.items >= 0] == RULES.index("recency")).all()


def test_a_simulation_without_recency_does_not_know_of_it(tmp_path: Path) -> None:
    """Neither the knob nor its note is in what ids are made of, or in the files, while it is off."""
    plain = SimulationSettings(users=20, items=12, mean_length=4, season=0.2)
    assert plain == SimulationSettings(users=20, items=12, mean_length=4, season=0.2, recency=0.0)
    dataset = DatasetSettings(simulate=plain)
    assert not [name for name in plain.model_dump() if "recency" in name]
    simulate(plain, tmp_path)
    assert "recency" not in (tmp_path / "simulation.json").read_text()
    with_it = DatasetSettings(simulate=plain.model_copy(update={"recency": 0.1}))
    assert ids.dataset_id("toy", with_it) != ids.dataset_id("toy", dataset)
    assert with_it.model_dump()["simulate"]["recency_days"] == 14


def test_sources_by_hand() -> None:
    """Days before the last item: 100, 40, 35, 20 and 0; nearest to 30 is 35, and three before the last is 40."""
    days = np.array([[0, 60, 65, 80, 100], [0, 80, 90, 95, 100]])
    gap, both = (SETTINGS.model_copy(update={"follows": kind, "gap_days": 30}) for kind in ("gap", "both"))
    assert source_lags(gap, days).tolist() == [[2], [3]]
    assert source_lags(both, days).tolist() == [[1], [3]]
    assert source_lags(SETTINGS, days).tolist() == [[0, 1], [0, 1]]
    for length, expected in ((1, 0), (2, 1), (3, 1)):
        assert source_lags(both, days[:1, :length]).tolist() == [[expected]]
    assert source_lags(gap, days[:1, :1]).tolist() == [[0]]
    assert source_lags(gap, np.array([[0, 0, 0]])).tolist() == [[1]]


@pytest.mark.parametrize("follows", ["gap", "both"])
def test_the_next_item_succeeds_the_one_at_the_gap(follows: str) -> None:
    settings = SETTINGS.model_copy(update={"order": 1.0, "users": 200, "follows": follows, "tied_days": 0.1})
    world, walks, _ = draw_simulation(settings)
    users, steps = np.nonzero(walks.rules == RULES.index("order"))
    assert len(users) > 1000
    for user, step in zip(users[:400], steps[:400], strict=True):
        lag = source_lags(settings, walks.days[[user], :step])[0, 0]
        assert walks.items[user, step] in world.successors[0, walks.items[user, step - 1 - lag]]


def test_a_simulation_without_gaps_does_not_know_of_them(tmp_path: Path) -> None:
    plain = SimulationSettings(users=20, items=12, mean_length=4)
    assert not {"follows", "gap_days"} & set(plain.model_dump())
    simulate(plain, tmp_path)
    assert "gap_days" not in (tmp_path / "simulation.json").read_text()
    other = plain.model_copy(update={"follows": "gap"})
    assert other.model_dump()["gap_days"] == 30
    assert ids.dataset_id("toy", DatasetSettings(simulate=other)) != ids.dataset_id(
        "toy", DatasetSettings(simulate=plain)
    )
