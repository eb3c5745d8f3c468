"""Does the pipeline find what was planted: order through encodings alone, time through the context alone?

    python -m benchmarks planted

writes docs/measured/planted.md and .csv. A seed draws a world, its users and a training, so that seeds are
independent. Levels are NDCG@10 on the full catalogue under `sound_last`, where `none` is blind to order.
tests/model/test_planted_truth.py asks the same of a few other seeds, on every change.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from posrec import versions
from posrec.data.prepare import candidates, prepare
from posrec.data.simulate import simulate
from posrec.files import digest, read_json, write_json, write_text
from posrec.model.runs import jobs
from posrec.plan import ids
from posrec.plan.run import run_files
from posrec.study import study

SEEDS = range(101, 113)
PROTOCOL = "sound_last"
ALPHA = 0.05  # of each one-sided test
POWER = 0.99  # wanted of the test that runs on every change
CHANCE = 0.01  # that chance alone brings new seeds above the bound of an effect that is none
SHARE = 0.5  # an effect that must go away leaves less than this share of the planted one
DOCS = Path("docs/measured")
KEPT = Path(".cache/benchmarks")  # remove it to measure again with other code of the same versions
PLANTED = {
    "users": 600,
    "items": 80,
    "mean_length": 8,
    "categories": 1,
    "lag_weights": [1.0],
    "popularity": 0.0,
    "tied_days": 0.0,
}
ORDER = {**PLANTED, "order": 0.6}
TIME = {**PLANTED, "order": 0.0, "season": 1.0, "seasons": 2}
PUBLISHED = {
    **{"head": "carca", "upper_bound": None, "context": True, "candidate_context": "request_time"},
    "position_scale": "unit",
}
MODEL = {"dimension": 24, "blocks": 1, "heads": 2, "max_length": 8, "dropout": 0.1, **PUBLISHED}
TRAINING = {
    "learning_rate": 0.01,
    "epochs": 24,
    "batch_size": 64,
    "patience": 50,
    "validate_every": 5,
    "validation_users": 200,
    "loss": "bce",
    "schedule": "constant",
    "negatives": 4,
}
CELLS = (
    *(("order", "none"), ("order", "learnt"), ("order_shuffled", "none"), ("order_shuffled", "learnt")),
    *(("time", "none"), ("time", "learnt"), ("time_dropped", "none")),
)
# Question -> the cell that is ahead if the answer is yes, and the one behind
DIFFERENCES = {
    "order: learnt over none": (("order", "learnt"), ("order", "none")),
    "order, histories shuffled: learnt over none": (("order_shuffled", "learnt"), ("order_shuffled", "none")),
    "time: context over none": (("time", "none"), ("time_dropped", "none")),
    "time: learnt over none": (("time", "learnt"), ("time", "none")),
}
# What must go away -> the planted effect that it is held against
GOES_AWAY = {
    "order, histories shuffled: learnt over none": "order: learnt over none",
    "time: learnt over none": "time: context over none",
}


def raw_study(seed: int) -> dict[str, Any]:
    """A study of one seed: order alone with context dropped, and season alone, each beside its control."""
    order = {"simulate": {**ORDER, "seed": seed}, "k_core": 1}
    time = {"simulate": {**TIME, "seed": seed}, "k_core": 1, "time_features": "cyclic"}
    return {
        "study": "planted",
        "protocols": [PROTOCOL],
        "datasets": {
            "order": {**order, "control": {"context": "drop"}},
            "order_shuffled": {**order, "control": {"context": "drop", "histories": "shuffle"}},
            "time": time,
            "time_dropped": {**time, "control": {"context": "drop"}},
        },
        "encodings": ["none", "learnt"],
        "model": MODEL,
        "training": TRAINING,
        "seeds": [seed],
        "only": [{"dataset": dataset, "encoding": encoding} for dataset, encoding in CELLS],
        "report": {"stability": False},
    }


@contextmanager
def scratch() -> Iterator[None]:
    """Work in an empty folder with a store of its own."""
    home, kept = Path.cwd(), os.environ.get("POSREC_STORE")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["POSREC_STORE"] = str(Path(folder) / "store")
        try:
            yield
        finally:
            os.chdir(home)
            os.environ.pop("POSREC_STORE")
            if kept is not None:
                os.environ["POSREC_STORE"] = kept


def measure(seed: int) -> dict[str, float]:
    """The levels of a seed."""
    return levels_of(raw_study(seed), seed)


def levels_of(raw: dict[str, Any], seed: int) -> dict[str, float]:
    """NDCG@10 by cell of a study of one seed, and what its simulators know: the best, and the best of blind models."""
    with scratch():
        loaded = study.from_dict(raw)
        (protocol,) = loaded.settings.protocols
        found: dict[str, float] = {"seed": seed}
        for name, dataset in loaded.settings.datasets.items():
            assert dataset.simulate is not None
            folder = ids.raw_folder(name, dataset)
            if not folder.exists():
                simulate.simulate(dataset.simulate, folder)
                known = read_json(folder / "simulation.json")["truth"]["best_achievable"]
                found |= {f"{name} {key}": values["NDCG@10"] for key, values in known.items()}
            prepare.prepare_dataset(loaded, name)
            candidates.draw_candidates(loaded, name)
        jobs.train_cells(loaded, list(loaded.cells))
        return found | {f"{cell.dataset} {cell.encoding}": _level(loaded, cell, str(protocol)) for cell in loaded.cells}


def measured(raw_study_of: Callable[[int], dict[str, Any]], seeds: Iterable[int]) -> pd.DataFrame:
    """The levels of each seed, a row each. A seed that an interrupted measurement finished is read from KEPT."""
    rows = []
    for seed in seeds:
        raw = raw_study_of(seed)
        made_of = raw, versions.DATA_VERSION, versions.TRAINING_VERSION, versions.EVALUATION_VERSION
        path = KEPT.absolute() / f"{raw['study']}-{digest(made_of)}.json"
        if not path.exists():
            write_json(path, levels_of(raw, seed))
        rows.append(read_json(path))
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def _level(loaded: study.Study, cell: study.Cell, protocol: str) -> float:
    (path,) = (path for path in run_files(loaded, [cell]) if path.suffix == ".json")
    return float(read_json(path)["evaluations"][protocol]["full"]["NDCG@10"])


def differences(levels: pd.DataFrame) -> pd.DataFrame:
    """The four differences of NDCG@10 by seed, (seeds, DIFFERENCES)."""
    return pd.DataFrame(
        {name: levels[" ".join(more)] - levels[" ".join(less)] for name, (more, less) in DIFFERENCES.items()}
    )


def asked(found: pd.DataFrame) -> pd.DataFrame:
    """What must be above 0 in the mean: a planted effect, or how far one that must go away stays below SHARE of it."""
    return pd.DataFrame(
        {name: SHARE * found[GOES_AWAY[name]] - found[name] if name in GOES_AWAY else found[name] for name in found}
    )


def p_value(values: "pd.Series[float]") -> float:
    """One-sided p of a paired t test over seeds: that the mean of these differences is above 0."""
    return float(stats.ttest_1samp(values, 0.0, alternative="greater").pvalue)


def seeds_needed(values: "pd.Series[float]") -> int:
    """Fewest seeds with which that test finds a mean and a spread like these with probability POWER."""
    effect = values.mean() / values.std()
    powers = ((n, stats.nct.sf(stats.t.isf(ALPHA, n - 1), n - 1, effect * n**0.5)) for n in range(2, 1000))
    return next(n for n, power in powers if power >= POWER)


def chance_bound(values: "pd.Series[float]", seeds: int) -> float:
    """What the mean over so many new seeds exceeds with probability CHANCE, if they come from where these come from."""
    n = len(values)
    return float(values.mean() + stats.t.isf(CHANCE, n - 1) * values.std() * (1 / n + 1 / seeds) ** 0.5)


def page(levels: pd.DataFrame) -> str:
    """docs/measured/planted.md."""
    found = differences(levels)
    needed = max(seeds_needed(found[name]) for name in found if name not in GOES_AWAY)
    mean = {name: f"{100 * value:.1f}" for name, value in levels.mean().items()}
    return "\n".join(
        [
            "# Planted effects are found",
            "",
            "Written by `python -m benchmarks.planted`; don't edit. Simulated data sets of 600 users and 80 items in "
            "which either order alone or season alone determines the next item. The protocol is `sound_last`, where "
            f"`none` is blind to order. {len(levels)} seeds ({levels['seed'].min()} to {levels['seed'].max()}), each "
            "with its own data set, users and trainings. The table shows differences of NDCG@10 on the full catalogue "
            "in points: mean with 95 % interval (Student's t), standard deviation over seeds, and the one-sided p of a "
            "paired t test of the expected result.",
            "",
            "| question | difference | sd | expected | p | bound of the test |",
            "|---|---:|---:|---|---:|---:|",
            *_rows(found, needed),
            "",
            f"The simulator's own model reaches {mean['order knowing_all']} points with order and "
            f"{mean['order blind_to_order']} without it; {mean['time knowing_all']} with season and "
            f"{mean['time blind_to_time']} without it. The small trained models reach {mean['order learnt']} and "
            f"{mean['order none']}; {mean['time none']} and {mean['time_dropped none']}.",
            "",
            f"On every change, tests/model/test_planted_truth.py uses {needed} other seeds, the smallest number that "
            f"finds both planted effects with probability {POWER:g} at {ALPHA:g}. An effect that must disappear has to "
            f"stay below its bound, which so many new seeds exceed with probability {CHANCE:g} if there is no effect.",
            "",
        ]
    )


def _rows(found: pd.DataFrame, needed: int) -> Iterator[str]:
    judged = asked(found)
    for name, values in found.items():
        half = stats.t.isf(0.025, len(values) - 1) * values.sem()
        low, high = values.mean() - half, values.mean() + half
        said = f"{100 * values.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}] | {100 * values.std():.1f}"
        want = f"below {SHARE:g} of the planted effect" if name in GOES_AWAY else "above 0"
        bound = f"{100 * chance_bound(values, needed):.1f}" if name in GOES_AWAY else ""
        yield f"| {name} | {said} | {want} | {p_value(judged[name]):.2g} | {bound} |"


def main() -> None:
    """Measure all seeds and write both files."""
    write_docs(measured(raw_study, SEEDS), DOCS)


def write_docs(levels: pd.DataFrame, docs: Path) -> None:
    """The measured levels as planted.csv, and what they say as planted.md."""
    write_text(docs / "planted.csv", levels.to_csv(index=False, float_format="%.6g"))
    write_text(docs / "planted.md", page(levels))


if __name__ == "__main__":
    main()
