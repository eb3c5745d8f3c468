"""Rank tests over data sets: exact permutation p against scipy, Holm, and what few data sets cannot show."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from posrec.analysis.stats import intervals, permutation
from posrec.analysis.tables.build import build_tables
from posrec.analysis.tables.correlation import correlation_table
from tests.analysis import made_up


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n", [4, 6, 7])
def test_spearman_agrees_with_scipy(n: int, seed: int) -> None:
    generator = np.random.default_rng([n, seed])
    x, y = generator.integers(0, 6, n) + np.arange(n) * 0.5, generator.integers(0, 5, n).astype(float)
    y[0] += 7  # never constant
    expected = stats.permutation_test(
        (x,), lambda order: stats.spearmanr(order, y).statistic, permutation_type="pairings", n_resamples=np.inf
    )
    found = permutation.spearman(x, y)
    assert found.statistic == pytest.approx(expected.statistic)
    rhos = np.abs(expected.null_distribution)
    assert found.p == pytest.approx(np.mean(rhos >= abs(expected.statistic) - 1e-9))
    assert found.exact
    assert found.orders == math.factorial(n)


@pytest.mark.parametrize("seed", range(4))
def test_between_groups_agrees_with_kruskal(seed: int) -> None:
    x = np.random.default_rng(seed).permutation(7).astype(float)
    groups = ["a", "a", "a", "b", "b", "c", "c"]
    expected = stats.permutation_test(
        (x[:3], x[3:5], x[5:]),
        lambda *parts: stats.kruskal(*parts).statistic,
        permutation_type="independent",
        n_resamples=np.inf,
        alternative="greater",
    )
    assert permutation.between_groups(x, groups).p == pytest.approx(expected.pvalue)


def test_between_groups_by_hand() -> None:
    # ranks 1 2 | 3 4: 2 * (1.5 - 2.5)^2 + 2 * (3.5 - 2.5)^2 = 4; 2 of the 6 splits are as clear
    found = permutation.between_groups(np.array([5.0, 6.0, 8.0, 9.0]), ["a", "a", "b", "b"])
    assert found.statistic == pytest.approx(4)
    assert found.p == pytest.approx(1 / 3)
    assert found.smallest_p == pytest.approx(1 / 3)


@pytest.mark.parametrize(("n", "smallest"), [(3, 1 / 3), (4, 1 / 12), (5, 1 / 60), (8, 2 / 40320)])
def test_smallest_reachable_p(n: int, smallest: float) -> None:
    found = permutation.spearman(np.arange(n), np.arange(n)[::-1])
    assert found.statistic == pytest.approx(-1)
    assert found.p == pytest.approx(smallest)
    assert found.smallest_p == pytest.approx(smallest)


def test_ties_raise_the_smallest_p() -> None:
    tied = permutation.spearman(np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert tied.smallest_p == pytest.approx(1 / 3)


def test_many_data_sets_use_seeded_random_orders() -> None:
    x = np.arange(12.0)
    y = np.array([3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11.0])
    first, second = permutation.spearman(x, y), permutation.spearman(x, y)
    assert first == second
    assert not first.exact
    assert first.smallest_p == pytest.approx(1 / 20000)
    assert 1 / 20000 <= first.p < 1e-3  # 8e-5 from two million random orders
    weak = permutation.spearman(x, np.array([5, 2, 9, 1, 12, 4, 8, 3, 11, 6, 10, 7.0]))
    assert weak.p == pytest.approx(stats.spearmanr(x, [5, 2, 9, 1, 12, 4, 8, 3, 11, 6, 10, 7]).pvalue, abs=0.02)


def test_rounding_noise_is_a_tie() -> None:
    noise = np.array([1.0, 1.0 + 2e-16, 1.0 - 1e-16, 1.0])
    assert permutation.spearman(noise, np.arange(4.0)) is None
    assert permutation.between_groups(noise, ["a", "a", "b", "b"]) is None


def test_nothing_to_rank() -> None:
    assert permutation.spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert permutation.spearman(np.ones(5), np.arange(5.0)) is None
    assert permutation.between_groups(np.arange(5.0), ["a"] * 5) is None


def _frames(advantages: dict[str, list[float]], families: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells and data sets of as many data sets as there are families; deviation rises, sparsity falls."""
    n = len(families)
    key = {"protocol": "sound", "settings": ""}
    cells = [
        {
            "kind": "encoding",
            **key,
            "dataset": f"d{i}",
            "encoding": name,
            "family": "x",
            "advantage_points": values[i],
            "log_sd_ratio": -i,
        }
        for name, values in advantages.items()
        for i in range(n)
    ]
    datasets = [
        {
            **key,
            "dataset": f"d{i}",
            "simulated": "no",
            "density": 0.1 * i,
            "sparsity": 1 - 0.1 * i,
            "deviation_points": float(i),
        }
        | {"best_family": families[i], "steadiest_family": "relative"}
        for i in range(n)
    ]
    return pd.DataFrame(cells), pd.DataFrame(datasets)


def test_table_and_holm_by_hand() -> None:
    rising, mixed = [1.0, 2, 3, 4, 5, 6], [3.0, 1, 2, 6, 4, 5]
    table = correlation_table(*_frames({"abs": rising, "rope": mixed}, ["a", "a", "a", "b", "b", "b"]))
    plain = table[table["test"] == "spearman"]
    tests = plain[(plain["predictor"] == "deviation") & (plain["outcome"] == "advantage")].set_index("encoding")
    assert tests.loc["abs", "statistic"] == pytest.approx(1)
    assert tests.loc["abs", "p"] == pytest.approx(2 / 720)
    assert tests.loc["abs", "p_holm"] == pytest.approx(4 / 720)
    assert tests.loc["rope", "p_holm"] == pytest.approx(tests.loc["rope", "p"])
    assert set(tests["decidable"]) == {"yes"}
    # With deviation 0..5 and sparsity falling, every correlation with sparsity is the opposite.
    sparsity = plain[(plain["predictor"] == "sparsity") & (plain["outcome"] == "advantage")].set_index("encoding")
    assert sparsity.loc["abs", "statistic"] == pytest.approx(-1)
    # Each predictor says all of the other: nothing is left to correlate.
    partial = table[table["test"] == "partial"]
    assert partial["p"].isna().all()
    assert "a partial correlation (given sparsity)" in partial.iloc[0]["note"]
    best = table[table["outcome"] == "family of the best encoding"].iloc[0]
    assert best["p"] == pytest.approx(0.1)  # 2 of the 20 splits
    assert best["decidable"] == "no"
    steadiest = table[table["outcome"] == "family of the steadiest encoding"].iloc[0]
    assert "nothing to compare" in steadiest["note"]


def test_four_data_sets_decide_nothing() -> None:
    table = correlation_table(*_frames({"abs": [1.0, 2, 3, 4]}, ["a", "a", "b", "b"]))
    row = table.iloc[0]
    assert row["p"] == pytest.approx(1 / 12)
    assert row["decidable"] == "no"
    assert "0.0833" in row["note"]
    assert "cannot decide" in row["note"]


def test_five_data_sets_and_holm() -> None:
    rising = [1.0, 2, 3, 4, 5]
    table = correlation_table(*_frames(dict.fromkeys("abcdefgh", rising), ["a"] * 5))
    row = table.iloc[0]
    assert row["smallest_p"] == pytest.approx(1 / 60)
    assert row["smallest_p_holm"] == pytest.approx(8 / 60)
    assert row["decidable"] == "no"
    assert "Holm over 8 tests" in row["note"]


def test_deviation_seeds_do_not_score(here: Path) -> None:
    study = made_up.make_study(3)
    made_up.write_study(study, lambda cell, seed: made_up.plain_score(cell, seed) * (2 if seed > 10 else 1))
    tables = build_tables(study)
    none = tables["cells"][tables["cells"]["encoding"] == "none"].iloc[0]
    assert none["planned"] == 3
    assert none["full_ndcg10_mean"] == pytest.approx(0.10)
    assert tables["datasets"]["deviation_points"].to_list() == pytest.approx([2.0] * 3)


def test_an_interval_of_rho_from_eight_data_sets_on() -> None:
    order = [2.0, 1, 4, 3, 6, 5, 8, 7]  # sum of d^2 = 8: rho = 1 - 48 / 504
    row = correlation_table(*_frames({"abs": order}, ["a"] * 8)).iloc[0]
    rho = 1 - 48 / 504
    half = 1.959964 * math.sqrt((1 + rho**2 / 2) / 5)
    assert row["statistic"] == pytest.approx(rho)
    assert row["low"] == pytest.approx(math.tanh(math.atanh(rho) - half), abs=1e-6)
    assert row["high"] == pytest.approx(math.tanh(math.atanh(rho) + half), abs=1e-6)
    fewer = correlation_table(*_frames({"abs": order[:7]}, ["a"] * 7)).iloc[0]
    assert np.isnan(fewer["low"])
    assert np.isnan(fewer["high"])


def test_no_interval_of_rho_where_ranks_agree_wholly() -> None:
    row = correlation_table(*_frames({"abs": [float(i) for i in range(9)]}, ["a"] * 9)).iloc[0]
    assert row["statistic"] == pytest.approx(1)
    assert np.isnan(row["low"])


def test_the_interval_of_rho_holds_the_true_one_often_enough() -> None:
    first, second = np.random.default_rng(6).standard_normal((2, 400, 8))
    second = 0.5 * first + math.sqrt(0.75) * second
    rhos = [stats.spearmanr(x, y).statistic for x, y in zip(first, second, strict=True)]
    found = [intervals.rank_correlation_interval(float(rho), 8) for rho in rhos]
    true = 6 / math.pi * math.asin(0.25)
    assert np.mean([x is not None and x[0] <= true <= x[1] for x in found]) > 0.92
