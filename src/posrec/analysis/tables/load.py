"""Read a study's runs, cards and baselines into one table of runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from posrec.data.prepare.prepared import identity_of
from posrec.errors import DataError
from posrec.files import REMEDY, digest, read_checked_json, sha256
from posrec.plan import ids
from posrec.plan.run import PlannedRun, planned_runs, run_files
from posrec.store import results
from posrec.study.encodings import family_of
from posrec.study.study import Study
from posrec.study.variation import settings_label, varied_settings

GROUP = ["dataset", "protocol", "settings"]  # cells of one group differ in their encoding alone
METRICS = {"hit10": "Hit@10", "ndcg10": "NDCG@10", "mrr": "MRR"}
KINDS = {"sampled": "among the sampled candidates", "full": "on the full catalogue"}
TITLES = {f"{kind}_{key}": f"{title} {where}" for kind, where in KINDS.items() for key, title in METRICS.items()}
NEW = "new_"  # before the name of a metric: on new targets alone, where many were in the history
PRIMARY = "full_ndcg10"
BASELINES = ("chance", "popularity", "month popularity", "markov", "item_knn")
COMMAND = "snakemake --cores all all"
SHOWN = 3  # how many missing files an error names


@dataclass(frozen=True)
class Inputs:
    """A study's results as read from its files.

    runs: one row per planned run and protocol, see KEPT; baselines: data set -> baseline -> metric, such as
    "full_ndcg10"; cards: data set -> card. Metrics are fractions.
    """

    study: Study
    runs: pd.DataFrame
    baselines: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]

    @property
    def checksum(self) -> str:
        """The checksum of the files that these results were read from."""
        return inputs_checksum(self.study)

    @property
    def spread(self) -> bool:
        """Whether spreads over seeds are shown at all."""
        return self.study.settings.report.stability

    @property
    def simulated(self) -> list[str]:
        """Names of the simulated data sets."""
        return [name for name, card in self.cards.items() if card.get("simulated")]

    def label(self, dataset: str) -> str:
        """Name of a data set for readers; says that it is simulated where it is."""
        return f"{dataset} (simulated)" if dataset in self.simulated else dataset


IDENTITY = {  # columns that say which cell a row is about -> meaning; most tables begin with them
    "dataset": "data set, as the study names it",
    "protocol": "training protocol",
    "settings": "the settings that vary within a data set; empty where none does",
    "encoding": "positional encoding",
    "family": "how the position reaches the model: none, added, concatenated, relative",
}
RUN_COLUMNS = {
    **IDENTITY,
    "seed": "seed of the run",
    "role": "scoring: compares encodings; deviation: estimates the data set's deviation and nothing else",
    "status": "finished or failed",
    "failure": "step and reason of a failure",
    "selected_epoch": "epoch whose weights were scored",
    "epochs_trained": "epochs trained before training ended",
    "still_rising": "whether all epochs were trained and one of the last two readings is the best: not converged",
    **TITLES,
    **{f"{kind}_tie_share": f"share of test users whose item ties {where}" for kind, where in KINDS.items()},
    "collapsed": "whether the run is at chance level",
    "run_id": "id of the training's settings",
}
KEPT = [
    *RUN_COLUMNS,
    *(NEW + name for name in TITLES),
    "diagnostics",
]  # diagnostics: what the run file says, for their own table


def load_inputs(study: Study) -> Inputs:
    """Read all run files, cards and baselines of a study. Raises DataError where one is missing or of another run."""
    files = {name: ids.dataset_files(study, name) for name in study.settings.datasets}
    needed = run_files(study)
    _check_present([*needed, *(path for entry in files.values() for path in (entry.card, entry.baselines))])
    varied = varied_settings(study.cells)
    rows = [row for run in planned_runs(study) for row in _run_rows(run, varied)]
    runs = pd.DataFrame(rows, columns=KEPT).astype({"selected_epoch": "Int64", "epochs_trained": "Int64"})
    baselines = {name: _baselines(entry.baselines) for name, entry in files.items()}
    return Inputs(study, runs, baselines, {name: _card(entry.card) for name, entry in files.items()})


def inputs_checksum(study: Study) -> str:
    """The checksum of all that tables, figures and report are made from. Raises DataError where a file is missing."""
    files = [ids.dataset_files(study, name) for name in study.settings.datasets]
    read = [path for entry in files for path in (entry.manifest, entry.card, entry.baselines)]
    paths = [*read, *(run.path for run in planned_runs(study))]  # an npz is covered by the checksum in its json
    try:
        return digest([sha256(path) for path in paths], length=64)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); make it with `{COMMAND}`") from None


def _check_present(paths: Iterable[Path]) -> None:
    missing = [path for path in paths if not path.exists()]
    if missing:
        first = "\n  ".join(str(path) for path in missing[:SHOWN])
        more = f"\n  and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise DataError(f"{len(missing)} result files are missing:\n  {first}{more}\nmake them with `{COMMAND}`")


def _run_rows(run: PlannedRun, varied: list[str]) -> list[dict[str, Any]]:
    """A row per protocol of the run's cell."""
    study, cell, scoring = run.study, run.cell, run.seed in run.study.settings.scoring_seeds
    common = {
        "dataset": cell.dataset,
        "settings": settings_label(cell, varied),
        "encoding": cell.encoding,
        "family": family_of(cell.encoding),
        "run_id": run.run_id,
        "role": "scoring" if scoring else "deviation",
    }
    first = study.protocols[0].name  # its runs alone estimate the deviation
    return [{**common, "protocol": name, **row} for name, row in _run(run).items() if scoring or name == first]


def _run(run: PlannedRun) -> dict[str, dict[str, Any]]:
    """A row of a run's results under each of its cell's protocols."""
    record = results.read_content(run.path)
    found = {key: record.get(key) for key, value in run.must_say.items() if record.get(key) != value}
    if found:
        raise DataError(f"{run.path}: holds another run ({found}); {REMEDY}")
    try:
        return {protocol.name: _row(record, protocol.name) for protocol in run.cell.protocols}
    except (KeyError, TypeError) as error:
        raise DataError(f"{run.path}: lacks {error}; {REMEDY}") from None


def _row(record: dict[str, Any], protocol: str) -> dict[str, Any]:
    """A run under one protocol; a run that failed can still have results under another protocol."""
    row: dict[str, Any] = {name: record.get(name) for name in ("seed", "epochs_trained", "still_rising")}
    row["diagnostics"] = record["diagnostics"]
    if record["status"] == "failed" and protocol not in record["evaluations"]:
        failure = record.get("failure") or {}
        reason = f"{failure.get('step', '?')}: {failure.get('reason', '?')}"
        return {**row, "status": "failed", "failure": reason, "collapsed": False}
    scores = _scores(record["evaluations"][protocol], row["diagnostics"])
    return {**row, "status": "finished", "failure": "", **scores}


def _scores(scores: dict[str, Any], of_training: dict[str, Any]) -> dict[str, Any]:
    metrics = _metrics(scores)
    ties = {f"{kind}_tie_share": float(scores["tie_share"][kind]) for kind in KINDS}
    facts = {"selected_epoch": scores["selected_epoch"], "collapsed": bool(scores["collapsed"])}
    return {**facts, **metrics, **ties, "diagnostics": {**of_training, **scores["diagnostics"]}}


def _metrics(scores: dict[str, Any]) -> dict[str, float]:
    """The metrics of a run or a baseline by column; those on new targets where it has them."""
    kinds = [*KINDS, *(NEW + kind for kind in KINDS if NEW + kind in scores)]
    return {f"{kind}_{key}": float(scores[kind][title]) for kind in kinds for key, title in METRICS.items()}


def _baselines(path: Path) -> dict[str, Any]:
    found = read_checked_json(path, **identity_of(path)).get("baselines", {})
    try:
        named = {name: _metrics(scores) for name, scores in found.items()}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: lacks {error}; {REMEDY}") from None
    return {name: named[name] for name in [*(n for n in BASELINES if n in named), *sorted(set(named) - set(BASELINES))]}


def _card(path: Path) -> dict[str, Any]:
    card: dict[str, Any] = read_checked_json(path, **identity_of(path))
    for key in ("users", "items", "interactions", "density", "sparsity"):
        if key not in card:
            raise DataError(f"{path}: lacks '{key}'; {REMEDY}")
    return card
