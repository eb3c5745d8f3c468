"""What each column of the tables means; the report prints it beside them."""

from posrec.analysis import registry
from posrec.analysis.claims.judge import CLAIM_COLUMNS
from posrec.analysis.registry import Table
from posrec.analysis.tables.cells import CELL_COLUMNS
from posrec.analysis.tables.comparisons import COMPARISON_COLUMNS, RANK_COLUMNS
from posrec.analysis.tables.correlation import CORRELATION_COLUMNS
from posrec.analysis.tables.datasets import DATASET_COLUMNS
from posrec.analysis.tables.load import RUN_COLUMNS
from posrec.analysis.tables.published import PUBLISHED_COLUMNS
from posrec.study.study import Study

CORE = {
    "runs": RUN_COLUMNS,
    "cells": CELL_COLUMNS,
    "datasets": DATASET_COLUMNS,
    "comparisons": COMPARISON_COLUMNS,
    "ranks": RANK_COLUMNS,
    "correlation": CORRELATION_COLUMNS,
    "claims": CLAIM_COLUMNS,
    "published": PUBLISHED_COLUMNS,
}
UNITS = (
    "Metrics and spreads are fractions; a name that ends in _points is in points (x 100). "
    "An empty field: not known, or not shown."
)

_METRICS = {"hit10": "Hit@10", "ndcg10": "NDCG@10", "mrr": "MRR"}
_KINDS = {"full": "on the full catalogue", "sampled": "among the sampled candidates"}
_TITLES = {f"{kind}_{key}": f"{title} {where}" for kind, where in _KINDS.items() for key, title in _METRICS.items()}
_DEVIATIONS = {
    "deviation": "NDCG@10 on the full catalogue",
    "deviation_sampled_hit10": "sampled Hit@10",
    "deviation_sampled_ndcg10": "sampled NDCG@10",
}

MEANINGS: dict[str, str] = {
    "kind": "encoding: a trained cell; baseline: a rule without training",
    "dataset": "data set, as the study names it",
    "protocol": "training protocol",
    "settings": "the settings that vary within a data set; empty where none does",
    "encoding": "positional encoding, or the baseline's name",
    "family": "how the position reaches the model: none, added, concatenated, relative",
    "seed": "seed of the run",
    "role": "scoring: compares encodings; deviation: estimates the data set's deviation and nothing else",
    "status": "finished or failed",
    "failure": "step and reason of a failure",
    "selected_epoch": "epoch whose weights were scored",
    "epochs_trained": "epochs trained before training ended",
    "collapsed": "run at chance level (runs); number of such runs (cells)",
    "run_id": "id of the training's settings",
    "planned": "runs planned",
    "finished": "runs finished",
    "failed": "runs failed",
    "few_seeds": "yes: fewer than three finished runs",
    "full_ndcg10_cv": "coefficient of variation: standard deviation over mean",
    "full_ndcg10_mad": "median absolute deviation, not rescaled",
    "full_ndcg10_iqr": "interquartile range",
    "full_ndcg10_gap_p": "p of the largest gap between neighbouring scores, against normal ones: a small one says "
    "that the seeds fall into groups (from four seeds on; a large one does not show a single group)",
    "collapse_rate": "share of the finished runs at chance level",
    "collapse_rate_low": "lower 95 % bound of it (Wilson)",
    "collapse_rate_high": "upper 95 % bound of it (Wilson)",
    "pairs": "seeds that finished both here and with none",
    "advantage_points": "mean over those seeds of full NDCG@10 minus that of none",
    "advantage_low_points": "lower 95 % bound of it (paired t)",
    "advantage_high_points": "upper 95 % bound of it (paired t)",
    "advantage_adjusted_low_points": "lower bound that holds for all encodings of the data set together (Bonferroni)",
    "advantage_adjusted_high_points": "upper bound that holds for all encodings of the data set together (Bonferroni)",
    "log_sd_ratio": "natural logarithm of the standard deviation of full NDCG@10 over that of none",
    "title": "the data set's title",
    "simulated": "yes: a simulated twin, no real data",
    "users": "users",
    "items": "items",
    "interactions": "interactions",
    "density": "interactions / (users x items)",
    "sparsity": "1 - density",
    "mean_length": "mean number of interactions a user",
    "tied_pairs_share": "share of a user's consecutive interactions with the same time",
    "one_item_training_share": "share of users with one training item",
    "days": "days from the first interaction to the last",
    "sequentiality": "share of a first-order chain's Hit@10 that shuffling the histories takes away",
    "repeat_rate": "share of interactions with an item that the user met before",
    "popularity_gini": "Gini coefficient of the items' interactions",
    "deviation_seeds": "runs of none planned for the deviation",
    "deviation_finished": "of these, finished",
    "best_encoding": "encoding with the highest mean full NDCG@10 (of two or more)",
    "best_family": "its family",
    "best_full_ndcg10_points": "its mean",
    "steadiest_encoding": "encoding with the lowest standard deviation (three finished seeds, not all collapsed)",
    "steadiest_family": "its family",
    "steadiest_sd_points": "its standard deviation",
    "chance_full_ndcg10_points": "full NDCG@10 of a random order",
    "popularity_full_ndcg10_points": "full NDCG@10 of the most popular items",
    "month_popularity_full_ndcg10_points": "full NDCG@10 of the items most popular in the request's calendar month",
    "markov_full_ndcg10_points": "full NDCG@10 of a first-order item-to-item chain",
    "full_ndcg10_sd_interval": "which interval of the standard deviation is shown, or why none is",
    "full_ndcg10_iqm": "interquartile mean: mean of the middle half of the scores",
    "against": "the encoding it is compared with",
    "difference_points": "mean over the seeds of both of full NDCG@10 minus that of the other",
    "difference_low_points": "lower bound that holds for all comparisons of the family together (t, Bonferroni)",
    "difference_high_points": "upper bound that holds for all comparisons of the family together (t, Bonferroni)",
    "improvement": "probability that a run of it beats a run of the other",
    "seeds": "finished runs of the one with fewer",
    "sd_ratio": "standard deviation over seeds divided by that of the other",
    "sd_ratio_low": "lower 95 % bound of it (BCa bootstrap, from six seeds on, twenty where runs collapse)",
    "sd_ratio_high": "upper 95 % bound of it (BCa bootstrap, from six seeds on, twenty where runs collapse)",
    "sd_ratio_interval": "which interval of the ratio is shown, or why none is",
    "spread_p": "two-sided p of a permutation test of the log ratio, each cell centred on its median",
    "spread_p_holm": "the same after Holm over the family",
    "spread_tests": "number of these tests in the family",
    "brown_forsythe_p": "two-sided p of Brown-Forsythe's test of the two spreads, alone; to compare: the verdicts use "
    "the permutation test",
    "power_doubled": "share of normal studies with as many seeds in which a doubled spread is seen (Brown-Forsythe)",
    "seeds_for_doubled": "seeds with which that share is 80 %",
    "what": "level or spread of full NDCG@10",
    "mean_rank": "mean rank over data sets, 1 = best (highest level, smallest spread)",
    "critical_difference": "mean ranks closer than this aren't told apart at 5 % (Nemenyi)",
    "published_dataset": "the paper's name of the data set",
    "published_activation": "activation of the published cell",
    "published_upper_bound": "upper bound (max_norm) of the published cell; empty: none",
    "published_runs": "runs of the published cell; empty where it isn't printed",
    "published_hit10_points": "published mean Hit@10",
    "published_hit10_sd_points": "published standard deviation of Hit@10 over seeds",
    "published_ndcg10_points": "published mean NDCG@10",
    "published_ndcg10_sd_points": "published standard deviation of NDCG@10 over seeds",
    "tie_suspect": "yes: NDCG@10 is 0.75 of Hit@10 or more, so that the positive must have won ties",
    "label_suspect": "yes: the published row's label contradicts another",
    "hit10_difference_points": "our mean sampled Hit@10 minus the published",
    "ndcg10_difference_points": "our mean sampled NDCG@10 minus the published",
    "hit10_sd_ratio": "our standard deviation of sampled Hit@10 divided by the published",
    "claim": "claim of the paper, C1 to C9",
    "statement": "what it says",
    "verdict": "supported, contradicted or not decidable with these data",
    "estimate": "the figure that the verdict shows",
    "low": "lower bound of the estimate; correlation: lower 95 % bound of rho (Fisher's z with the error of Bonett and "
    "Wright, from eight data sets on)",
    "high": "upper bound of it",
    "unit": "unit of the estimate",
    "reason": "why the verdict is what it is",
    "test": "how it was tested (correlation: spearman, partial = spearman with the other predictor held, family = does "
    "the predictor differ by family of the choice)",
    "predictor": "deviation or sparsity of the data set",
    "outcome": "advantage over none, log spread ratio to none, or the family of the best / steadiest encoding",
    "datasets": "data sets in the test",
    "statistic": "spearman: rho; family: between-family sum of squares of the ranks",
    "leave_one_out_low": "lowest rho when one data set is left out",
    "leave_one_out_high": "highest rho when one data set is left out",
    "p": "two-sided p (permutation; ranks: Friedman, ordered anew within data sets; claims: after Holm)",
    "p_method": "exact: all orders; Monte Carlo: random orders with a fixed seed",
    "orders": "orders counted",
    "p_holm": "p after Holm over its family (correlation: the tests of one predictor and outcome)",
    "tests": "number of tests that Holm counts",
    "smallest_p": "smallest p that this many data sets or seeds can reach (claims: after Holm)",
    "smallest_p_holm": "the same after Holm, where it is the smallest of the tests",
    "decidable": "no: even the clearest outcome stays above 5 %",
    "note": "why there is no test, or what it can't show",
    **_TITLES,
    **{f"{name}_mean": f"mean {title} over the finished seeds (a baseline's value)" for name, title in _TITLES.items()},
    **{f"{name}_sd": f"sample standard deviation (n - 1) of {title} over seeds" for name, title in _TITLES.items()},
    **{f"full_ndcg10_{what}_low": f"lower 95 % bound of the {what}" for what in ("mean", "sd")},
    **{
        f"full_ndcg10_{what}_high": f"upper 95 % bound of the {what} (mean: t; sd: exact chi-square)"
        for what in ("mean", "sd")
    },
    **{f"{kind}_tie_share": f"share of test users whose item ties {where}" for kind, where in _KINDS.items()},
    **{f"{kind}_tie_share_mean": f"mean share of test users whose item ties {where}" for kind, where in _KINDS.items()},
    **{f"{key}_points": f"standard deviation over deviation_seeds of none: {of}" for key, of in _DEVIATIONS.items()},
    **{
        f"{key}_low_points": f"lower 95 % bound of the deviation of {of} (exact chi-square)"
        for key, of in _DEVIATIONS.items()
    },
    **{
        f"{key}_high_points": f"upper 95 % bound of the deviation of {of} (exact chi-square)"
        for key, of in _DEVIATIONS.items()
    },
}

CORRELATION_MEANINGS = {name: MEANINGS[name] for name in CORRELATION_COLUMNS}


def documented(study: Study) -> dict[str, dict[str, str]]:
    """For each table of a study its columns, in order, with what they mean."""
    return {table.name: _columns(table) for table in registry.tables(study)}


def _columns(table: Table) -> dict[str, str]:
    if table.columns:
        meanings: dict[str, str] = registry.of_analysis(table.columns)
        return meanings
    return {name: MEANINGS[name] for name in CORE[table.name]}
