"""What exists: names with parameters, and a user's own encoding from the folder that the user names."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from posrec.errors import StudyError
from posrec.model.encodings import REGISTRY, EncodingError, Shape, build_encoding
from posrec.model.runs import run as run_module
from posrec.model.train import build_model, train_run
from posrec.plan import ids
from posrec.study import encodings
from tests.model.conftest import make_cell
from tests.model.conftest import make_data as make_random
from tests.model.toy import make_data, make_study, run

OWN = '''"""A learnt number for all items."""
import torch
from posrec.model.encodings import Encoding, register

@register("shift", "added", by=2.0)
class Shift(Encoding):
    def __init__(self, shape, generator, by=2.0):
        super().__init__(shape, generator)
        self.by = by

    def encode(self, x, rows):
        return x + self.by
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(encodings.FOLDER, str(tmp_path))
    (tmp_path / "shift.py").write_text(OWN)
    yield tmp_path / "shift.py"
    REGISTRY.pop("shift", None)
    for name in [name for name in sys.modules if name.startswith("posrec_own_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rop", "did you mean 'rope'"),
        ("rmha0", "does not exist"),
        ("rope-bas=100", "did you mean 'base'"),
        ("rope-base=x", "must be like 1000.0"),
        ("rope-base=-5", "does not exist"),
        ("rope-base=1000", "is the default; leave it out"),
        ("rmha4-clip=5", "no parameter 'clip'"),
        ("shift", "does not exist"),
        *((name, "did you mean 'rope'") for name in ("rotary", "RoPE", "roformer", "ROPE", "Rotary embedding")),
        *((name, "did you mean 'abs'") for name in ("sinusoidal", "sin-cos", "Absolute", "ABS")),
        *((name, "did you mean 'rmha4'") for name in ("shaw", "Shaw", "relative", "rmha")),
        *((name, "did you mean 'none'") for name in ("NoPE", "nope", "no", "None")),
        *((name, "did you mean 'learnt'") for name in ("learned", "learnable", "trainable")),
        ("rotary-base=100", "did you mean 'rope-base=100'"),
        ("ALiBi", "did you mean 'alibi'"),
        ("learnt-con", "did you mean 'learnt_con'"),
        ("rhma4", "did you mean 'rmha4'"),
    ],
)
def test_bad_names_and_the_way_out(name: str, expected: str) -> None:
    with pytest.raises(StudyError, match=expected):
        encodings.find(name)


def test_every_hint_names_an_encoding_and_no_word_means_two() -> None:
    words = [word for words in encodings.SYNONYMS.values() for word in words]
    assert len(words) == len(set(words))
    for name, others in encodings.SYNONYMS.items():
        assert encodings.find(name).kind.name
        for word in others:
            with pytest.raises(StudyError, match=f"did you mean '{name}'"):
                encodings.find(word)


def test_parameters_reach_the_encoding_and_the_run_id() -> None:
    assert build_encoding("rope-base=100", Shape(8, 2, 1, 5), torch.Generator()).base == 100
    assert build_encoding("rmha7", Shape(8, 2, 1, 5), torch.Generator()).keys.shape[1] == 15
    study = make_study(encodings=["rope", "rope-base=100", "rmha4", "rmha5"])
    assert len({ids.run_id(study, cell) for cell in study.cells}) == 4


def test_an_own_encoding_is_one_file_and_one_line(own: Path) -> None:
    x = torch.zeros(2, 8)
    assert build_encoding("shift-by=3", Shape(8, 2, 1, 5), torch.Generator()).encode(x, x).tolist() == (x + 3).tolist()
    assert encodings.family_of("shift") == "added"
    before = ids.run_id(make_study(encodings=["none", "shift"]), make_study(encodings=["none", "shift"]).cells[1])
    own.write_text(OWN + "\n# another text\n")
    study = make_study(encodings=["none", "shift"])
    assert ids.run_id(study, study.cells[1]) != before


def built(own: Path, by: str) -> float:
    """What `shift` adds after its file was rewritten; every text has the same length and time."""
    own.write_text(OWN.replace("2.0", by))
    os.utime(own, (1e9, 1e9))
    encodings._registered.cache_clear()
    x = torch.zeros(1, 8)
    return float(build_encoding("shift", Shape(8, 2, 1, 5), torch.Generator()).encode(x, x)[0, 0])


def test_the_file_runs_as_it_is_now(own: Path) -> None:
    """An edit within a second that leaves the size, as bytecode takes for none; and an edit that is taken back."""
    assert [built(own, by) for by in ("2.0", "3.0", "2.0")] == [2, 3, 2]
    assert not list(own.parent.glob("__pycache__"))


def test_a_file_that_changes_during_its_training_fails_the_job(
    own: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash is in the run id: what is trained with another text must not be filed under it."""
    monkeypatch.chdir(tmp_path_factory.mktemp("study"))
    make_data()
    job = run(make_study(encodings=["none", "shift"]), "shift")
    own.write_text(OWN + "\n# another text\n")
    with pytest.raises(EncodingError, match=r"shift\.py: was changed since this training was planned"):
        job.bring()
    own.write_text(OWN)
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "train_run", lambda *given: (train_run(*given), own.write_text(OWN + "# late"))[0])
        with pytest.raises(EncodingError):  # trained with the right text, evaluated with another
            job.bring()
    assert not job.path.exists()
    assert not any(path.exists() for path in job.blocks.values())
    own.write_text(OWN)
    assert job.bring()
    assert job.status() == "finished"


def test_reading_a_study_runs_no_file(own: Path) -> None:
    own.write_text(OWN + "\nraise SystemExit('it ran')\n")
    make_study(encodings=["none", "shift"])
    with pytest.raises(SystemExit, match="it ran"):
        build_encoding("shift", Shape(8, 2, 1, 5), torch.Generator())


@pytest.mark.parametrize("name", ["../shift", "shift.py", "/tmp/shift.py:Shift", "shift.py:Shift"])
def test_a_study_cannot_name_a_file(own: Path, name: str) -> None:
    with pytest.raises(StudyError, match="does not exist"):
        make_study(encodings=["none", name])


def test_an_own_encoding_cannot_ask_for_padding_behind_its_run_id(own: Path) -> None:
    """The layout is in the run id, and depends on the built-in encodings' names only."""
    own.write_text(OWN.replace("    def __init__", "    second_softmax = True\n\n    def __init__"))
    released = {"name": "mixed", "rmha_softmax": "released"}
    build_model(make_cell("shift"), make_random(), seed=1)
    with pytest.raises(StudyError, match="shift: second_softmax is for"):
        build_model(make_cell("shift", released), make_random(), seed=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@register('rope', 'added')\nclass A: pass\n", "is also registered in"),
        ("@register('Mine', 'added')\nclass A: pass\n", "a name consists of"),
        ("@register('mine', 'adde')\nclass A: pass\n", "family 'adde' does not exist"),
        ("@register('mine', 'added', k=print(1))\nclass A: pass\n", "all plain values"),
        ("def (:\n", "not a readable Python file"),
    ],
)
def test_bad_registrations_name_their_file(own: Path, text: str, expected: str) -> None:
    own.write_text(text)
    with pytest.raises(StudyError, match=expected):
        encodings.find("none")


def test_the_layout_follows_from_switches_and_encoding() -> None:
    released = {"name": "mixed", "rmha_softmax": "released"}
    assert make_cell("rmha4", released).layout == "padded"
    assert make_cell("rope", released).layout == make_cell("rmha4").layout == "packed"
