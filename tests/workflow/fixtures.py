"""The tiny study before and after it ran, once for all tests of the workflow."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .project import BIN, Project, copy_checkout

GIT = ("git", "-c", "user.name=posrec", "-c", "user.email=posrec@example.org")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny study before anything ran: copy it, don't change it."""
    return copy_checkout(tmp_path_factory.mktemp("pristine") / "project")


@pytest.fixture(scope="session")
def finished(pristine: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny study with its report: copy it, don't change it."""
    project = pristine.copy(tmp_path_factory.mktemp("finished") / "project")
    project.snakemake("all")
    return project


@pytest.fixture
def fresh(pristine: Project, tmp_path: Path) -> Project:
    """A copy of the tiny study in which nothing ran."""
    return pristine.copy(tmp_path / "project")


@pytest.fixture
def built(finished: Project, tmp_path: Path) -> Project:
    """A copy of the tiny study with its report."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def wrap_posrec(tmp_path: Path) -> Callable[[Project, str], None]:
    """Put a shell script before `posrec`: it sees the verb as $1 and runs the real one as "$POSREC"."""

    def wrap(project: Project, script: str) -> None:
        folder = tmp_path / "wrapped"
        folder.mkdir(exist_ok=True)
        path = folder / "posrec"
        path.write_text(f'#!/usr/bin/env bash\nset -eu\nPOSREC="{BIN}/posrec"\n{script}\nexec "$POSREC" "$@"\n')
        path.chmod(0o755)
        project.environment["PATH"] = f"{folder}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"

    return wrap


def commit(project: Project, message: str) -> None:
    project.run("git", "add", "--all")
    project.run(*GIT, "commit", "--quiet", "--message", message)


@pytest.fixture(scope="session")
def reproduced(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A git repository with a finished `dvc repro`, committed and pushed to a remote: copy it, don't change it."""
    folder = tmp_path_factory.mktemp("reproduced")
    project = finished.copy(folder / "project")
    project.run("git", "init", "--quiet")
    project.run("dvc", "remote", "add", "--default", "storage", str(folder / "remote"))
    project.run("dvc", "repro")
    commit(project, "reproduced")
    project.run("dvc", "push")
    return project


@pytest.fixture
def clone(reproduced: Project, tmp_path: Path) -> Project:
    """A fresh clone: no results, no store, no DVC cache."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(reproduced.folder), str(folder)], check=True)
    project = Project(folder)
    for key, value in (("name", "posrec"), ("email", "posrec@example.org")):
        project.run("git", "config", f"user.{key}", value)
    return project
