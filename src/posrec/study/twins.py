"""Simulated twins of the paper's data sets: settings of the simulator that follow from their published statistics.

Settings import it, so it is light. Users, items and lengths: arXiv 2405.10436 and its authors' logs, whose mean length
counts training interactions, two fewer than all of a user's. Men's length is not published: that of its subset Submen2
is used. Features: 506 or 6,507 multi-hot attributes, or image vectors. 44 % of a user's consecutive reviews share their
day in the 5-core of Beauty; for the others the share is not published, and 30 % is assumed.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """Published statistics of a data set: counts, mean number of reviews per user, and width of the items' features."""

    users: int
    items: int
    mean_length: float
    features: str
    width: int
    tied_days: float


TWINS = {
    "Beauty": Published(52_204, 57_289, 7.63, "multi_hot", 6_507, 0.44),
    "Fashion": Published(45_184, 166_270, 7.92, "image", 2_048, 0.3),
    "Games": Published(31_013, 23_715, 287_107 / 31_013, "multi_hot", 506, 0.3),
    "Men": Published(34_244, 110_636, 74_391 / 10_000, "image", 2_048, 0.3),
    "Subfashion": Published(3_840, 5_000, 16_080 / 3_840, "image", 2_048, 0.3),
    "Subgames": Published(5_000, 4_601, 33_353 / 5_000, "multi_hot", 506, 0.3),
    "Submen": Published(8_332, 10_000, 28_603 / 8_332, "image", 2_048, 0.3),
    "Submen2": Published(10_000, 45_129, 74_391 / 10_000, "image", 2_048, 0.3),
}
BRANDS = 5  # of each category
IMAGE_CATEGORIES = 100  # where there are no attributes to count


def calibrate(twin: str, scale: float) -> dict[str, Any]:
    """Settings of the simulator for a twin with `scale` (1/100 to 1) of its users, items and categories.

    The length of histories and the number of items per category do not change.
    """
    known = TWINS[twin]
    categories = known.width / (1 + BRANDS) if known.features == "multi_hot" else IMAGE_CATEGORIES
    return {
        "users": max(10, round(known.users * scale)),
        "items": max(10, round(known.items * scale)),
        "mean_length": known.mean_length,
        "categories": max(2, round(categories * scale)),
        "features": known.features,
        "tied_days": known.tied_days,
    }
