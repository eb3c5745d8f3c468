"""Every encoding with every block, head and residual: the packed engine computes what the padded model does."""

import pytest
from benchmarks import equivalence
from benchmarks.speed_reference import make_data

from posrec.data.prepare.prepared import Prepared


@pytest.fixture(scope="module")
def simulated() -> Prepared:
    return make_data(equivalence.WORK)


@pytest.mark.parametrize("case", equivalence.CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_training_is_that_of_the_equations(simulated: Prepared, case: equivalence.Case) -> None:
    row = equivalence.measure(case, simulated)
    print(row)
    assert {name: row[name] for name, bound in equivalence.BOUNDS.items() if not row[name] <= bound} == {}
