"""Is a planted gap in time found by the encodings that read time, order by those that read order, and by no others?

    python -m benchmarks planted_gaps

writes docs/measured/planted-gaps.md and .csv. The encodings are the three forms of `hstu_bias`, one mechanism that
reads the distance, the gap in time, or both. With one block, `none` knows which items are in a history, and which is
the last.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from benchmarks.planted import measured, p_value
from posrec.files import write_text

SEEDS = range(201, 213)
SHARE = 0.25  # margin of equivalence, as a share of the lead of the right family
DOCS = Path("docs/measured")
ENCODINGS = NONE, ORDER, TIME, BOTH = "none", "hstu_bias_position", "hstu_bias_time", "hstu_bias"
WORLD = {
    "users": 800,
    "items": 100,
    "mean_length": 10,
    "categories": 1,
    "popularity": 0.0,
    "tied_days": 0.0,
    "order": 0.9,
}
WORLDS = {
    "gap": {"simulate": {**WORLD, "follows": "gap"}},
    # Gaps rise with distance: only where times are shuffled does order alone carry the next item.
    "order": {"simulate": {**WORLD, "lag_weights": [0.0, 1.0]}, "control": {"times": "shuffle"}},
    "both": {"simulate": {**WORLD, "follows": "both"}},
}
# As many slots as items come within gap_days: the gap is then as likely at each place, so that place says little of it.
MODEL = {"dimension": 32, "max_length": 8}
TRAINING = {"epochs": 40, "patience": 50, "learning_rate": 0.01}
# Question -> world, the encoding that is asked about, what it is compared with
AHEAD = {
    "gap alone: time over none": ("gap", TIME, NONE),
    "order alone: order over none": ("order", ORDER, NONE),
    "gap and order: both over time": ("both", BOTH, TIME),
    "gap and order: both over order": ("both", BOTH, ORDER),
}
# The wrong family -> the lead of the right one, of which its difference is a small share
EQUIVALENT = {
    "gap alone: order over none": (("gap", ORDER, NONE), "gap alone: time over none"),
    "order alone: time over none": (("order", TIME, NONE), "order alone: order over none"),
}


def cells() -> list[tuple[str, str]]:
    """The worlds and encodings that a question compares, in their order."""
    asked = {(world, name) for world, *names in AHEAD.values() for name in names}
    asked |= {(world, name) for (world, *names), _ in EQUIVALENT.values() for name in names}
    return [(world, name) for world in WORLDS for name in ENCODINGS if (world, name) in asked]


def raw_study(seed: int) -> dict[str, Any]:
    """A study of one seed: three worlds, in each the encodings that are compared, with the default recipe, small."""
    worlds = {
        name: {**world, "simulate": {**world["simulate"], "seed": seed}, "k_core": 1} for name, world in WORLDS.items()
    }
    return {
        "study": "planted_gaps",
        "datasets": worlds,
        "encodings": list(ENCODINGS),
        "only": [{"dataset": world, "encoding": name} for world, name in cells()],
        "model": MODEL,
        "training": TRAINING,
        "seeds": [seed],
        "report": {"stability": False},
    }


def differences(levels: pd.DataFrame) -> pd.DataFrame:
    """Differences of NDCG@10 by seed, (seeds, questions)."""
    asked = {**AHEAD, **{name: cells for name, (cells, _) in EQUIVALENT.items()}}
    return pd.DataFrame(
        {name: levels[f"{world} {one}"] - levels[f"{world} {other}"] for name, (world, one, other) in asked.items()}
    )


def equivalence_p(values: "pd.Series[float]", lead: "pd.Series[float]") -> float:
    """The larger p of two one-sided paired t tests that a difference lies within SHARE of the lead, on both sides."""
    return max(p_value(SHARE * lead - values), p_value(SHARE * lead + values))


def _rows(found: pd.DataFrame) -> Iterator[str]:
    for name, values in found.items():
        half = stats.t.isf(0.025, len(values) - 1) * values.sem()
        low, high = values.mean() - half, values.mean() + half
        said = f"{100 * values.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}] | {100 * values.std():.1f}"
        if name in EQUIVALENT:
            lead = found[EQUIVALENT[str(name)][1]]
            want, p = f"within ±{100 * SHARE * lead.mean():.1f}", equivalence_p(values, lead)
        else:
            want, p = "above 0", p_value(values)
        yield f"| {name} | {said} | {want} | {p:.2g} | {'yes' if p < 0.05 else 'not shown'} |"


def _levels(levels: pd.DataFrame) -> Iterator[str]:
    best = ("knowing_all", "blind_to_time", "blind_to_order")
    yield f"| world | {' | '.join(ENCODINGS)} | knows all | blind to time | blind to order |"
    yield "|---" + "|---:" * 7 + "|"
    for world in WORLDS:
        columns = [f"{world} {name}" for name in (*ENCODINGS, *best)]
        values = [f"{100 * levels[name].mean():.1f}" if name in levels else "" for name in columns]
        yield f"| {world} | {' | '.join(values)} |"


def page(levels: pd.DataFrame) -> str:
    """docs/measured/planted-gaps.md."""
    return "\n".join(
        [
            "# Planted gaps in time are found",
            "",
            "Written by `python -m benchmarks planted_gaps`; don't edit. Simulated data sets of "
            f"{WORLD['users']:,} users and {WORLD['items']} items in which the next item succeeds one earlier item: in "
            "the world *gap* the one about 30 days before the last, whatever its place; in *order* the second last, "
            "with each user's times shuffled; in *both* the fourth last if it is at most 30 days older than the last, "
            "else the second last. The encodings are one mechanism that reads distance (`hstu_bias_position`), the "
            "gap in time (`hstu_bias_time`) or both (`hstu_bias`), under `sound` with the default recipe at width "
            f"{MODEL['dimension']}. {len(levels)} seeds ({levels['seed'].min()} to {levels['seed'].max()}), each with "
            "its own world, users and trainings.",
            "",
            "Differences of NDCG@10 on the full catalogue in points: mean with 95 % interval (Student's t), standard "
            "deviation over seeds, p of the one-sided paired t test, or of two for equivalence, and whether it is "
            f"shown at 5 %. The margin of equivalence is {SHARE:g} of the right family's lead.",
            "",
            "| question | difference | sd | expected | p | shown |",
            "|---|---:|---:|---|---:|---|",
            *_rows(differences(levels)),
            "",
            "Mean levels, and what the simulator's own model reaches if it knows all, all but the times, or neither "
            "times nor order:",
            "",
            *_levels(levels),
            "",
        ]
    )


def write_docs(levels: pd.DataFrame, docs: Path) -> None:
    """The measured levels as planted-gaps.csv, and what they say as planted-gaps.md."""
    write_text(docs / "planted-gaps.csv", levels.to_csv(index=False, float_format="%.6g"))
    write_text(docs / "planted-gaps.md", page(levels))


def main() -> None:
    """Measure all seeds and write both files."""
    write_docs(measured(raw_study, SEEDS), DOCS)


if __name__ == "__main__":
    main()
