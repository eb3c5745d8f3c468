"""Protocols: presets, mixtures, what belongs to which id, and trainings that protocols share."""

from typing import Any

import pytest

from posrec.errors import StudyError
from posrec.plan import ids
from posrec.study import protocols, study
from posrec.study.protocols import PRESETS, SWITCHES, EvaluationSwitches, TrainingSwitches, parse
from posrec.study.study import Study


def loaded(*entries: Any, **changes: Any) -> Study:
    raw = {
        "study": "test",
        "protocols": list(entries),
        "datasets": {"twin": {"simulate": {"users": 40, "items": 60, "mean_length": 5}}},
        "encodings": ["none", "learnt"],
        "seeds": [1, 2, 3],
    }
    return study.from_dict({**raw, **changes})


def test_presets() -> None:
    assert PRESETS["sound"].training == TrainingSwitches()
    assert PRESETS["sound"].training.masked
    assert not PRESETS["sound_last"].training.masked
    released = PRESETS["released"]
    values = {**released.training.model_dump(), **released.evaluation.model_dump()}
    assert {name for name, value in values.items() if value != "released"} == {"targets"}
    assert not released.training.masked


@pytest.mark.parametrize("switch", [name for name in SWITCHES if name != "targets"])
def test_every_switch_is_in_its_own_id_alone(switch: str) -> None:
    one = loaded(
        "sound", {"name": "mixture", switch: "released"} | ({"dot_head_test": "sound"} if switch == "dot_head" else {})
    )
    runs = {ids.run_id(one, cell) for cell in one.cells if cell.encoding == "none"}
    blocks = {ids.block_id(one, protocol.name) for protocol in one.protocols}
    in_training = switch in TrainingSwitches.model_fields
    assert (len(runs), len(blocks)) == ((2, 1) if in_training else (1, 2))


def test_both_halves_of_a_row_are_set_by_its_name() -> None:
    both, test_half = parse(
        [
            {"name": "both", "candidate_position": "released"},
            {"name": "test_half", "candidate_position_test": "released"},
        ],
        "s",
    )
    assert both.training.candidate_position_training == both.evaluation.candidate_position_test == "released"
    assert test_half.training == TrainingSwitches()
    assert test_half.evaluation == EvaluationSwitches(candidate_position_test="released")


def test_protocols_that_differ_in_evaluation_share_their_trainings() -> None:
    one = loaded("sound", {"name": "tied", "ties": "released"}, "released", deviation_seeds=[11, 12, 13])
    names = {(cell.encoding, *(protocol.name for protocol in cell.protocols)) for cell in one.cells}
    assert names == {
        (encoding, *shared) for encoding in ("none", "learnt") for shared in (("sound", "tied"), ("released",))
    }
    seeds = {(cell.encoding, cell.protocol.name): len(cell.seeds) for cell in one.cells}
    assert seeds == {("none", "sound"): 6, ("learnt", "sound"): 3, ("none", "released"): 3, ("learnt", "released"): 3}


def test_only_keeps_the_protocols_it_names() -> None:
    one = loaded("sound", {"name": "tied", "ties": "released"}, only=[{"protocol": "tied", "encoding": "learnt"}])
    assert [(cell.encoding, [protocol.name for protocol in cell.protocols]) for cell in one.cells] == [
        ("learnt", ["tied"])
    ]


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        (["sond"], "did you mean 'sound'?"),
        ([{"base": "sound"}], "needs a `name`"),
        ([{"name": "a", "base": "relesed"}], "did you mean 'released'?"),
        ([{"name": "a", "tie": "released"}], "did you mean 'ties'?"),
        ([{"name": "a", "ties": "broken"}], "one of 'sound', 'released'"),
        ([{"name": "a", "targets": "none"}], "one of 'all', 'last'"),
        ([{"name": "a b", "ties": "released"}], "letters, digits"),
        ([{"name": "released", "base": "sound"}], "is the name of a preset"),
        (["sound", "sound"], "is listed twice"),
        (["sound", {"name": "same"}], "sound and same have the same switches"),
    ],
)
def test_a_wrong_entry_names_the_way_out(entries: list[Any], text: str) -> None:
    with pytest.raises(StudyError) as caught:
        protocols.parse(entries, "study.yaml")
    assert text in str(caught.value)
    assert "study.yaml: protocols" in str(caught.value)
