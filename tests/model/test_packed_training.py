"""The packed engine against the padded model: one step, twenty steps, ranks, and the error of float32.

Every encoding with every block, head and residual is tests/scenarios/scenario_equivalence.py.
"""

import pytest
from benchmarks import equivalence
from benchmarks.speed_reference import make_data

from posrec.data.prepare.prepared import Prepared

SPECIAL: list[equivalence.Case] = [
    {"engine": "torch", "encoding": "learnt", "residual": "sum", "decoder_residual": "none"},
    {"engine": "torch", "encoding": "learnt", "head": "dot", "norm": "rms", "norm_place": "after"},
    {"engine": "torch", "encoding": "rope", "decoder_residual": "sum", "activation": "gelu"},
    {"engine": "torch", "encoding": "learnt", "upper_bound": 2.0},
]


@pytest.fixture(scope="module")
def simulated() -> Prepared:
    return make_data(equivalence.WORK)


@pytest.mark.parametrize("case", equivalence.COVERING + SPECIAL, ids=lambda case: "-".join(map(str, case.values())))
def test_training_is_that_of_the_equations(simulated: Prepared, case: equivalence.Case) -> None:
    row = equivalence.measure(case, simulated)
    assert {name: row[name] for name, bound in equivalence.BOUNDS.items() if not row[name] <= bound} == {}


def test_training_moves_the_parameters(simulated: Prepared) -> None:
    """Else nothing is compared after twenty steps."""
    side = equivalence.Side(equivalence.COVERING[0], simulated, padded=False, precision="fp64")
    before = side.parameters()
    side.train()
    assert equivalence.largest(side.parameters() - before) > 0.01
