"""When a study's results were looked at: the numbers of seeds, kept beside its provenance.

Seeds that are added until something shows spend an error that nobody counted. So every writing of the tables notes how
many seeds it saw; `posrec provenance` compares that with the looks that the study declares.
"""

from pathlib import Path

from posrec.errors import DataError
from posrec.files import read_json, write_json
from posrec.plan import ids
from posrec.study.study import Study


def record(study: Study) -> None:
    """Note the number of seeds of this look, where it differs from that of the last."""
    seeds, before = len(study.settings.scoring_seeds), taken(study)
    if before[-1:] != [seeds]:
        write_json(_path(study), {"seeds": [*before, seeds]})


def taken(study: Study) -> list[int]:
    """The numbers of seeds at which the results were looked at here, in order; empty where that isn't known."""
    try:
        return [int(number) for number in read_json(_path(study))["seeds"]]
    except (DataError, KeyError, TypeError, ValueError):
        return []


def note(study: Study) -> str:
    """The looks in words; says which of them the study doesn't declare."""
    numbers, declared = list(dict.fromkeys(taken(study))), study.settings.looks
    named = ", ".join(map(str, numbers))
    if not numbers:
        return "not recorded"
    if not declared:
        return f"at {named} seeds" + (", none declared: their error isn't counted" if len(numbers) > 1 else "")
    undeclared = [str(number) for number in numbers if number not in declared]
    plan = f"at {named} of the declared {', '.join(map(str, declared))} seeds"
    return f"{plan}; not declared: {', '.join(undeclared)}, whose error isn't counted" if undeclared else plan


def _path(study: Study) -> Path:
    return ids.PROVENANCE / study.name / "looks.json"
