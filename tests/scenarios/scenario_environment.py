"""The workflow on a machine of another language, time zone, hash seed and umask: every byte is the same."""

import subprocess
from pathlib import Path

import pytest

from tests import ledger
from tests.workflow.project import Project
from tests.workflow.test_environment import STRANGE

pytestmark = pytest.mark.workflow


def test_a_turkish_machine_gives_the_same_bytes(fresh: Project, finished: Project, tmp_path: Path) -> None:
    """There the capital of i is another letter, and files are not UTF-8."""
    command = ["localedef", "-i", "tr_TR", "-f", "ISO-8859-9", str(tmp_path / "tr_TR")]
    try:
        made = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("localedef is not installed")
    if not (tmp_path / "tr_TR/LC_CTYPE").exists():
        pytest.skip(f"no Turkish language is there (package locales): {made.stderr.strip()}")
    fresh.environment.update(STRANGE, LC_ALL="tr_TR")
    ledger.note(f"set {', '.join(f'{name}={value}' for name, value in fresh.environment.items())}, umask 077")
    fresh.environment["LOCPATH"] = str(tmp_path)
    encoding = fresh.run("python", "-c", "import locale; print(locale.getencoding())").stdout
    assert encoding.strip() == "ISO-8859-9"
    fresh.run("bash", "-c", "umask 077; snakemake --cores 2 all")
    assert fresh.hashes() == finished.hashes()
