"""`posrec encodings`: the list, one explained, the table of the documentation, and the checks of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from posrec.analysis.costs import cost_of
from posrec.cli import main
from posrec.model.encodings import REGISTRY
from posrec.study import encodings
from posrec.study.encodings import ENCODINGS
from tests.pages import printed

BROKEN = """
import torch
from posrec.model.encodings import Encoding, register

@register("bad", "added")
class Bad(Encoding):
    def __init__(self, shape, generator):
        super().__init__(shape, generator)
        self.unused = torch.nn.Parameter(torch.ones(3))

    def encode(self, x, rows):
        return (x * x + x).double()

    def scores(self, query, pairs, block):
        return 1e-3 * pairs.keys.rows.double().mean() * pairs.vectors.sum((2, 3))[:, :, None, None] * pairs.distance
"""


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(encodings.FOLDER, "")
    known = set(REGISTRY)
    yield
    for name in set(REGISTRY) - known:
        del REGISTRY[name]


def test_the_list_has_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encodings"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    end = lines.index([])
    assert lines[0][:6] == ["encoding", "family", "learnt", "step", "request", "source"]
    assert {line[1] for line in lines[1:end]} == set(encodings.FAMILIES)
    found = {line[0]: line[2] for line in lines[1:end]}
    assert len(found) == len(ENCODINGS)
    assert (found["none"], found["learnt"], found["rmha{clip}"]) == ("0", "3,264", f"{2 * 9 * 32 + 64 * 64 + 64:,}")


def test_one_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encodings", "to_rope-mode=split_by_dim"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("to_rope-mode=split_by_dim (time_order)")
    assert "Source: arXiv 2510.20455" in said
    assert "mode = split_by_dim" in said
    cost = cost_of("to_rope-mode=split_by_dim", 50)
    assert cost is not None
    assert f"Cost: 0 learnt numbers at width 64, 50 slots, 2 heads and 1 block; a step {cost.step:.2f}, " in said
    assert main(["encodings", "to_rop"]) == 2
    assert "did you mean 'to_rope'" in capsys.readouterr().err


def test_the_table_has_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encodings", "--markdown"]) == 0
    rows = [line.replace("\\|", "").split("|") for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == len(ENCODINGS) + 2
    assert {len(row) for row in rows} == {10}
    assert all(cell.strip() for row in rows for cell in (*row[1:5], row[6]))


def test_the_file_of_the_guide_passes_every_check(
    clean: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = printed("guide/own-encoding.md", "python")
    assert len(text.splitlines()) <= 25
    (tmp_path / "own.py").write_text(text)
    assert main(["encodings", "--check", str(tmp_path / "own.py")]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        *([name, "passed"] for name in ("shapes", "dtype", "affine", "padding", "causality", "gradients")),
        ["shift", "note"],
    ]


def test_a_bad_file_fails_what_it_breaks(clean: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not affine, another type, an unused parameter, and scores that depend on later keys and on padding."""
    (tmp_path / "bad.py").write_text(BROKEN)
    assert main(["encodings", "--check", str(tmp_path / "bad.py")]) == 1
    said = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert [name for name, line in said.items() if "FAILED" in line] == [
        *("dtype", "affine", "padding", "causality", "gradients")
    ]
    assert "none reaches unused" in said["gradients"]
    (tmp_path / "none.py").write_text("x = 1\n")
    assert main(["encodings", "--check", str(tmp_path / "none.py")]) == 2
    assert "registers no encoding" in capsys.readouterr().err


WRONG = {  # the one check that fails -> the method that breaks it
    "shapes": "def rotate(self, x, rows, block): return x[:, :1]",
    "dtype": "def encode(self, x, rows): return x + rows[:, None].double()",
    "affine": "def encode(self, x, rows): return x * x.norm(dim=1, keepdim=True)",
    "padding": "def scores(self, query, pairs, block): return pairs.distance * query.shape[2] / 100",
    "causality": "def scores(self, query, pairs, block): "
    "return pairs.vectors[:, :, -1:].sum(3, keepdim=True) * pairs.distance / 9",
    "gradients": "def project(self, y, block): return y + (self.unused * y).detach()",
}


@pytest.mark.parametrize("check", WRONG)
def test_a_file_that_breaks_one_thing_fails_there(
    check: str, clean: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unused = "\n    def __init__(self, *given):\n        super().__init__(*given)\n        "
    unused += "self.unused = torch.nn.Parameter(torch.ones(()))\n"
    head = BROKEN.partition("@register")[0] + '@register("bad", "added")\nclass Bad(Encoding):'
    (tmp_path / "bad.py").write_text(f"{head}{unused if check == 'gradients' else ''}\n    {WRONG[check]}\n")
    assert main(["encodings", "--check", str(tmp_path / "bad.py")]) == 1
    failed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if "FAILED" in line}
    assert check in failed
    assert failed - {check} <= (
        {"dtype", "affine", "padding", "causality", "gradients"} if check == "shapes" else set()
    )


@pytest.mark.parametrize("name", ["hstu_bias", "cope", "kernel", "tisasrec", "siren_rope", "rmha4", "learnt"])
def test_the_built_in_ones_pass(name: str) -> None:
    from posrec.model.encodings.check import check_encoding

    assert [found for found in check_encoding(name) if found.passed is False] == []
