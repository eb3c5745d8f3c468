"""What wrong inputs print: each names the key, option or file, and the way out; none shows Python's own words."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from posrec import cli
from posrec.files import write_text

STUDY: dict[str, Any] = {
    "study": "small",
    "datasets": {"toy": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}},
    "encodings": ["none", "rope", "abs"],
    "model": {"dimension": 16},
    "training": {"epochs": 1},
    "seeds": [1, 2, 3],
}
NEVER = re.compile(r"Traceback|<unicode string>|Errno|errno|<class|object at 0x|KeyError|TypeError|ValueError")

# What is typed, and what the one line on stderr has to contain: the place, then the way out.
COMMANDS = [
    ("", "required: VERB", "posrec --help"),
    ("trian", "'trian'", "did you mean 'train'?"),
    ("raport", "'raport'", "did you mean 'report'?"),
    ("figure", "'figure'", "did you mean 'figures'?"),
    ("exprot", "'exprot'", "did you mean 'export'?"),
    ("plan --budgt 2h", "--budgt", "did you mean '--budget'?"),
    ("plan --budget", "--budget", "posrec plan --help"),
    ("plan --budget soon", "--budget soon", "such as 90m, 2h or 1.5d"),
    ("plan --budget 0h", "--budget 0h", "such as 90m, 2h or 1.5d"),
    ("plan a.yaml b.yaml", "b.yaml", "posrec plan --help"),
    ("plan params.yaml --study params.yaml", "--study", "not allowed with argument STUDY"),
    ("plan parms.yaml", "parms.yaml: cannot be read", "did you mean 'params.yaml'?"),
    ("plan nowhere/study.yaml", "nowhere/study.yaml: cannot be read", "there is no folder nowhere"),
    ("plan --study", "--study", "posrec plan --help"),
    ("plan .", ".: cannot be read", "give a file in it"),
    ("train --dataset tyo", "--dataset tyo", "did you mean 'toy'?"),
    ("train --encoding rotary", "--encoding rotary", "did you mean 'rope'?"),
    ("train --encoding RoPE", "--encoding RoPE", "did you mean 'rope'?"),
    ("train --encoding NoPE", "--encoding NoPE", "did you mean 'none'?"),
    ("train --encoding sinusoidal", "--encoding sinusoidal", "did you mean 'abs'?"),
    ("train --encoding alibi", "--encoding alibi", "it has: none, rope, abs"),
    ("train --seed 9", "--seed 9", "have the seeds 1, 2, 3"),
    ("train --seed one", "--seed", "invalid int value: 'one'"),
    ("train --batch toy-9", "--batch toy-9", "did you mean 'toy-1'?"),
    ("train --batch other", "--batch other", "it has: toy-1"),
    ("train --batch toy-1 --encoding learnt", "--encoding learnt", "it has: none, rope, abs"),
    ("prepare", "--dataset", "posrec prepare --help"),
    ("prepare --dataset tyo", "--dataset tyo", "the study has toy; did you mean 'toy'?"),
    ("prepare --dataset toy", "results/raw", "posrec simulate --dataset toy"),
    ("candidates --dataset toy", "results/studies/small", "posrec prepare"),
    ("describe --dataset toy", "results/studies/small", "posrec prepare"),
    ("baselines --dataset toy", "results/studies/small", "posrec prepare"),
    ("fetch amazon2014-beuty", "amazon2014-beuty", "did you mean 'amazon2014-beauty'?"),
    ("analyse", "result files are missing", "snakemake"),
    ("figures", "result files are missing", "snakemake"),
    ("report", "result files are missing", "snakemake"),
    ("snapshot", "result files are missing", "snakemake"),
    ("prune --only run", "'run'", "choose from"),
    ("verify --retrain many", "--retrain", "invalid int value: 'many'"),
    ("encodings shaw", "'shaw'", "did you mean 'rmha4'?"),
    ("encodings sinusoidal", "'sinusoidal'", "did you mean 'abs'?"),
    ("encodings --check mine.py", "mine.py", "there is no such file"),
    ("dvc /elsewhere/params.yaml", "params.yaml: cannot be read", "there is no folder /elsewhere"),
    ("store elsewhere/a.yaml", "elsewhere/a.yaml", "study files are params.yaml and those in studies/"),
]
# Changes of the study file, and what the error has to contain.
STUDIES = [
    ({"seedz": [1]}, "params.yaml: seedz", "did you mean 'seeds'?"),
    ({"encodings": ["none", "Rotary"]}, "params.yaml: encodings", "did you mean 'rope'?"),
    ({"encodings": ["none", "shaw"]}, "params.yaml: encodings", "did you mean 'rmha4'?"),
    ({"encodings": ["NoPE"]}, "params.yaml: encodings", "did you mean 'none'?"),
    ({"encodings": ["none", "sinusoidal"]}, "params.yaml: encodings", "did you mean 'abs'?"),
    ({"encodings": ["none", "none"]}, "encodings: none is listed twice", "remove one"),
    ({"encodings": ["none", False]}, "encodings[2]", "quote it"),
    ({"encodings": []}, "encodings", "at least 1"),
    ({"seeds": [1, "two", 3]}, "seeds", "valid integer"),
    ({"seeds": [1, 2]}, "seeds", "add seeds, or set report.stability: false"),
    ({"deviation_seeds": [3, 4, 5]}, "deviation_seeds", "use other seeds"),
    ({"datasets": {}}, "datasets", "at least 1"),
    ({"datasets": {"toy": {}}}, "datasets.toy", "give one of `source`, `table` and `simulate`"),
    ({"datasets": {"toy": {"source": "amazon2014-beuty"}}}, "datasets.toy", "amazon2014-beauty"),
    ({"datasets": {"toy": {"table": {"path": "gone.tsv"}}}}, "datasets.toy.table", "put the file there"),
    ({"protocols": ["sond"]}, "protocols", "did you mean 'sound'?"),
    ({"model": {"heads": 3}}, "model.heads", "choose a divisor"),
    ({"model": {"dimensions": 16}}, "model.dimensions", "did you mean 'dimension'?"),
    ({"training": {"epochs": 0}}, "training.epochs", "greater than"),
    ({"training": {"loss": "sofmax"}}, "training.loss", "did you mean 'softmax'?"),
    ({"training": {"learning_rate": []}}, "training.learning_rate", "give at least one value"),
    ({"report": {"margin": {"relative": -1}}}, "report.margin.relative", "greater than or equal to 0"),
    ({"only": [{"encoding": "rope"}, {"encoding": "learnt"}]}, "only[2].encoding", "it has: abs, none, rope"),
]
TEXTS = [
    ("", "params.yaml", "a study file is a mapping of keys; see params.yaml"),
    ("study: [small\nseeds: 3\n", "params.yaml: line 2, column 6", "see params.yaml for an example"),
    ("study: small\n\tseeds: [1]\n", "params.yaml: line 2, column 1", "indent with spaces"),
    ("study: a\nseeds: [1]\nseeds: [2]\n", "line 3: duplicate key seeds", "remove one"),
    ("study: a\nseeds: [010]\n", "line 2", "write that, or quote a name"),
    ("- study\n", "params.yaml", "a study file is a mapping of keys"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the small study and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSREC_STORE", raising=False)
    write_text("params.yaml", yaml.safe_dump(STUDY))
    return tmp_path


def _complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        status = cli.main(words)
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    said = capsys.readouterr().err
    assert status == 2, said
    assert said.startswith("posrec: "), said
    assert not NEVER.search(said), said
    return said


@pytest.mark.parametrize(("typed", "place", "remedy"), COMMANDS)
def test_a_wrong_command(typed: str, place: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = _complaint(typed.split(), capsys)
    assert place in said
    assert remedy in said


@pytest.mark.parametrize(("changes", "place", "remedy"), STUDIES)
def test_a_wrong_study(changes: dict[str, Any], place: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_text("params.yaml", yaml.safe_dump({**STUDY, **changes}))
    said = _complaint(["plan", "--no-calibration"], capsys)
    assert place in said
    assert remedy in said


@pytest.mark.parametrize(("text", "place", "remedy"), TEXTS)
def test_a_file_that_is_no_study(text: str, place: str, remedy: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_text("params.yaml", text)
    said = _complaint(["plan", "--no-calibration"], capsys)
    assert place in said
    assert remedy in said


def test_bytes_that_are_not_text(capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_bytes(b"study: caf\xe9\n")
    assert "byte 11 is not UTF-8); save it as UTF-8" in _complaint(["plan"], capsys)


def test_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("POSREC_ENCODINGS", "nowhere")
    assert "POSREC_ENCODINGS=nowhere: is not a folder; correct or unset it" in _complaint(["plan"], capsys)


def test_there_are_sixty() -> None:
    assert len(COMMANDS) + len(STUDIES) + len(TEXTS) >= 60
