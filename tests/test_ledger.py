"""The table of scenarios: a run of some of them replaces their rows alone."""

from tests.ledger import Row, Step, document


def rows(*named: tuple[str, str, str]) -> list[Row]:
    return [Row(group, name, [Step("`snakemake all`")], outcome) for group, name, outcome in named]


def test_a_whole_run_is_its_rows_alone() -> None:
    text = document(rows(("Faults", "a full disk", "passed"), ("DVC", "a pull", "not run: no DVC")))
    assert text.index("## Faults") < text.index("## DVC")
    assert "| a full disk | `snakemake all` | nothing | 0 | passed |\n" in text
    assert "| a pull | `snakemake all` | nothing | 0 | not run: no DVC |\n" in text


def test_some_scenarios_replace_their_rows_where_these_stood() -> None:
    before = [
        ("Faults", "a full disk", "FAILED"),
        ("Faults", "a kill", "passed"),
        ("Faults", "a kill", "passed"),
        ("DVC", "a pull", "not run: no DVC"),
    ]
    again = [("DVC", "a pull", "passed"), ("DVC", "a push", "passed"), ("Faults", "a full disk", "fine")]
    expected = [("Faults", "a full disk", "fine"), *before[1:3], *again[:2]]
    assert document(rows(*again), document(rows(*before))) == document(rows(*expected))
