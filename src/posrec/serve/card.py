"""The model card of an exported folder: what the model is, how good it is, how to use it."""

from collections.abc import Mapping
from typing import Any

POINTS = 100

TEXT = """---
library_name: posrec
tags: [recommendation, sequential-recommendation]
---

# {encoding} on {dataset}

A sequential recommender with the positional encoding `{encoding}`, trained by [posrec](https://pypi.org/project/posrec)
on {title}: {users:,} users, {items:,} items, {interactions:,} interactions from {first_day} to {last_day}.
{which}

```python
import posrec

model = posrec.load("this-folder")
model.recommend(histories, top=20)  # a table with the columns {columns}
```

or `posrec recommend this-folder --histories histories.parquet --top 20 --out recommendations.parquet`.

## How good it is
{held_out}; a positive among all {items:,} items that are not in the history (full catalogue), and among {negatives}
sampled ones. In %, ties count as their expectation.

| | Hit@10, full | NDCG@10, full | Hit@10, sampled | NDCG@10, sampled |
|---|---:|---:|---:|---:|
{rows}

Validation: NDCG@10 on the full catalogue {validation:.2f} %. {spread}

## What it needs and where it ends
- It reads {reads}. A user needs no id: only the history counts, its last {max_length} items.
- It knows the {items:,} items of its training. Other items of a history are left out and counted; they are never
  recommended. Users without a known item get the most popular items, without a score.
- The metrics are of held-out interactions of the training's users: what people choose from recommendations can differ.

## Versions
{versions}. Study `{study}`, data set id `{dataset_id}`, run id `{run_id}`, seeds {seeds}.
"""


def write(config: Mapping[str, Any]) -> str:
    """The card of a configuration (`export.describe`)."""
    data, metrics = config["data"], config["metrics"]
    seeds = config["seeds"]
    return TEXT.format(
        **{key: config[key] for key in ("encoding", "dataset", "study", "dataset_id", "run_id")},
        **{key: data[key] for key in ("title", "users", "items", "interactions", "first_day", "last_day")},
        which=_which(config),
        columns=_columns(config),
        held_out=f"{metrics['users']:,} test users, each with one held-out interaction ({data['split']})",
        negatives=metrics["negatives"],
        rows="\n".join([_row("**this model**", metrics["test"]), *_baselines(metrics["baselines"])]),
        validation=POINTS * metrics["validation"],
        spread=_spread(metrics["seeds"]),
        reads="items in their order" + (", and times" if config["needs_times"] else "; times are not needed"),
        max_length=config["model"]["max_length"],
        versions=", ".join(f"{name} {version}" for name, version in config["versions"].items()),
        seeds=", ".join(map(str, seeds)),
    )


def _which(config: Mapping[str, Any]) -> str:
    seeds, of = config["seeds"], len(config["metrics"]["seeds"])
    if len(seeds) == 1:
        return f"It is the best by validation of {of} trainings that differ in their seed (seed {seeds[0]})."
    listed = ", ".join(map(str, seeds))
    return f"Its scores are the mean of {len(seeds)} trainings, the best by validation of {of} (seeds {listed})."


def _columns(config: Mapping[str, Any]) -> str:
    return "user, item and time" if config["needs_times"] else "user and item, ordered in time"


def _row(name: str, means: Mapping[str, Mapping[str, float]]) -> str:
    cells = [means[kind][metric] for kind in ("full", "sampled") for metric in ("Hit@10", "NDCG@10")]
    return f"| {name} | " + " | ".join(f"{POINTS * value:.2f}" for value in cells) + " |"


def _baselines(found: Mapping[str, Any]) -> list[str]:
    return [_row(name, means) for name, means in found.items()]


def _spread(seeds: Mapping[str, float]) -> str:
    values = [POINTS * value for value in seeds.values()]
    if len(values) < 2:
        return "One seed was trained: how much another one would differ is not known."
    mean = sum(values) / len(values)
    return (
        f"The {len(values)} seeds have a test NDCG@10 of {mean:.2f} % in the mean, from {min(values):.2f} to "
        f"{max(values):.2f}."
    )
