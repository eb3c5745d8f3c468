"""Simulated Amazon reviews with known truth, written in the raw format of 2018.

Every item belongs to a category and has three successors one step later, and three others two steps later: the next few
items of two random cycles through its category. So which item comes next depends on how far back each item is, not
only on which items were there.
"""

import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from posrec import versions
from posrec.data.raw.formats.images import FEATURES, RECORD
from posrec.data.raw.sources import MARKER
from posrec.data.simulate.truth import best_achievable
from posrec.data.simulate.walks import RULES, SUCCESSOR_WEIGHTS, Walks, draw_walks
from posrec.data.simulate.world import World, draw_world
from posrec.files import sha256, write_bytes, write_checked_json, write_stream
from posrec.plan.ids import simulated_files
from posrec.study.settings.simulation import SimulationSettings
from posrec.study.twins import BRANDS

DAY = 86_400
IMAGES = "image_features.b"
IMAGE_BLOCK = 1024  # items whose vectors are drawn at once
IMAGE_NOISE = 1.0  # standard deviation of an item's vector about its category's, whose entries have 1
PRICED = 0.8  # share of items with a price
NOTES = (
    "The next item is, with probability `order`, a successor of the item before (weight lag_weights[0]) or of the item "
    "two before (lag_weights[1]), and so on: the first, second or third with successor_weights, among those that the "
    "user has not reviewed. Each lag has its own successors, the next items on a random cycle through the item's "
    "category. Else the item is, with probability `noise`, any, drawn evenly; with `season`, one of the day's season; "
    "with `trend`, one that came out in the trend_days before; both by popularity. Else it is, with probability "
    "`category_loyalty`, of a favourite category, drawn by popularity; else any, drawn by popularity. A user reviews "
    "an item once while there are others. Lines are grouped by item, so the order within a user's day says nothing."
)
RECENCY_NOTE = (
    " With `recency`, dealt out beside noise, season and trend, it is of the category of the item before where that "
    "one was reviewed at most recency_days before, else any; both by popularity."
)
GAP_NOTE = (
    " With `follows` gap or both, an item succeeds one earlier item alone, by the first cycle. gap: the one that was "
    "reviewed nearest to gap_days before the last; both: the third before the last if at most gap_days lie between, "
    "else the one before the last. Each user has a pace, with which 0 to 7 reviews come in gap_days on average."
)


def simulate(settings: SimulationSettings, folder: Path) -> None:
    """Write the simulated files into `folder`, and last simulation.json: settings, sha256 of each file, counts, truth.

    The files are reviews.json.gz, meta.json.gz and, with `features: image`, image_features.b. The same settings give
    the same bytes.
    """
    world, walks, meta_rng = draw_simulation(settings)
    if settings.features == "image":
        write_stream(folder / IMAGES, _images(world, np.random.default_rng(_streams(settings)[4])))
    write_bytes(folder / "reviews.json.gz", _json_lines(_reviews(walks)))
    write_bytes(folder / "meta.json.gz", meta_file(world, meta_rng))
    files = {name: sha256(folder / name) for name in simulated_files(settings)}
    write_checked_json(folder / MARKER, {"files": files, **_truth(settings, world, walks)})


def draw_simulation(settings: SimulationSettings) -> tuple[World, Walks, np.random.Generator]:
    """The catalogue with its successors, the users' reviews in their true order, and the generator of the meta data."""
    world_rng, walk_rng, meta_rng, time_rng = (np.random.default_rng(stream) for stream in _streams(settings)[:4])
    world = draw_world(settings, world_rng, time_rng)
    return world, draw_walks(settings, world, walk_rng, time_rng), meta_rng


def _streams(settings: SimulationSettings) -> list[np.random.SeedSequence]:
    """Of the catalogue, the users, the meta data, time, and images."""
    return np.random.SeedSequence(settings.seed).spawn(5)


def _asin(item: int) -> str:
    return f"S{item:09d}"


def _reviews(walks: Walks) -> Iterable[dict[str, Any]]:
    users, steps = np.nonzero(walks.items >= 0)
    items, days = walks.items[users, steps], walks.days[users, steps]
    order = np.lexsort((users, days, items))  # grouped by item, as Amazon's files are
    for user, item, day in zip(users[order].tolist(), items[order].tolist(), days[order].tolist(), strict=True):
        yield {"reviewerID": f"U{user:07d}", "asin": _asin(item), "unixReviewTime": day * DAY}


def _meta(world: World, rng: np.random.Generator) -> Iterable[dict[str, Any]]:
    brands = world.category * BRANDS + rng.integers(0, BRANDS, world.n_items)
    prices = np.exp(rng.normal(3.0, 0.8, world.n_items))
    priced = rng.random(world.n_items) < PRICED
    for item, category in enumerate(world.category.tolist()):
        price = f"${prices[item]:.2f}" if priced[item] else ""
        yield {
            "asin": _asin(item),
            "category": [f"Category {category}"],
            "brand": f"Brand {brands[item]}",
            "price": price,
        }


def meta_file(world: World, rng: np.random.Generator) -> bytes:
    """The catalogue's meta data as gzipped JSON lines."""
    return _json_lines(_meta(world, rng))


def _images(world: World, rng: np.random.Generator) -> Iterable[bytes]:
    """Records of Amazon's image features: a vector about its category's centre, as images of a kind look alike."""
    centres = rng.standard_normal((world.n_categories, FEATURES), dtype=np.float32)
    for start in range(0, world.n_items, IMAGE_BLOCK):
        category = world.category[start : start + IMAGE_BLOCK]
        block = np.zeros(len(category), RECORD)
        block["asin"] = [_asin(start + place).encode() for place in range(len(category))]
        noise = rng.standard_normal((len(category), FEATURES), dtype=np.float32)
        block["features"] = centres[category] + np.float32(IMAGE_NOISE) * noise
        yield block.tobytes()


def _json_lines(records: Iterable[dict[str, Any]]) -> bytes:
    text = "".join(json.dumps(record) + "\n" for record in records)
    buffer = io.BytesIO()
    with gzip.GzipFile(
        filename="", mode="wb", fileobj=buffer, mtime=0
    ) as handle:  # neither name nor time in the header
        handle.write(text.encode())
    return buffer.getvalue()


def _truth(settings: SimulationSettings, world: World, walks: Walks) -> dict[str, Any]:
    rules = walks.rules[walks.rules >= 0]
    # What is off is not written: the files are what they were before there was recency.
    named = [rule for rule in RULES if rule != "recency" or settings.recency]
    shares = {rule: float((rules == RULES.index(rule)).mean()) for rule in named}
    return {
        "settings": settings.model_dump(),
        "data_version": versions.DATA_VERSION,
        "reviews": len(rules),
        "truth": {
            **best_achievable(settings, world, walks),
            "lag_weights": settings.lag_weights,
            "successor_weights": SUCCESSOR_WEIGHTS,
            "share_of_reviews_drawn_by": shares,
            "notes": NOTES
            + (RECENCY_NOTE if settings.recency else "")
            + (GAP_NOTE if settings.follows != "order" else ""),
        },
    }
