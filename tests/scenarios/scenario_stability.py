"""Twenty seeds of two encodings, trained for real: intervals of spread are as narrow as theory says."""

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from posrec.analysis.stats import reach, spreads
from tests.workflow.project import ROOT, Project

pytestmark = pytest.mark.workflow
SEEDS = 20


def test_twenty_seeds_give_intervals_as_narrow_as_theory_says(fresh: Project) -> None:
    """Exact: .76 to 1.46 times the spread seen. The log of a ratio of two: as `reach` has its error."""
    default = yaml.safe_load((ROOT / "params.yaml").read_text())
    twin = {"beauty_twin": default["datasets"]["beauty_twin"]}
    same = {key: default[key] for key in ("model", "training", "evaluation", "deviation_seeds")}
    fresh.study(datasets=twin, encodings=["none", "rmha4"], seeds=list(range(1, SEEDS + 1)), **same)
    fresh.snakemake("report")
    results = fresh.folder / "results/studies/default"
    cells = pd.read_csv(results / "tables/cells.csv").query("kind == 'encoding'")
    assert list(cells["finished"]) == [SEEDS, SEEDS]
    assert set(cells["full_ndcg10_sd_interval"]) == {"exact"}
    for end, factor in (("low", 0.7605), ("high", 1.4606)):
        assert (cells[f"full_ndcg10_sd_{end}"] / cells["full_ndcg10_sd"]).to_list() == pytest.approx(
            [factor] * 2, abs=1e-3
        )
    [compared] = pd.read_csv(results / "tables/comparisons.csv").to_dict("records")
    width = np.log(compared["spread_ratio_high"] / compared["spread_ratio_low"])
    quantile = stats.t.isf(0.025 * spreads.CALIBRATED, 2 * (SEEDS - 1))
    error = reach.WIDER * np.sqrt(2 * reach.LOG_SPREAD / (SEEDS - 2))
    assert width == pytest.approx(2 * quantile * error, rel=0.5)
    assert "20 seeds see large differences of spread only" in (results / "report.html").read_text()
