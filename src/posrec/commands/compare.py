"""`posrec compare`: a system of your own in a study's comparison, on the same users and candidates."""

import argparse
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from posrec.analysis import own_system
from posrec.commands.recommend import check_name, write_table
from posrec.errors import StudyError
from posrec.files import write_text
from posrec.serve.histories import read_file
from posrec.study.study import Study, load
from posrec.text import table


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    study = load(arguments.study)
    dataset = _dataset(study, arguments.dataset)
    place = own_system.Place.of(study, dataset)
    if arguments.write_candidates:
        check_name(arguments.write_candidates)
        found = own_system.written_candidates(place)
        write_table(arguments.write_candidates, found)
        print(f"{arguments.write_candidates}: {found.height:,} candidates of {len(place.requests.users):,} users")
        return
    greater, tied, counted = own_system.read_ranks(place, read_file(arguments.ranks))
    compared = own_system.compare(study, dataset, place, (greater, tied), arguments.name)
    print(shown(compared))
    print(f"posrec compare: {_counts(counted)}")
    if arguments.out:
        write_text(arguments.out, compared.to_csv(index=False))


def shown(compared: pd.DataFrame) -> str:
    """The comparison as text."""
    header = ("system", "settings", "seeds", "Hit@10", "NDCG@10", "difference", "interval", "own system is")
    rows = [_line(row) for row in compared.to_dict("records")]
    return table(header, rows, left=(0, 1, 7))


def _line(row: Mapping[Hashable, Any]) -> tuple[str, ...]:
    named = [str(row[key]) for key in ("protocol", "settings") if isinstance(row[key], str) and row[key]]
    means = [f"{100 * row[key]:.2f} %" for key in ("hit10", "ndcg10")]
    difference = ["", "", ""]
    if isinstance(row["verdict"], str):
        interval = f"[{row['low_points']:+.2f}, {row['high_points']:+.2f}]"
        difference = [f"{row['difference_points']:+.2f}", interval, row["verdict"]]
    seeds = "" if pd.isna(row["seeds"]) else str(row["seeds"])
    return (str(row["system"]), " ".join(named), seeds, *means, *difference)


def _counts(counted: own_system.Counted) -> str:
    text = f"{counted.rows:,} rows read"
    if counted.ignored:
        text += f", {counted.ignored:,} of them no candidates, ignored"
    if counted.unscored:
        text += f"; {counted.unscored:,} candidates have no score and are ranked below all others"
    return f"{text}. Differences are points of NDCG@10 on the sampled candidates; intervals hold for all rows together"


def _dataset(study: Study, name: str | None) -> str:
    names = list(study.settings.datasets)
    if name is None and len(names) == 1:
        return names[0]
    if name not in names:
        raise StudyError(f"--dataset{f' {name}' if name else ''}: the study has {', '.join(names)}; name one")
    return name
