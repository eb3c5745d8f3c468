"""Made-up results of a study on disk: run files, cards and baselines with known numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from posrec.data.prepare.prepared import Prepared, identity_of
from posrec.files import write_checked_json
from posrec.plan import ids
from posrec.plan.run import planned_run
from posrec.store import results
from posrec.study.study import Cell, Study, from_dict

Score = Callable[[Cell, int], float]  # cell, seed -> full NDCG@10


def make_study(number: int = 1, **changes: Any) -> Study:
    """A study of simulated data sets with 3 scoring and 3 deviation seeds."""
    twin = {"users": 100, "items": 50, "mean_length": 6}
    raw: dict[str, Any] = {
        "study": "made-up",
        "datasets": {f"twin{n}": {"simulate": {**twin, "seed": n}} for n in range(1, number + 1)},
        "encodings": ["none", "abs", "rope"],
        "model": {"dimension": 8, "heads": 2},
        "seeds": [1, 2, 3],
        "deviation_seeds": [11, 12, 13],
    }
    return from_dict({**raw, **changes})


def run_record(study: Study, cell: Cell, seed: int, ndcg: float) -> dict[str, Any]:
    """The record of a finished run."""
    sampled = {"Hit@10": min(1.0, 3 * ndcg), "NDCG@10": min(1.0, 2 * ndcg), "MRR": ndcg}
    full = {"Hit@10": min(1.0, 1.5 * ndcg), "NDCG@10": ndcg, "MRR": 0.9 * ndcg}
    block = {"selected_epoch": 3, "users": 100, "sampled": sampled, "full": full, "collapsed": False}
    block["diagnostics"] = {"tie_share_by_history": {"full": {"2": 0.5, "11-20": 0.0, "3-5": 0.25}}}
    return {
        **planned_run(study, cell, seed).must_say,
        "epochs_trained": 5,
        "still_rising": False,
        "diagnostics": diagnostics(cell, seed),
        "evaluations": {p.name: {**block, "tie_share": {"sampled": 0.01, "full": 0.02}} for p in cell.protocols},
        "collapsed": False,
        "status": "finished",
        "failure": None,
    }


def diagnostics(cell: Cell, seed: int) -> dict[str, Any]:
    """Diagnostics of a run: an encoding's items hold position, those of none do not; a seed adds a hundredth."""
    more, known = 0.01 * (seed % 10), 0.0 if cell.encoding == "none" else 0.8

    def probed(end: float) -> dict[str, float | None]:
        return {"from_begin": None, "from_end": end, "chance_from_begin": None, "chance_from_end": -0.02}

    near = 1.0 if cell.encoding == "none" else 2.0 + more
    return {
        "users": 90,
        "gradient_norm": {"mean": 2.0, "variance": 1.0},
        "attention": {
            "entropy": [0.9 + more, 0.5],
            "distance_share": [0.1, 0.0],
            "by_distance": [{"0": near, "1": 1.0, "2": 0.25}, {"0": 1.0, "1": 1.0, "2": 1.0}],
            "by_gap": [{"under 1 day": 1.0, "a year or more": 1.0}] * 2,
        },
        "position": {"content": probed(0.0), "encoded": probed(known), "first_block": probed(known / 2)},
        "encoding": {"angle_spread": 3.0, "angle_spread_at_start": 6.0} if cell.encoding == "abs" else {},
        "saturation": {"zero": 0.0, "one": 0.125},
    }


def collapsed_record(study: Study, cell: Cell, seed: int) -> dict[str, Any]:
    """The record of a run at chance level."""
    record = run_record(study, cell, seed, 0.01)
    evaluations = {name: {**block, "collapsed": True} for name, block in record["evaluations"].items()}
    return {**record, "collapsed": True, "evaluations": evaluations}


def failed_record(study: Study, cell: Cell, seed: int) -> dict[str, Any]:
    """The record of a run whose loss was not a number."""
    record = run_record(study, cell, seed, 0.0)
    failure = {"step": 17, "reason": "the loss is not finite"}
    return {**record, "evaluations": {}, "status": "failed", "failure": failure, "epochs_trained": 0, "diagnostics": {}}


def write_run(study: Study, cell: Cell, seed: int, record: dict[str, Any]) -> None:
    """Write one run's json and npz; a failed run's curve is empty."""
    results.write_result(planned_run(study, cell, seed).path, record, _curve(record))


def _curve(record: dict[str, Any]) -> dict[str, np.ndarray]:
    epochs = np.arange(1, record["epochs_trained"] + 1)
    top = next(iter(record["evaluations"].values()))["full"]["NDCG@10"] if record["evaluations"] else 0.0
    validation = top * (1 - np.exp(-2.0 * epochs / max(1, len(epochs))))
    validation[1:2] = np.nan  # an epoch that was not read
    return {"curve_epoch": epochs, "curve_loss": 1 / epochs, "curve_validation": validation}


def write_dataset(study: Study, name: str, number: int, simulated: bool = True) -> None:
    """Write a card, its data and baselines; sparsity falls with the number."""
    files = ids.dataset_files(study, name)
    density = 0.01 * (number + 1)
    counts = {"users": 100, "items": 50, "interactions": int(density * 5000)}
    card = {
        **identity_of(files.card),
        "title": f"Data set {number}",
        "simulated": simulated,
        **counts,
        "density": density,
    }
    write_checked_json(files.card, {**card, "sparsity": 1 - density, "mean_length": 6.5, "popularity_gini": 0.4})
    arrays(**counts).save(files.arrays, files.manifest, {"dataset_id": files.folder.name})
    levels = {"chance": 0.01, "popularity": 0.03, "month popularity": 0.032, "markov": 0.05, "item_knn": 0.04}
    named = {
        key: {kind: dict.fromkeys(("Hit@10", "NDCG@10", "MRR"), v) for kind in ("sampled", "full")}
        for key, v in levels.items()
    }
    write_checked_json(files.baselines, {**identity_of(files.baselines), "users": 100, "baselines": named})


def arrays(users: int, items: int, interactions: int) -> Prepared:
    """Prepared data with these counts: every item in turn, a day apart, and every user with as many as the next."""
    offsets = np.linspace(0, interactions, users + 1).astype(np.int64)
    times = 1_000_000_000 + 86_400 * np.arange(interactions)
    nothing = np.full(users, -1)
    return Prepared(
        *(offsets, (np.arange(interactions) % items + 1).astype(np.int32), times),
        context=np.zeros((interactions, 6), np.float32),
        train_length=np.diff(offsets).astype(np.int32),
        validation=nothing,
        test=offsets[1:] - 1,
        attribute_offsets=np.zeros(items + 2, np.int64),
        attribute_ids=np.zeros(0, np.int32),
    )


def write_study(study: Study, score: Score, simulated: bool = True) -> None:
    """Write everything that the analysis of a study reads."""
    for number, name in enumerate(study.settings.datasets):
        write_dataset(study, name, number, simulated)
    for cell in study.cells:
        for seed in cell.seeds:
            write_run(study, cell, seed, run_record(study, cell, seed, score(cell, seed)))


def plain_score(cell: Cell, seed: int) -> float:
    """none .10, abs .12, rope .14, each with .01 a seed step around seed 2 (12)."""
    level = {"none": 0.10, "abs": 0.12, "rope": 0.14}.get(cell.encoding, 0.13)
    return level + 0.01 * (seed % 10 - 2)
