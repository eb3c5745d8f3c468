"""Language, time zone, hash seed, flags, threads and umask of the machine leave every byte of a study as it is."""

import pytest

from tests import ledger

from .project import Project

pytestmark = pytest.mark.workflow
STRANGE = {
    "TZ": "Pacific/Kiritimati",  # 14 hours ahead of UTC
    "PYTHONHASHSEED": "1",
    "PYTHONOPTIMIZE": "2",  # no assert runs, no docstring is there
    "OMP_NUM_THREADS": "3",
}
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # files without a named encoding are ASCII
BY_HAND = """
import os, sys
from posrec import cli
os.umask(0o077)
toy = ["--dataset", "toy"]
verbs = [[verb, *toy] for verb in ("simulate", "prepare", "candidates", "describe", "baselines")]
for verb in [*verbs, ["train"], ["analyse"], ["figures"], ["report"]]:
    if cli.main(verb):
        sys.exit(f"{verb} failed")
"""


def test_every_verb_by_hand_under_other_settings(fresh: Project, finished: Project) -> None:
    """Against the workflow under the settings of this machine."""
    study = fresh.folder / "params.yaml"
    study.write_text("# Größe, 漢字\n" + study.read_text(), encoding="utf-8")
    fresh.environment.update(STRANGE, **ASCII)
    encoding = fresh.run("python", "-c", "import locale, sys; print(locale.getencoding(), sys.flags.utf8_mode)").stdout
    assert encoding.split() == ["ANSI_X3.4-1968", "0"]
    ledger.note(f"set {', '.join(f'{name}={value}' for name, value in fresh.environment.items())}, umask 077")
    fresh.run("python", "-c", BY_HAND)
    assert fresh.hashes() == finished.hashes()
