"""What this machine is and runs: processor, versions, git commit, command line. No result and no id depends on it."""

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from posrec import __version__
from posrec.model.ops.products import onednn_is_float32
from posrec.plan import checkout, environment

PACKAGES = ("torch", "numba", "numpy", "scipy", "pandas", "snakemake", "dvc")


@cache
def machine_facts() -> dict[str, Any]:
    """Processor, the kernels and products that torch uses on it, GPU, system, versions and git commit."""
    versions = {"posrec": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "large_products": "oneDNN" if onednn_is_float32() else "torch",
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "environment": environment.changing(os.environ),
        "versions": versions,
        **git_state(),
    }


def command() -> str:
    """The command line of this process, the program without its folder."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


@cache
def git_state() -> dict[str, Any]:
    """Commit of the package that runs, wherever the working folder is, and whether tracked files differ from it.

    None where the package is not tracked in a git repository. `code` is a hash of the package itself.
    """
    state: dict[str, Any] = {"commit": None, "dirty": None, "code": checkout.code_digest()}
    if _git("ls-files", "--error-unmatch", "versions.py") is None:
        return state
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {**state, "commit": _git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", *arguments), cwd=checkout.PACKAGE, capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            return next(line.split(":", 1)[1].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
