"""Scores of a cell's runs, and differences between two cells that are paired by seed."""

import numpy as np
import pandas as pd

from posrec.analysis.tables.load import PRIMARY

POINTS = 100


def scores(runs: pd.DataFrame, column: str = PRIMARY) -> np.ndarray:
    """(n,) scores of the finished runs."""
    return runs.loc[runs["status"] == "finished", column].to_numpy(float)


def some_collapsed(runs: pd.DataFrame) -> bool:
    """Whether some of the finished runs, but not all, are at chance level."""
    return runs.loc[runs["status"] == "finished", "collapsed"].nunique() > 1


def paired_differences(runs: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """(n,) differences of the primary metric in points over the seeds that finished in both."""
    first, second = (r[r["status"] == "finished"].set_index("seed")[PRIMARY].astype(float) for r in (runs, others))
    common = [seed for seed in first.index if seed in second.index]
    return POINTS * (first.loc[common] - second.loc[common]).to_numpy()


def log_ratio(first: float | None, second: float | None) -> float | None:
    """Natural logarithm of first / second; None where either is missing or 0.

    >>> log_ratio(2.0, 2.0), log_ratio(0.0, 1.0)
    (0.0, None)
    """
    return float(np.log(first / second)) if first and second else None
