"""Files for others' tools: hosted CI, Snakemake's catalogue, the documentation site."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from posrec.study import study

ROOT = Path(__file__).parents[1]


def test_every_make_target_of_hosted_ci_exists() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert set(jobs) == {"lint", "test", "tiny-run", "site"}
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = {command.split()[1] for command in commands if command.startswith("make ")}
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY"))
    assert targets <= set(phony.split())
    assert any("snakemake --report" in command for command in commands)
    assert study.load(ROOT / ".github/tiny.yaml").name == "tiny"


def test_snakemakes_catalogue_finds_what_it_looks_for() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    assert usage["report"] is True
    assert (ROOT / "config/README.md").exists()
    assert (ROOT / "workflow/Snakefile").exists()


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    mkdocs = shutil.which("mkdocs") or shutil.which("mkdocs", path=str(Path(sys.executable).parent))
    if mkdocs is None:
        pytest.skip("MKDOCS: not installed; `make docs` installs it")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "posrec.model.encodings.interface" in (tmp_path / "site/reference/api/index.html").read_text()
    assert (tmp_path / "site/search/search_index.json").exists()
