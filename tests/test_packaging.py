"""Facts that are in several places agree: versions, profiles, stages, sources."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import posrec
from posrec.commands import dvc
from posrec.errors import StudyError
from posrec.plan import cluster, ids
from posrec.study import sources, study
from posrec.study.settings.study import StudySettings

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch", "snakemake-minimal": "snakemake"}
LOCKED = re.compile(r"^([a-z0-9._-]+)==([^ ;]+)(?: ; (.*?))? \\$", re.MULTILINE)
# What each stage's results depend on; the keys that are left out change none of its files.
STAGE_KEYS = {
    "data": {"study", "protocols", "datasets", "evaluation"},
    "train": set(StudySettings.model_fields) - {"report"},
    "tables": set(StudySettings.model_fields),
    "figures": set(StudySettings.model_fields),
    "report": set(StudySettings.model_fields),
}
IDS = {f"src/posrec/{place}" for place in ("model/encodings", "model/losses.py", "plan", "study", "versions.py")}


def without_copies(stages: dict[str, Any]) -> dict[str, Any]:
    """The stages that compute; `shown` copies files into Git."""
    return {name: stage for name, stage in stages.items() if name != "shown"}


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def locked() -> dict[str, str]:
    """Package -> version of the lock on Python 3.11."""
    found = LOCKED.findall((ROOT / "envs/requirements.lock").read_text())
    return {name: version for name, version, marker in found if "python_full_version >=" not in marker}


def torch_version() -> str:
    match = re.search(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert match
    return match[1]


def test_the_conda_file_has_the_versions_of_the_lock() -> None:
    expected = {**locked(), "torch": torch_version(), "python": "3.11"}
    pins = [line.split("=") for line in read_yaml("envs/environment.yaml")["dependencies"] if "=" in line]
    found = {CONDA_NAMES.get(name, name): version for name, version in pins}
    assert found == {name: expected[name] for name in found}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["workflow"]]
    needed += project["optional-dependencies"]["compiled"]
    assert {re.split("[<>=]", name)[0] for name in needed} | {"python", "setuptools"} <= set(found)


def test_the_container_has_the_versions_of_the_lock() -> None:
    text = (ROOT / "envs/Dockerfile").read_text()
    assert f"ARG TORCH={torch_version()}\n" in text
    assert "FROM python:3.11-" in text
    assert "--require-hashes -r envs/requirements.lock" in text


def test_the_lock_is_hashed_and_leaves_torch_out() -> None:
    text = (ROOT / "envs/requirements.lock").read_text()
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", text) if LOCKED.match(entry)]
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not {name for name in locked() if name == "torch" or name.startswith("nvidia")}
    assert "uv pip compile --universal --python-version 3.11 --generate-hashes envs/requirements.in" in text


def test_the_lock_has_what_is_asked_for_and_what_the_package_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "envs/requirements.in").read_text().splitlines()
    lines += project["dependencies"] + project["optional-dependencies"]["workflow"]
    names = {re.split(r"[=<>]", line)[0].strip().lower() for line in lines if line and not line.startswith("#")}
    assert names - {"torch"} <= set(locked())


PROFILES = sorted(path.name for path in (ROOT / "workflow/profiles").iterdir())
CLUSTERS = [name for name in PROFILES if name != "default"]


def test_every_profile_is_there() -> None:
    assert PROFILES == ["default", "generic", "kubernetes", "slurm", "slurm-gpu"]


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_what_caching_rests_on(name: str) -> None:
    profile = read_yaml(f"workflow/profiles/{name}/config.yaml")
    assert profile["rerun-triggers"] == ["mtime"]
    assert profile["ignore-incomplete"] is True
    assert profile["keep-incomplete"] is True
    assert "cores" in profile or "jobs" in profile


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_what_the_default_profile_has(name: str) -> None:
    default = read_yaml("workflow/profiles/default/config.yaml")
    profile = read_yaml(f"workflow/profiles/{name}/config.yaml")
    shared = default.keys() - {"cores", "resources"}  # those are this machine's
    assert {key: profile.get(key) for key in shared} == {key: default[key] for key in shared}


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_profile_of_a_cluster_retries_waits_for_files_and_has_one_place_for_the_site(name: str) -> None:
    profile = read_yaml(f"workflow/profiles/{name}/config.yaml")
    assert profile["retries"] == cluster.RETRIES
    assert profile["latency-wait"] >= 30
    assert {"mem_mb", "runtime"} <= {entry.split("=")[0] for entry in profile["default-resources"]}
    text = (ROOT / f"workflow/profiles/{name}/config.yaml").read_text()
    assert text.count("# --- the site: the one place to edit ---") == 1


@pytest.mark.parametrize("name", PROFILES)
def test_every_entry_of_a_profile_has_a_comment(name: str) -> None:
    lines = (ROOT / f"workflow/profiles/{name}/config.yaml").read_text().splitlines()
    entries = [number for number, line in enumerate(lines) if re.match(r"[a-z]", line)]
    assert [lines[number] for number in entries if not lines[number - 1].startswith("#")] == []


@pytest.mark.parametrize("path", sorted((ROOT / "workflow/rules").glob("*.smk")), ids=lambda path: path.stem)
def test_every_rule_asks_for_threads_and_for_more_memory_and_time_at_each_attempt(path: Path) -> None:
    rules = re.split(r"\n *rule\b", path.read_text())[1:]
    for rule in rules:
        assert re.search(r"threads: \d", rule), rule
        assert re.search(r"mem_mb=lambda wildcards, attempt[^:]*:[^=]*\battempt\b", rule), rule
        assert re.search(r"runtime=lambda wildcards, attempt[^:]*:[^=]*\battempt\b", rule), rule


def test_the_default_profile_takes_all_cores_so_that_no_stage_names_a_number() -> None:
    assert read_yaml("workflow/profiles/default/config.yaml")["cores"] == "all"
    commands = str([stage["cmd"] for stage in read_yaml("dvc.yaml")["stages"].values()])
    assert "cores" not in commands
    assert " -j" not in commands


def test_profiles_are_found_beside_the_root_snakefile() -> None:
    link = ROOT / "profiles"
    assert link.is_symlink()
    assert link.readlink() == Path("workflow/profiles")


def test_every_stage_depends_on_the_keys_and_modules_that_change_it() -> None:
    dvc = without_copies(read_yaml("dvc.yaml")["stages"])
    assert {name: set(stage["params"]) for name, stage in dvc.items()} == STAGE_KEYS
    assert all(set(stage["deps"]) >= IDS for stage in dvc.values())
    assert all("src/posrec/analysis" in dvc[name]["deps"] for name in ("tables", "figures", "report"))


def test_the_default_study_has_every_key_of_the_stages() -> None:
    """DVC stops when a parameter of a stage is missing; and a key that is added later must run the stage."""
    assert set(read_yaml("params.yaml")) == set(StudySettings.model_fields)
    assert read_yaml("params.yaml")["study"] == "default"


def test_outs_persist_and_cover_what_is_planned() -> None:
    dvc = without_copies(read_yaml("dvc.yaml")["stages"])
    outs = [(path, flags) for stage in dvc.values() for out in stage["outs"] for path, flags in out.items()]
    assert all(flags["persist"] for _, flags in outs)
    parts = {"data", "runs", "tables", "figures", "report", "report.html"}
    assert {path for path, _ in outs} == {str(ids.STUDIES / "${study}" / part) for part in parts}


def test_committed_stages_of_studies_are_those_of_dvc_yaml_and_were_reproduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dvc.lock beside them, `dvc pull` would look for results that do not exist, and fail."""
    monkeypatch.chdir(ROOT)
    for path in ROOT.glob("studies/*/dvc.yaml"):
        name = f"studies/{path.parent.name}.yaml"
        committed = path.read_text(encoding="utf-8").partition("\n")[2]
        assert committed == dvc.stages_of(study.load(name), name), f"run: posrec dvc {name}"
        assert path.with_name("dvc.lock").exists(), f"run: dvc repro {path.relative_to(ROOT)}"


def test_stages_of_another_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    path = dvc.write_stages(study.load("studies/beauty.yaml"), "studies/beauty.yaml")
    text = path.read_text(encoding="utf-8")
    written = yaml.safe_load(text)
    assert path == Path("studies/beauty/dvc.yaml")
    assert list(without_copies(written["stages"])) == list(STAGE_KEYS)
    train = written["stages"]["train"]
    assert train["wdir"] == "../.."
    assert train["cmd"] == [
        "posrec unlock studies/beauty.yaml",
        "snakemake trained --configfile studies/beauty.yaml",
        "posrec prune studies/beauty.yaml --only runs",
    ]
    assert written["vars"] == ["../../studies/beauty.yaml"]
    assert train["outs"] == [{"results/studies/${study}/runs": {"persist": True}}]
    assert written["stages"]["shown"]["metrics"] == [{"metrics/${study}/metrics.json": {"cache": False}}]
    assert "../../metrics/${study}/leads.csv" in [name for plot in written["plots"] for name in plot]
    assert "studies/default" not in text
    assert "params.yaml" not in text


def test_stages_depend_on_tables_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study file names a table; a change inside it is in no setting that DVC compares."""
    monkeypatch.chdir(ROOT)
    items = {"path": "mine/items.csv", "attributes": ["brand"], "sha256": "0" * 64}
    table = {"path": "mine/buys.csv", "items": items, "sha256": "1" * 64}
    raw = {"study": "mine", "datasets": {"mine": {"table": table}}, "encodings": ["none"], "seeds": [1, 2, 3]}
    written = yaml.safe_load(dvc.stages_of(study.from_dict(raw), "mine.yaml"))
    assert {"mine/buys.csv", "mine/items.csv"} <= set(written["stages"]["data"]["deps"])


@pytest.mark.parametrize(("name", "path"), [("default", "params.yaml"), ("beauty", "../beauty.yaml"), ("beauty", "/b")])
def test_stages_that_cannot_be_are_refused(name: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    loaded = study.from_dict({**read_yaml("studies/beauty.yaml"), "study": name})
    with pytest.raises(StudyError):
        dvc.write_stages(loaded, path)


def test_every_source_has_its_stage() -> None:
    dvc = read_yaml("sources/dvc.yaml")["stages"]
    assert set(dvc) == set(sources.sources())
    for name, stage in dvc.items():
        assert stage["cmd"] == f"posrec fetch {name}"
        assert stage["deps"] == [f"src/posrec/study/{file}" for file in ("sources.yaml", "sources.lock")]
        assert stage["outs"] == [{str(ids.RAW / name): {"cache": False, "persist": True}}]


def test_versions_of_the_software_agree() -> None:
    assert read_yaml("CITATION.cff")["version"] == posrec.__version__


def test_the_quick_tests_exist() -> None:
    """A renamed file ended `make quick` before its first test."""
    quick = re.search(r"^QUICK := (.*?)\n\n", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert quick
    files = re.findall(r"tests/[\w/]+\.py", quick[1])
    assert len(files) > 8
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_git_ignores_results_at_the_root_alone() -> None:
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/results/*", "!/results/README.md", "/.cache/", "/logs/"} <= set(lines)


def test_nothing_tracked_names_a_local_path() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    home = str(ROOT)
    texts = {name: (ROOT / name) for name in done.stdout.splitlines() if (ROOT / name).is_file()}
    assert [name for name, path in texts.items() if home.encode() in path.read_bytes()] == []
