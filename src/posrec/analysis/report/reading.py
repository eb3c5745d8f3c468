"""The tables as the report shows them: few columns, rounded, in points."""

from typing import Any, TypeAlias

import pandas as pd

from posrec.analysis import registry
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.cells import POINTS
from posrec.analysis.topics.wording import between, number

MOST_ROWS = 500
Shown = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
Row: TypeAlias = "pd.Series[Any]"


def shown_tables(tables: Tables) -> list[tuple[str, bool, Shown]]:
    """Title, whether it starts folded, and content of each table of the report."""
    shown = [
        ("Cells (NDCG@10 on the full catalogue unless said otherwise)", False, _cells(tables)),
        ("Data sets", False, _datasets(tables)),
        ("Encodings compared, two by two", True, _comparisons(tables)),
        ("Mean ranks over data sets", True, _ranks(tables)),
        ("Correlation over data sets", True, _correlation(tables)),
        *(
            (entry.title, True, _plain(tables.more[entry.name], tables.inputs.simulated))
            for entry in registry.tables(tables.inputs.study)
            if entry.build
        ),
        (_runs_title(tables), True, _runs(tables)),
    ]
    several = len(tables.inputs.study.settings.protocols) > 1
    return [(title, folded, without_idle(content, several)) for title, folded, content in shown]


def _plain(table: pd.DataFrame, simulated: list[str]) -> Shown:
    """A table of the registry as it is, rounded to four digits; simulated data sets are said to be."""
    shown = table.head(MOST_ROWS).replace({"dataset": {name: f"{name} (simulated)" for name in simulated}})
    rows = (tuple("" if pd.isna(value) else _short(value) for value in row) for row in shown.itertuples(index=False))
    return tuple(str(name).replace("_", " ") for name in shown.columns), tuple(rows)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def without_idle(shown: Shown, several_protocols: bool) -> Shown:
    """Leave out columns that hold nothing, and the protocol where there is only one."""
    header, rows = shown
    idle = {name for name, *values in zip(header, *rows, strict=True) if not any(values)}
    kept = [i for i, name in enumerate(header) if name not in idle and (several_protocols or name != "protocol")]
    return tuple(header[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows)


def _points(row: Row, name: str, digits: int = 2) -> str:
    return number(POINTS * row[name] if pd.notna(row[name]) else None, digits)


def _with_interval(row: Row, name: str, digits: int = 2) -> str:
    low, high = (POINTS * row[f"{name}_{end}"] for end in ("low", "high"))
    return f"{_points(row, name, digits)} {between(low, high, digits)}".strip()


def _named(row: Row, tables: Tables) -> str:
    return str(row["dataset"]) + (" (simulated)" if row["dataset"] in tables.inputs.simulated else "")


def _cells(tables: Tables) -> Shown:
    header = ("data set", "protocol", "settings", "encoding", "family", "seeds", "mean", "sd", "cv", "ahead of none")
    more = ("p of one group", "full Hit@10", "sampled Hit@10", "sampled NDCG@10", "collapsed", "ties", "note")
    rows = []
    order = {name: number for number, name in enumerate(tables.inputs.study.settings.datasets)}
    by_dataset = tables.cells.sort_values("dataset", key=lambda names: names.map(order), kind="stable")
    for _, row in by_dataset.iterrows():
        trained = row["kind"] == "encoding"
        ahead = between(row["advantage_low_points"], row["advantage_high_points"])
        cells = [
            _named(row, tables),
            row["protocol"],
            row["settings"],
            row["encoding"],
            row["family"] if trained else "baseline",
        ]
        cells += [f"{row['finished']}/{row['planned']}" if trained else "", _with_interval(row, "full_ndcg10_mean")]
        cells += [_with_interval(row, "full_ndcg10_sd", 3), number(row["full_ndcg10_cv"], 3)]
        cells += [f"{number(row['advantage_points'])} {ahead}".strip()]
        cells += [number(row["full_ndcg10_gap_p"], 3) if trained else ""]
        cells += [_with_sd(row, name) for name in ("full_hit10", "sampled_hit10", "sampled_ndcg10")]
        cells += [str(row["collapsed"]) if trained else "", number(row["full_tie_share_mean"], 3), _cell_note(row)]
        rows.append(tuple(cells))
    return (*header, *more), tuple(rows)


def _with_sd(row: Row, name: str) -> str:
    mean, spread = _points(row, f"{name}_mean"), _points(row, f"{name}_sd")
    return mean if spread == "-" else f"{mean} (sd {spread})"


def _cell_note(row: Row) -> str:
    notes = [f"{row['failed']} failed"] if pd.notna(row["failed"]) and row["failed"] else []
    notes += ["fewer than 3 finished"] if row["few_seeds"] == "yes" else []
    return ", ".join(notes)


def _datasets(tables: Tables) -> Shown:
    header = ("data set", "protocol", "settings", "users", "items", "interactions", "sparsity", "deviation", "seeds")
    more = ("sampled Hit@10 deviation", "best", "steadiest", "chance", "popularity", "month popularity", "markov")
    rows = []
    for _, row in tables.datasets.iterrows():
        interval = between(row["deviation_low_points"], row["deviation_high_points"], 3)
        cells = [
            _named(row, tables),
            row["protocol"],
            row["settings"],
            *(str(row[n]) for n in ("users", "items", "interactions")),
        ]
        cells += [number(row["sparsity"], 5), f"{number(row['deviation_points'], 3)} {interval}".strip()]
        cells += [
            f"{row['deviation_finished']}/{row['deviation_seeds']}",
            number(row["deviation_sampled_hit10_points"], 3),
        ]
        cells += [_choice(row, name) for name in ("best", "steadiest")]
        baselines = ("chance", "popularity", "month_popularity", "markov")
        cells += [number(row[f"{name}_full_ndcg10_points"]) for name in baselines]
        rows.append(tuple(cells))
    return (*header, *more), tuple(rows)


def _choice(row: Row, name: str) -> str:
    known = pd.notna(row[f"{name}_encoding"])
    return f"{row[f'{name}_encoding']} ({row[f'{name}_family']})" if known else "-"


def _comparisons(tables: Tables) -> Shown:
    header = ("data set", "protocol", "settings", "encoding", "against", "seeds", "ahead by", "p (Holm)", "beats it")
    more = ("ratio of sd", "p of the ratio (Holm, permutation; verdicts use it)", "p (Brown-Forsythe, alone)")
    power = ("power for a doubled sd", "seeds for 80 %")
    rows = []
    for _, row in tables.comparisons.head(MOST_ROWS).iterrows():
        ahead = between(row["difference_low_points"], row["difference_high_points"])
        ratio = between(row["sd_ratio_low"], row["sd_ratio_high"]) or _why(row["sd_ratio_interval"])
        cells = [_named(row, tables), *(str(row[name]) for name in ("protocol", "settings", "encoding", "against"))]
        cells += [str(row["pairs"]), f"{number(row['difference_points'])} {ahead}".strip(), number(row["p_holm"], 3)]
        cells += [number(row["improvement"]), f"{number(row['sd_ratio'])} {ratio}".strip()]
        cells += [number(row[name], 3) for name in ("spread_p_holm", "brown_forsythe_p")]
        cells += [number(row["power_doubled"])]
        rows.append((*cells, "-" if pd.isna(row["seeds_for_doubled"]) else str(row["seeds_for_doubled"])))
    return (*header, *more, *power), tuple(rows)


def _why(reason: Any) -> str:
    """Why there is no interval, in brackets; empty where nothing was asked."""
    return "" if pd.isna(reason) else f"({reason})"


def _ranks(tables: Tables) -> Shown:
    header = (
        "protocol",
        "settings",
        "what",
        "encoding",
        "mean rank",
        "data sets",
        "p (Friedman)",
        "critical difference",
    )
    rows = []
    for _, row in tables.ranks.iterrows():
        cells = [str(row[name]) for name in ("protocol", "settings", "what", "encoding")]
        cells += [number(row["mean_rank"]), str(row["datasets"]), number(row["p"], 4)]
        rows.append((*cells, number(row["critical_difference"]), "" if pd.isna(row["note"]) else str(row["note"])))
    return (*header, "note"), tuple(rows)


def _correlation(tables: Tables) -> Shown:
    header = ("protocol", "settings", "test", "predictor", "outcome", "encoding", "data sets", "statistic")
    more = ("one left out", "p", "p (Holm)", "smallest p", "decidable", "note")
    rows = []
    for _, row in tables.correlation.iterrows():
        cells = [row["protocol"], row["settings"], row["test"], row["predictor"], row["outcome"]]
        cells += ["" if pd.isna(row["encoding"]) else row["encoding"], str(row["datasets"])]
        cells += [f"{number(row['statistic'])} {between(row['low'], row['high'])}".strip()]
        cells += [between(row["leave_one_out_low"], row["leave_one_out_high"])]
        cells += [number(row[name], 4) for name in ("p", "p_holm", "smallest_p")]
        rows.append((*cells, row["decidable"], "" if pd.isna(row["note"]) else row["note"]))
    return (*header, *more), tuple(rows)


def _runs_title(tables: Tables) -> str:
    total = len(tables.runs)
    return "Runs" if total <= MOST_ROWS else f"Runs (the first {MOST_ROWS} of {total}; all stand in runs.csv)"


def _runs(tables: Tables) -> Shown:
    names = ("full_ndcg10", "full_hit10", "sampled_ndcg10", "sampled_hit10")
    facts = ("data set", "protocol", "settings", "encoding", "seed", "role", "status", "epoch", "epochs")
    titles = ("full NDCG@10", "full Hit@10", "sampled NDCG@10", "sampled Hit@10")
    rows = []
    for _, row in tables.runs.head(MOST_ROWS).iterrows():
        cells = [
            _named(row, tables),
            *(str(row[name]) for name in ("protocol", "settings", "encoding", "seed", "role", "status")),
        ]
        cells += ["-" if pd.isna(row[name]) else str(row[name]) for name in ("selected_epoch", "epochs_trained")]
        rows.append((*cells, *(_points(row, name) for name in names)))
    return (*facts, *titles), tuple(rows)


def claim_rows(tables: Tables) -> Shown:
    """The verdicts, one row a claim and protocol; the protocol only where there are several."""
    header = ("claim", "statement", "protocol", "verdict", "estimate", "p", "why")
    rows = [
        (
            row["claim"],
            row["statement"],
            row["protocol"],
            row["verdict"],
            _estimate(row),
            number(row["p"], 3),
            row["reason"],
        )
        for _, row in tables.claims.sort_values("claim", kind="stable").iterrows()
    ]
    return without_idle((header, tuple(rows)), len(tables.inputs.study.settings.protocols) > 1)


def _estimate(row: Row) -> str:
    if pd.isna(row["estimate"]):
        return ""
    return f"{number(row['estimate'])} {between(row['low'], row['high'])} {row['unit']}".replace("  ", " ")


def published_rows(tables: Tables) -> Shown:
    """The paper's cells beside ours."""
    header = ("data set", "protocol", "settings", "encoding", "theirs: activation", "upper bound", "runs", "Hit@10")
    more = ("NDCG@10", "ours - theirs: Hit@10", "NDCG@10", "sd of Hit@10, ours / theirs", "suspect")
    rows = []
    for _, row in tables.published.head(MOST_ROWS).iterrows():
        bound = "none" if pd.isna(row["published_upper_bound"]) else f"{row['published_upper_bound']:g}"
        runs = "-" if pd.isna(row["published_runs"]) else str(row["published_runs"])
        cells = [_named(row, tables), *(str(row[name]) for name in ("protocol", "settings", "encoding"))]
        cells += ["" if pd.isna(row["published_activation"]) else str(row["published_activation"]), bound, runs]
        cells += [_published(row, name) for name in ("hit10", "ndcg10")]
        cells += [number(row[f"{name}_difference_points"]) for name in ("hit10", "ndcg10")]
        doubts = [name for name in ("tie", "label") if row[f"{name}_suspect"] == "yes"]
        rows.append((*cells, number(row["hit10_sd_ratio"]), ", ".join(doubts)))
    return (*header, *more), tuple(rows)


def _published(row: Row, name: str) -> str:
    return f"{number(row[f'published_{name}_points'])} (sd {number(row[f'published_{name}_sd_points'])})"


def failure_rows(tables: Tables) -> Shown:
    """Runs that failed or collapsed."""
    wrong = tables.runs[(tables.runs["status"] != "finished") | tables.runs["collapsed"].astype(bool)]
    header = ("data set", "protocol", "settings", "encoding", "seed", "what happened")
    rows = []
    for _, row in wrong.iterrows():
        what = f"failed at step {row['failure']}" if row["status"] != "finished" else "collapsed to chance level"
        rows.append(
            (_named(row, tables), *(str(row[name]) for name in ("protocol", "settings", "encoding", "seed")), what)
        )
    return header, tuple(rows)
