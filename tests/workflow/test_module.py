"""The workflow as a module of another one: with and without a prefix, the study as a dictionary or in params.yaml."""

from pathlib import Path

import pytest
import yaml

from .project import TINY, Project

pytestmark = pytest.mark.workflow
OUTER = """
configfile: "theirs.yaml"


module posrec:
    snakefile:
        "{snakefile}"
{config}

use rule * from posrec{renamed}


rule theirs:
    default_target: True
    input:
        rules.{target}.input,
    output:
        "done.txt",
    shell:
        "echo '{{wildcards}}' >{{output}}; echo \\"policy ${{{{OMP_WAIT_POLICY:-of theirs}}}}\\""
"""
GIVEN = "    config:\n        config['posrec']\n"


def outer(project: Project, prefix: str = "", config: str = GIVEN) -> Project:
    """Another workflow, in a folder of its own, that uses the project's as a module."""
    folder = project.folder.parent / "outer"
    folder.mkdir()
    renamed = f" as {prefix}*" if prefix else ""
    snakefile = project.folder / "workflow/Snakefile"
    text = OUTER.format(snakefile=snakefile, config=config, renamed=renamed, target=f"{prefix}all")
    (folder / "Snakefile").write_text(text)
    (folder / "theirs.yaml").write_text(yaml.safe_dump({"seeds": "of their own", "posrec": TINY}, sort_keys=False))
    return Project(folder, {**project.environment, "PYTHONPATH": str(project.folder / "src")})


def test_a_module_with_a_prefix_gives_the_same_bytes(fresh: Project, finished: Project) -> None:
    """Its commands keep their environment, and the other workflow's rules theirs."""
    used = outer(fresh, "posrec_")
    done = used.snakemake("--printshellcmds")
    assert "policy of theirs" in done
    assert "localrules" not in done
    assert used.hashes() == finished.hashes()
    assert "Nothing to be done" in used.snakemake("--quiet", "rules")


@pytest.mark.parametrize("prefix", ["", "theirs_"])
def test_a_module_plans_the_study_that_it_was_given(fresh: Project, prefix: str) -> None:
    used = outer(fresh, prefix)
    done = used.snakemake("-n", "--config", "seeds=[7,8,9]")  # of the other workflow
    assert f"{prefix}train_toy-1" in done
    assert {path for path in TINY["seeds"] if f"seed={path}.json" in done} == set(TINY["seeds"])
    assert "seed=7" not in done


def test_a_module_without_a_dictionary_reads_params_yaml(fresh: Project) -> None:
    used = outer(fresh, "posrec_", config="")
    used.study(seeds=[4, 5, 6])
    assert "seed=5.json" in used.snakemake("-n")
    done = used.snakemake("-n", "--configfile", "theirs.yaml", check=False)
    assert "module: give posrec its study with `config: config`" in done
    assert "Traceback" not in done


def test_a_wrong_study_of_a_module_is_an_error_that_names_the_key(fresh: Project) -> None:
    used = outer(fresh, "posrec_")
    path = Path(used.folder / "theirs.yaml")
    path.write_text(yaml.safe_dump({"posrec": {**TINY, "encodings": ["rotary"]}}))
    done = used.snakemake("-n", check=False)
    assert "config: encodings: 'rotary' does not exist; did you mean 'rope'?" in done
    assert "Traceback" not in done
