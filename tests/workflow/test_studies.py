"""Which study runs: one file, whole, checked before anything runs."""

import json
import re
from pathlib import Path

import pytest
import yaml

from .project import TINY, Project

pytestmark = pytest.mark.workflow
OTHER = {"study": "other", "datasets": {"elsewhere": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}}}


def resolved(project: Project) -> dict[str, object]:
    """The only study that the workflow resolved."""
    (path,) = (project.folder / ".cache/studies").iterdir()
    content: dict[str, object] = json.loads(path.read_text())["settings"]
    return content


def test_plain_snakemake_finds_the_default_profile_through_the_link(fresh: Project) -> None:
    done = fresh.run("snakemake", "-n", "--cores", "8", "all")
    assert "profile profiles/default" in done.stdout
    assert "Training toy-1" in done.stdout
    without_cores = fresh.run("snakemake", "-n")  # the profile's `cores`, and the default target
    assert "The study default is complete" in without_cores.stdout


def test_trainings_alone_ask_for_a_gpu_where_the_study_names_cuda(fresh: Project) -> None:
    """A dry run shows what a job asks for where the rule has no message."""
    for path in (fresh.folder / "workflow/rules").glob("*.smk"):
        path.write_text(re.sub(r"\n +message:\n.*", "", path.read_text()))
    fresh.study(training={**TINY["training"], "numerics": {"device": "cuda"}})
    jobs = re.findall(r"rule ([\w-]+):\n.*?resources: ([^\n]*)", fresh.snakemake("-n", "all"), re.DOTALL)
    assert {rule for rule, asked in jobs if "gpu=1" in asked} == {"train_toy-1", "train_toy-2"}
    assert len(jobs) > 5
    fresh.study()
    assert "gpu=" not in fresh.snakemake("-n", "all")


def test_a_study_file_replaces_params_yaml(fresh: Project) -> None:
    path = fresh.study("studies/other.yaml", **OTHER)
    output = fresh.snakemake("-n", "--configfile", str(path))
    assert "Preparing elsewhere" in output
    assert "toy" not in output
    assert list(resolved(fresh)["datasets"]) == ["elsewhere"]  # type: ignore[call-overload]


def test_a_study_file_without_a_key_does_not_take_it_from_params_yaml(fresh: Project) -> None:
    content = {key: value for key, value in {**TINY, **OTHER}.items() if key != "seeds"}
    path = fresh.folder / "other.yaml"
    path.write_text(yaml.safe_dump(content))
    assert "other.yaml: seeds: Field required" in fresh.snakemake("-n", "--configfile", "other.yaml", check=False)


def test_two_study_files_are_an_error(fresh: Project) -> None:
    fresh.study("other.yaml", **OTHER)
    done = fresh.run("snakemake", "-n", "--cores", "1", "--configfile", "params.yaml", "other.yaml", check=False)
    assert done.returncode != 0
    assert "one study at a time (given: params.yaml, other.yaml)" in done.stdout
    assert not (fresh.folder / ".cache").exists()


def test_values_on_the_command_line_reach_the_rules_as_numbers(fresh: Project) -> None:
    fresh.snakemake("-n", "--config", "seeds=[5,6,7]", "training={learning_rate: 1.0e-4, epochs: 2}")
    study = resolved(fresh)
    assert study["seeds"] == [5, 6, 7]
    assert study["training"] == {**TINY["training"], "learning_rate": 1e-4, "epochs": 2}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"encodings": ["rop"]}, "params.yaml: encodings: 'rop' does not exist; did you mean 'rope'?"),
        ({"seeds": [1]}, "at least 3 different seeds"),
        ({"datasets": {"toy": {"source": "amazon2014-beuty-5core"}}}, "did you mean 'amazon2014-beauty-5core'"),
    ],
)
def test_a_wrong_study_stops_before_anything_runs(fresh: Project, changes: dict[str, object], expected: str) -> None:
    fresh.study(**changes)
    done = fresh.run("snakemake", "--cores", "1", check=False)
    assert done.returncode != 0
    assert expected in done.stdout
    assert "Traceback" not in done.stdout
    assert not (fresh.folder / "results/studies").exists()


def test_warnings_are_said_once(fresh: Project) -> None:
    blind = {"toy": {**TINY["datasets"]["toy"], "attributes": False}}
    fresh.study(datasets=blind, model={**TINY["model"], "upper_bound": 1e-4})
    assert fresh.snakemake("-n").count("cannot distinguish items") == 1


def test_reading_the_workflow_imports_neither_torch_nor_pandas(fresh: Project) -> None:
    """Snakemake itself may load pandas; posrec's part of reading the workflow must not."""
    program = (
        "import re, sys, pathlib; "
        "text = pathlib.Path('workflow/rules/common.smk').read_text(); "
        "lines = [line for line in text.splitlines() if re.match(r'(import|from) ', line)]; "
        "exec('\\n'.join(line for line in lines if 'snakemake' not in line)); "
        "print([name for name in ('torch', 'pandas', 'scipy', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    assert fresh.run("python", "-c", program).stdout.strip() == "[]"


def test_lint_is_clean(fresh: Project) -> None:
    assert "in a good condition" in fresh.run("snakemake", "--lint").stdout


def test_every_rule_has_a_log_and_an_environment() -> None:
    rules = Path(__file__).parents[2] / "workflow/rules"
    for path in rules.glob("*.smk"):
        text = path.read_text()
        for directive in ("log:", "conda:", "threads:", "resources:", "message:"):
            assert text.count(f"    {directive}\n") + text.count(f"    {directive} ") == text.count("    shell:\n"), (
                path
            )


@pytest.mark.parametrize("name", ["params.yaml", "studies/theirs.yaml"])
def test_a_key_that_stands_twice_is_an_error(fresh: Project, name: str) -> None:
    """Snakemake's own reader of study files takes the last and says nothing."""
    path = fresh.study(name)
    text = path.read_text()
    path.write_text(f"{text}seeds: [4, 5, 6]\n")
    chosen = [] if name == "params.yaml" else ["--configfile", name]
    output = fresh.snakemake("-n", *chosen, check=False)
    line = text.splitlines().index("seeds:") + 1
    assert f"{name}: line {len(text.splitlines()) + 1}: duplicate key seeds, first in line {line}; remove one" in output
    assert "Traceback" not in output
    assert not (fresh.folder / ".cache").exists()


def test_an_expectation_is_compared_with_data_that_are_there(built: Project) -> None:
    """`expect` is in no id: it must not be passed over where nothing is prepared."""
    toy = TINY["datasets"]["toy"]
    manifest = next((built.folder / "results/studies/default/data").rglob("dataset.json"))
    counts = json.loads(manifest.read_text())["counts"]
    built.study(datasets={"toy": {**toy, "expect": counts}})
    assert "Training" not in built.snakemake("-n", "all")
    built.study(datasets={"toy": {**toy, "expect": {**counts, "users": counts["users"] + 1}}})
    output = built.snakemake("-n", "all", check=False)
    assert f"datasets.toy.expect: users: expected {counts['users'] + 1}, found {counts['users']}" in output
    assert "Traceback" not in output
