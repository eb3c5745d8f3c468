"""`posrec run` for real: the workflow in full, its output in a file, a line of progress on the screen."""

import pytest

from .project import Project

pytestmark = pytest.mark.workflow


def test_the_whole_workflow_with_a_line_of_progress(fresh: Project) -> None:
    said = fresh.run("posrec", "run", "--", "-c1").stdout.splitlines()
    assert said[0].startswith("posrec: snakemake all --configfile params.yaml -c1; its output is in logs/")
    assert any(line.startswith("data sets ") for line in said)
    assert "runs 9/9; tables, figures and report are there" in said
    assert said[-1] == "posrec: the report is results/studies/default/report.html"
    assert "Training toy-1" in (fresh.folder / "logs/default/snakemake.log").read_text()
    assert not any("rule " in line for line in said)


def test_a_failure_shows_the_end_of_the_log(fresh: Project) -> None:
    done = fresh.run("posrec", "run", "--", "--cores", "1", "--no-such-option", check=False)
    assert done.returncode != 0
    assert "--no-such-option" in done.stdout
    assert "the whole output is in logs/default/snakemake.log" in done.stdout
