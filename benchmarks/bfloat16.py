"""The effect of bfloat16 matrix products on metrics: paired differences from float32 over seeds, on the CPU.

    python -m benchmarks bfloat16

writes docs/measured/bfloat16.md. Its data set is the one of `benchmarks.planted` in which order can be learned.
"""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from scipy import stats

from benchmarks import planted
from benchmarks.speed_page import markdown
from posrec.data.prepare import candidates, prepare
from posrec.data.simulate import simulate
from posrec.files import write_text
from posrec.model.engines.stacked.jobs import bring_stacked
from posrec.model.runs.run import Run
from posrec.model.threads import one_thread
from posrec.plan import ids
from posrec.plan.run import planned_runs
from posrec.store import results
from posrec.study import study
from posrec.study.study import Cell

SEEDS = range(1, 41)
METRICS = (("full", "NDCG@10"), ("full", "Hit@10"))
DOCS = Path("docs/measured")


def raw_study(device: str, seeds: Sequence[int], **changes: Any) -> dict[str, Any]:
    """The planted world of order, trained with float32 and with bfloat16 products."""
    raw = planted.raw_study(1)
    classes = [{"device": device, "precision": precision} for precision in ("fp32", "bf16")]
    own = {"only": [{"dataset": "order", "encoding": "learnt"}], "seeds": list(seeds)}
    datasets = {"order": raw["datasets"]["order"]}
    return {**raw, **own, "datasets": datasets, "training": {**raw["training"], "numerics": classes, **changes}}


def effect(device: str, seeds: Sequence[int] = SEEDS, **changes: Any) -> pd.DataFrame:
    """What bfloat16 does to each metric: means over seeds, and the paired difference with its 95 % interval."""
    with planted.scratch():
        loaded = study.from_dict(raw_study(device, seeds, **changes))
        dataset = loaded.settings.datasets["order"]
        assert dataset.simulate is not None
        simulate.simulate(dataset.simulate, ids.raw_folder("order", dataset))
        prepare.prepare_dataset(loaded, "order")
        candidates.draw_candidates(loaded, "order")
        exact, rough = (_metrics(loaded, cell) for cell in loaded.cells)
    apart = rough - exact  # (seeds, metrics)
    half = stats.t.ppf(0.975, len(apart) - 1) * apart.sem()
    names = {"metric": exact.columns, "fp32": exact.mean(), "bf16": rough.mean(), "difference": apart.mean()}
    return pd.DataFrame({**names, "from": apart.mean() - half, "to": apart.mean() + half})


def _metrics(loaded: study.Study, cell: Cell) -> pd.DataFrame:
    """The metrics of a cell's runs in percent, trained at once: (seeds, METRICS)."""
    runs = [Run(planned) for planned in planned_runs(loaded, [cell])]
    bring_stacked(runs, again_failed=False)
    found = (results.read_content(run.path)["evaluations"][planted.PROTOCOL] for run in runs)
    return pd.DataFrame([{f"{kind} {name}": 100 * one[kind][name] for kind, name in METRICS} for one in found])


def words(effects: pd.DataFrame, seeds: int) -> str:
    """The table with what it shows."""
    return f"""Simulated data set of 600 users and 80 items, full catalogue, `learnt`, {seeds} seeds, in percent: means
with float32 and with bfloat16 products in training, and the mean of the paired differences with its 95 % interval over
seeds.

{markdown(effects)}"""


@one_thread()
def main() -> None:
    """Measure and write the page."""
    text = words(effect("cpu"), len(SEEDS))
    machine = f"the CPU ({platform.machine()}), torch {torch.__version__}"
    head = f"Written by `python -m benchmarks bfloat16` on {machine}; don't edit."
    write_text(DOCS / "bfloat16.md", f"# Effect of bfloat16 on metrics\n\n{head}\n\n{text}\n")


if __name__ == "__main__":
    main()
