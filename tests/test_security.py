"""A study, a data set or a checkpoint from a stranger runs no code and writes nowhere but where it should."""

import ast
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from posrec import cli
from posrec.analysis.places import analysis_files
from posrec.data.prepare.interactions import code
from posrec.data.prepare.prepare import arrange
from posrec.errors import DataError, StudyError
from posrec.files import read_npz, write_text
from posrec.model.runs.weights import read_weights
from posrec.plan import ids
from posrec.plan.run import run_files
from posrec.study import study
from posrec.study.settings.dataset import DatasetSettings

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), ROOT / ".ci/audit"])
HOSTILE = [
    "../up",
    "..",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a b",
    "a;touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "a'b",
    'a"b',
    "a|b",
    "a&b",
    "a>b",
    "a\nb",
    "a\n",
    "a\x00b",
    "{wildcards}",
    "*",
    "~",
    "-rf",
    ".hidden",
    "",
    "a" * 65,
    "ä",
]
RAW: dict[str, Any] = {
    "study": "small",
    "datasets": {"toy": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}},
    "encodings": ["none", "rope"],
    "model": {"dimension": 16},
    "seeds": [1, 2, 3],
}


def with_name(place: str, name: str) -> dict[str, Any]:
    """The small study with a hostile name."""
    if place == "study":
        return {**RAW, "study": name}
    if place == "dataset":
        return {**RAW, "datasets": {name: RAW["datasets"]["toy"]}}
    if place == "source":
        return {**RAW, "datasets": {"toy": {"source": name}}}
    return {**RAW, "encodings": ["none", name]}


@pytest.mark.parametrize("place", ["study", "dataset", "source", "encoding"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_and_named(place: str, name: str) -> None:
    with pytest.raises(StudyError) as caught:
        study.from_dict(with_name(place, name), "theirs.yaml")
    key = {"study": "study", "dataset": "datasets", "source": "datasets.toy.source", "encoding": "encodings"}[place]
    assert str(caught.value).startswith(f"theirs.yaml: {key}")


@given(st.text(max_size=70), st.text(max_size=70))
def test_whatever_the_names_files_stay_in_the_studys_folder(name: str, dataset: str) -> None:
    raw = {**RAW, "study": name, "datasets": {dataset: RAW["datasets"]["toy"]}}
    try:
        loaded = study.from_dict(raw)
    except StudyError:
        return
    paths = list(run_files(loaded))
    paths += [path for found in analysis_files(loaded).values() for path in found]
    paths += vars(ids.dataset_files(loaded, dataset)).values()
    folder = os.path.normpath(ids.STUDIES / name)
    assert all(os.path.normpath(path).startswith(folder + os.sep) for path in paths)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
    assert all(re.fullmatch(r"[A-Za-z0-9_.=/-]+", str(path)) for path in paths)  # nothing that a shell reads otherwise


def test_a_study_file_cannot_name_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = yaml.safe_dump(RAW)
    for tag in ("python/object/apply:os.system ['touch pwned']", "python/object/new:os.system ['touch pwned']"):
        write_text("theirs.yaml", text.replace("study: small", f"study: !!{tag}"))
        with pytest.raises(StudyError, match=r"theirs\.yaml: line \d+, column \d+: not valid YAML"):
            study.load("theirs.yaml")
    assert not Path("pwned").exists()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "more than 100,000 values"),
        ("study: &a [*a]", "more than 100,000 values"),
        ("study: " + "[" * 5000, "not valid YAML"),
        ("study: 2024-13-45", "not valid YAML"),
        ("seeds: [" + "9" * 5000 + "]", "not valid YAML"),
    ],
    ids=["aliases", "a cycle", "depth", "no date", "a long number"],
)
def test_a_study_file_that_cannot_be_is_refused_at_once(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=rf"theirs\.yaml: {expected}"):
        study.load(path)


@pytest.mark.parametrize("name", ["../../up", "shop; touch pwned", "$(touch pwned)"])
def test_fetch_takes_known_names_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSREC_MIRROR", str(tmp_path))
    assert cli.main(["fetch", name]) == 2
    assert "is not known" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names_of_items_and_users_are_data_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["'; touch pwned; '", "../../up", "$(touch pwned)", '"', "\u202e", "=1+1"]
    rows = [(user, item, time) for user in names for time, item in enumerate(names)]
    table = pd.DataFrame(rows, columns=["user", "item", "time"])
    prepared = arrange(code(table), DatasetSettings(tied_times="file"), [[item] for item in names])
    assert all(np.issubdtype(value.dtype, np.number) for value in vars(prepared).values())
    assert list(tmp_path.iterdir()) == []


def code_that_runs() -> bytes:
    """A pickle, written by hand, that makes the file `pwned` when it is loaded."""
    return b"cos\nsystem\n(S'touch pwned'\ntR."


def test_the_made_up_pickle_would_run(tmp_path: Path) -> None:
    """Else the next tests prove nothing."""
    program = f"import pickle; pickle.loads({code_that_runs()!r})"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "pwned").exists()


def test_a_checkpoint_with_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.zeros(2)}, "good.pt")
    assert read_weights(Path("good.pt"))["weight"].tolist() == [0, 0]
    with zipfile.ZipFile("good.pt") as good, zipfile.ZipFile("bad.pt", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, code_that_runs() if name.endswith("data.pkl") else good.read(name))
    Path("plain.pt").write_bytes(code_that_runs())
    for name in ("bad.pt", "plain.pt"):
        with pytest.raises(DataError, match="not a file of weights alone"):
            read_weights(Path(name))
    assert not Path("pwned").exists()


def test_arrays_with_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("objects.npz", ranks=np.array([{"any": "object"}]))
    Path("plain.npz").write_bytes(code_that_runs())
    for name in ("objects.npz", "plain.npz"):
        with pytest.raises(DataError, match="not a readable npz of plain arrays"):
            read_npz(name)
    assert not Path("pwned").exists()


FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "runpy", "code"}
FORBIDDEN_CALLS = {
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.unsafe_load_all", "os.system"),
    *("os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pandas.read_pickle", "pd.read_pickle"),
    *("tempfile.mktemp", "torch.hub.load", "np.loads"),
}


def unsafe(tree: ast.AST) -> Iterator[str]:
    """Everything in a module that could run what it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"import {name}" for name in modules if name.split(".")[0] in FORBIDDEN_MODULES)
        if isinstance(node, ast.Call):
            name, keywords = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            if name in FORBIDDEN_NAMES | FORBIDDEN_CALLS:
                yield name
            if name == "torch.load" and keywords.get("weights_only") != "True":
                yield "torch.load without weights_only"
            if name == "np.load" and keywords.get("allow_pickle") != "False":
                yield "np.load without allow_pickle=False"
            if keywords.get("shell", "False") != "False":
                yield f"{name} with a shell"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_runs_what_it_reads(path: Path) -> None:
    assert list(unsafe(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "import pickle",
        "from pickle import loads",
        "yaml.load(text, Loader=yaml.Loader)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "subprocess.run(command, shell=True)",
        "os.system(command)",
    ],
)
def test_the_search_finds_what_is_unsafe(text: str) -> None:
    assert len(list(unsafe(ast.parse(text)))) == 1
    assert list(unsafe(ast.parse("model.eval(); re.compile('a'); yaml.safe_load(text)"))) == []


def test_rules_put_nothing_but_checked_names_and_paths_into_a_shell() -> None:
    """Values of a shell command are study names, data set names, batches and ids: all of them match a pattern."""
    known = {"params.study", "params.dataset", "params.batch", "log"}
    known |= {"wildcards.dataset", "wildcards.source"}
    for path in sorted((ROOT / "workflow").rglob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for command in re.findall(r"shell:\s*\"([^\"]*)\"", text):
            assert set(re.findall(r"{([^}]*)}", command)) <= known, path
        assert not re.search(r"\b(eval|exec|pickle|os\.system)\b", text), path


def audit(tmp_path: Path, answer: str | None) -> subprocess.CompletedProcess[str]:
    """Run the audit with a pip-audit that answers so; None: there is none."""
    if answer is not None:
        program = tmp_path / "pip-audit"
        program.write_text(f"#!{sys.executable}\nprint({answer!r})\n")
        program.chmod(0o755)
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, ROOT / ".ci/audit"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (None, 0, "nothing was audited (pypi: pip-audit is not installed"),
        ("no connection", 0, "nothing was audited"),
        (
            {"dependencies": [{"name": "a", "skip_reason": "not found"}]},
            0,
            "has no record of any of the packages; osv: has",
        ),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, 0, "1 of 1 packages"),
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]},
            1,
            "a 1: CVE-1, fixed in 2",
        ),
    ],
)
def test_the_audit_says_what_it_could_ask(tmp_path: Path, answer: Any, status: int, text: str) -> None:
    done = audit(tmp_path, json.dumps(answer) if isinstance(answer, dict) else answer)
    assert (done.returncode, text in done.stdout) == (status, True), done.stdout + done.stderr


class Osv(BaseHTTPRequestHandler):
    """A vulnerability database that knows of one."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.asked.append(package)
        fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}
        affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": [fixed]}]
        found = {"vulns": [{"id": "PYSEC-2026-1", "summary": "made up", "affected": affected}]}
        answer = json.dumps(found if package == "beta" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""


@pytest.mark.parametrize(("packages", "status"), [(["alpha"], 0), (["alpha", "beta"], 1)])
def test_where_a_service_answers_the_lock_is_audited(tmp_path: Path, packages: list[str], status: int) -> None:
    """The real pip-audit asks a service of this test."""
    (tmp_path / "envs").mkdir()
    lines = [f"{name}==1.0 --hash=sha256:{'0' * 64}\n" for name in packages]
    (tmp_path / "envs/requirements.lock").write_text("".join(lines))
    Osv.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Osv) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/v1/query"
        done = subprocess.run(
            [sys.executable, ROOT / ".ci/audit"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PIP_AUDIT_VULNERABILITY_SERVICE": "osv",
                "PIP_AUDIT_OSV_URL": address,
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
        )
        server.shutdown()
    assert sorted(Osv.asked) == packages
    assert done.returncode == status, done.stdout + done.stderr
    assert f"{len(packages)} of {len(packages)} packages of envs/requirements.lock audited, {status} vul" in done.stdout
    assert ("beta 1.0: PYSEC-2026-1, fixed in 9.9" in done.stdout) == bool(status)
