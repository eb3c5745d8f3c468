"""Read what a study's runs, cards and baselines say into one table of runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from posrec import versions
from posrec.data.prepare.prepared import identity_of
from posrec.errors import DataError
from posrec.files import REMEDY, read_checked_json
from posrec.plan import ids
from posrec.store import results
from posrec.study.encodings import family_of
from posrec.study.study import Cell, Study
from posrec.study.variation import settings_label, varied_settings

GROUP = ["dataset", "protocol", "settings"]  # cells of one group differ in their encoding alone
METRICS = {"hit10": "Hit@10", "ndcg10": "NDCG@10", "mrr": "MRR"}
KINDS = ("sampled", "full")
PRIMARY = "full_ndcg10"
BASELINES = ("chance", "popularity", "month popularity", "markov")
COMMAND = "snakemake --cores all all"
SHOWN = 3  # how many missing files an error names


@dataclass(frozen=True)
class Inputs:
    """A study's results as read from its files.

    runs: one row a planned run, see KEPT; baselines: data set -> baseline -> metric, such as "full_ndcg10";
    cards: data set -> card. Metrics are fractions.
    """

    study: Study
    runs: pd.DataFrame
    baselines: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]

    @property
    def spread(self) -> bool:
        """Whether spreads over seeds are shown at all."""
        return self.study.settings.report.stability

    @property
    def simulated(self) -> list[str]:
        """Names of the simulated data sets."""
        return [name for name, card in self.cards.items() if card.get("simulated")]


RUN_COLUMNS = [
    *("dataset", "protocol", "settings", "encoding", "family", "seed", "role", "status", "failure"),
    *("selected_epoch", "epochs_trained"),
    *(f"{kind}_{metric}" for kind in KINDS for metric in METRICS),
    *(f"{kind}_tie_share" for kind in KINDS),
    *("collapsed", "run_id"),
]
KEPT = [*RUN_COLUMNS, "diagnostics"]  # diagnostics: what the run file says, for their own table


def load_inputs(study: Study) -> Inputs:
    """Read all run files, cards and baselines of a study. Raises DataError where one is missing or of another run."""
    files = {name: ids.dataset_files(study, name) for name in study.settings.datasets}
    needed = [path for cell in study.cells for path in ids.run_files(study, cell)]
    _check_present([*needed, *(path for entry in files.values() for path in (entry.card, entry.baselines))])
    varied = varied_settings(study.cells)
    rows = [row for cell in study.cells for row in _cell_rows(study, cell, varied)]
    runs = pd.DataFrame(rows, columns=KEPT).astype({"selected_epoch": "Int64", "epochs_trained": "Int64"})
    baselines = {name: _baselines(entry.baselines) for name, entry in files.items()}
    return Inputs(study, runs, baselines, {name: _card(entry.card) for name, entry in files.items()})


def _check_present(paths: Iterable[Path]) -> None:
    missing = [path for path in paths if not path.exists()]
    if missing:
        first = "\n  ".join(str(path) for path in missing[:SHOWN])
        more = f"\n  and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise DataError(f"{len(missing)} result files are missing:\n  {first}{more}\nmake them with `{COMMAND}`")


def _cell_rows(study: Study, cell: Cell, varied: list[str]) -> list[dict[str, Any]]:
    run_id = ids.run_id(study, cell)
    folder = ids.run_folder(study, cell)
    common = {
        "dataset": cell.dataset,
        "settings": settings_label(cell, varied),
        "encoding": cell.encoding,
        "family": family_of(cell.encoding),
        "run_id": run_id,
    }
    scoring = set(study.settings.seeds)
    first = study.protocols[0].name  # its runs alone estimate the deviation
    return [
        {**common, "protocol": name, "role": "scoring" if seed in scoring else "deviation", **row}
        for seed in cell.seeds
        for name, row in _run(folder, seed, run_id, cell).items()
        if seed in scoring or name == first
    ]


def _run(folder: Path, seed: int, run_id: str, cell: Cell) -> dict[str, dict[str, Any]]:
    """A row of a run's results under each of its cell's protocols."""
    path = folder / f"seed={seed}.json"
    record = results.read_content(path)
    try:
        found = (record["run_id"], record["evaluation_id"], record["seed"], record["study_schema"])
        if found != (run_id, folder.name, seed, versions.STUDY_SCHEMA):
            raise DataError(f"{path}: holds another run (run and evaluation id, seed, schema: {found}); {REMEDY}")
        return {protocol.name: _row(record, protocol.name) for protocol in cell.protocols}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: lacks {error}; {REMEDY}") from None


def _row(record: dict[str, Any], protocol: str) -> dict[str, Any]:
    """A run under one protocol; of a run that failed, those under which it can be scored are results all the same."""
    row = {"seed": record["seed"], "epochs_trained": record.get("epochs_trained")}
    row["diagnostics"] = record["diagnostics"]
    if record["status"] == "failed" and protocol not in record["evaluations"]:
        failure = record.get("failure") or {}
        told = f"{failure.get('step', '?')}: {failure.get('reason', '?')}"
        return {**row, "status": "failed", "failure": told, "collapsed": False}
    scores = _scores(record["evaluations"][protocol], row["diagnostics"])
    return {**row, "status": "finished", "failure": "", **scores}


def _scores(scores: dict[str, Any], of_training: dict[str, Any]) -> dict[str, Any]:
    metrics = {f"{kind}_{name}": float(scores[kind][title]) for kind in KINDS for name, title in METRICS.items()}
    ties = {f"{kind}_tie_share": float(scores["tie_share"][kind]) for kind in KINDS}
    facts = {"selected_epoch": scores["selected_epoch"], "collapsed": bool(scores["collapsed"])}
    return {**facts, **metrics, **ties, "diagnostics": {**of_training, **scores["diagnostics"]}}


def _baselines(path: Path) -> dict[str, Any]:
    found = read_checked_json(path, **identity_of(path)).get("baselines", {})
    try:
        named = {
            name: {f"{kind}_{key}": found[name][kind][title] for kind in KINDS for key, title in METRICS.items()}
            for name in found
        }
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: lacks {error}; {REMEDY}") from None
    return {name: named[name] for name in [*(n for n in BASELINES if n in named), *sorted(set(named) - set(BASELINES))]}


def _card(path: Path) -> dict[str, Any]:
    card: dict[str, Any] = read_checked_json(path, **identity_of(path))
    for key in ("users", "items", "interactions", "density", "sparsity"):
        if key not in card:
            raise DataError(f"{path}: lacks '{key}'; {REMEDY}")
    return card
