"""What one switch of the released code does: protocols of a study that differ in that switch alone, paired by seed."""

from typing import Any

import numpy as np
import pandas as pd

from posrec.analysis.stats import paired, spread_tests, stability
from posrec.analysis.stats.intervals import ratio_interval
from posrec.analysis.stats.multiplicity import with_holm
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import IDENTITY, PRIMARY, Inputs
from posrec.analysis.tables.scores import POINTS, some_collapsed
from posrec.study.protocols import single_switches

METRICS = ("sampled_hit10", PRIMARY)  # the paper's metric, and ours
COLUMNS = {
    **{name: IDENTITY[name] for name in ("dataset", "settings", "encoding")},
    "switch": "switch of the released code (docs/reference/released-code.md)",
    "others": "the preset that all other switches come from: sound or released",
    "metric": "sampled_hit10 or full_ndcg10",
    "pairs": "seeds that finished with the switch sound and released",
    "sound_mean_points": "mean over those seeds with the switch sound",
    "effect_points": "mean over those seeds with the switch released, minus that with the switch sound",
    "effect_low_points": "lower 95 % bound of the effect (paired t, for this comparison alone)",
    "effect_high_points": "upper 95 % bound of the effect (paired t, for this comparison alone)",
    "p": "two-sided p of a sign-flip permutation test of the paired differences",
    "smallest_p": "smallest p that so many seeds can reach",
    "p_holm": "p after Holm over all tests of the metric",
    "tests": "number of these tests",
    "sd_ratio": "standard deviation over seeds with the switch released divided by that with the switch sound",
    "sd_ratio_low": "lower 95 % bound of this ratio (BCa bootstrap, from six seeds on, from twenty where runs "
    "collapse)",
    "sd_ratio_high": "upper 95 % bound of this ratio (BCa bootstrap, from six seeds on, from twenty where runs "
    "collapse)",
    "spread_p": "two-sided p of a permutation test of the log ratio, each side centred on its median",
    "spread_p_holm": "the same after Holm over all tests of the metric",
    "spread_tests": "number of these tests",
}


def build(tables: Tables) -> pd.DataFrame:
    """One row per switch, cell and metric; columns: COLUMNS.

    The effect is released minus sound; all other switches are as in the preset that the pair starts from. Levels are
    paired by seed. Holm covers all tests of levels of a metric, and separately all tests of spreads. The table is empty
    without stability (report.stability: false).
    """
    inputs = tables.inputs
    rows = [row for metric in METRICS for row in _metric_rows(inputs, metric)] if inputs.spread else []
    counts = dict.fromkeys(("pairs", "tests", "spread_tests"), "Int64")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(counts)


def _metric_rows(inputs: Inputs, metric: str) -> list[dict[str, Any]]:
    runs = inputs.runs[(inputs.runs["role"] == "scoring") & (inputs.runs["status"] == "finished")]
    by_cell = {
        key: group.set_index("seed").rename(columns={metric: "score"})[["score", "status", "collapsed"]]
        for key, group in runs.groupby(["protocol", "dataset", "settings", "encoding"], sort=False)
    }
    rows = []
    for switch, others, sound, released in single_switches(inputs.study.protocols):
        for (protocol, *cell), own in by_cell.items():
            if protocol == sound.name and (released.name, *cell) in by_cell:
                named = dict(zip(("dataset", "settings", "encoding"), cell, strict=True))
                compared = _compare(own, by_cell[released.name, *cell])
                rows.append({**named, "switch": switch, "others": others, "metric": metric, **compared})
    return with_holm(with_holm(rows, "p", "tests"), "spread_p", "spread_tests")


def _compare(sound: pd.DataFrame, released: pd.DataFrame) -> dict[str, Any]:
    common = [seed for seed in sound.index if seed in released.index]
    first, second = (POINTS * runs.loc[common, "score"].to_numpy(float) for runs in (released, sound))
    row: dict[str, Any] = {"pairs": len(common)}
    if not common:
        return row
    differences = first - second
    interval = stability.mean_interval(differences)
    if interval is not None:
        row |= {"effect_low_points": interval[0], "effect_high_points": interval[1]}
    return {
        **row,
        "sound_mean_points": float(second.mean()),
        "effect_points": float(differences.mean()),
        "p": paired.sign_flip_p(differences),
        "smallest_p": paired.smallest_sign_flip_p(len(differences)),
        **_spreads(first, second, some_collapsed(released.loc[common]) or some_collapsed(sound.loc[common])),
    }


def _spreads(first: np.ndarray, second: np.ndarray, collapsed: bool) -> dict[str, Any]:
    test = spread_tests.log_ratio_test(first, second)
    if test is None:
        return {}
    row = {"sd_ratio": float(np.exp(test.log_ratio)), "spread_p": test.p}
    interval, _ = ratio_interval(first, second, collapsed)
    if interval is not None:
        row |= {"sd_ratio_low": interval[0], "sd_ratio_high": interval[1]}
    return row
