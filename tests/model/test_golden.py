"""Guards of TRAINING_VERSION and EVALUATION_VERSION: fails when results change and the number was not raised."""

from dataclasses import replace

import pytest

from posrec.data.prepare.prepared import Prepared
from posrec.files import read_json
from tests.model import golden

KNOWN = golden.known()
CASES = golden.cases()
WRITE = "then `python -m tests.model.golden`"
need_numbers = pytest.mark.skipif(
    golden.KERNELS not in read_json(golden.FILE)["cases"], reason=f"no golden numbers of {golden.KERNELS} kernels"
)


def test_the_numbers_are_those_of_the_versions() -> None:
    content = read_json(golden.FILE)
    assert content["versions"] == golden.VERSIONS, f"a version was raised: {WRITE}"
    for of_kernels in content["cases"].values():
        assert set(of_kernels) == {"baselines", *CASES}, f"check the new cases, {WRITE}"


@need_numbers
@pytest.mark.parametrize("name", CASES)
def test_results_of_this_version(data: Prepared, name: str) -> None:
    for part, found in golden.numbers(CASES[name], data).items():
        known = KNOWN[name][part]
        assert found == pytest.approx(known, rel=1e-9, abs=1e-12), f"raise {part.upper()}_VERSION, {WRITE}"


@need_numbers
def test_baselines_of_this_version(data: Prepared) -> None:
    found = golden.baselines(data)["evaluation"]
    assert found == pytest.approx(KNOWN["baselines"]["evaluation"], rel=1e-9), f"EVALUATION_VERSION, {WRITE}"


@need_numbers
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case != golden.Case()])
def test_a_case_differs_from_the_plain_one(data: Prepared, name: str) -> None:
    """Else its encoding, setting or switch would not be seen, and nothing would guard it."""
    case, plain = CASES[name], KNOWN["learnt"]
    if case.protocol != "sound":
        plain = golden.numbers(replace(case, protocol="sound"), data)
    elif case.settings and case.encoding != "learnt":
        plain = KNOWN[case.encoding]
    assert KNOWN[name] != plain
