"""What each encoding costs beside `none`, as it was measured: `python -m benchmarks encodings` writes the file."""

import csv
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from posrec.study.encodings import EXAMPLES, find

FILE = Path(__file__).parent / "tables" / "encoding_costs.csv"


@dataclass(frozen=True)
class Cost:
    """Of a training step and of a request, as multiples of those of `none`, at so many slots."""

    length: int
    step: float
    request: float


def cost_of(name: str, length: int) -> Cost | None:
    """What an encoding of this name costs at the measured length that is nearest to `length` (as a ratio).

    Numbers among its parameters (`rope-base=100`) are left aside. None for an encoding that was not measured.
    """
    return min(_measured().get(form_of(name), []), key=lambda cost: abs(math.log(cost.length / length)), default=None)


def form_of(name: str) -> str:
    """The name of an encoding with only the words among its parameters.

    >>> form_of("rmha7"), form_of("to_rope-mode=split_by_dim-base=100")
    ('rmha4', 'to_rope-mode=split_by_dim')
    """
    choice = find(name)
    words = {key: choice.parameters[key] for key in choice.kind.choices}
    changed = [f"-{key}={word}" for key, word in words.items() if word != choice.kind.parameters[key]]
    return "".join([EXAMPLES.get(choice.kind.name, choice.kind.name), *changed])


@lru_cache(maxsize=1)
def _measured() -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {}
    with FILE.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            cost = Cost(int(row["L"]), float(row["step ratio"]), float(row["request ratio"]))
            found.setdefault(row["encoding"], []).append(cost)
    return found
