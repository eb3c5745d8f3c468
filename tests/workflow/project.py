"""A copy of this checkout with a tiny study, in which snakemake and dvc run for real."""

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests import ledger

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NEVER_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".cache", ".snakemake", ".*_cache", "results", "logs", "build", "dist", "__pycache__", "*.egg-info"
)
PATIENCE = 900  # seconds until a command is taken for hung: the tiny study takes 20 on a quiet core, many on a busy one
TINY: dict[str, Any] = {
    "study": "default",
    "protocols": ["sound"],
    "datasets": {"toy": {"simulate": {"users": 60, "items": 30, "mean_length": 6}, "k_core": 3}},
    "encodings": ["none", "rope"],
    "model": {"dimension": 8, "heads": 2, "blocks": 1, "max_length": 8},
    "training": {"learning_rate": 0.001, "epochs": 1, "batch_size": 32},
    "evaluation": {"negatives": 10, "candidates_seed": 0},
    "seeds": [1, 2, 3],
    "deviation_seeds": [11, 12, 13],
    "only": [],
    "report": {"title": "tiny", "stability": True},
}


def hear_interrupts() -> None:
    """Undo what a shell does to a job in the background: it starts deaf to Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Project:
    """A working copy of the project in a folder of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """The store of trainings."""
        return self.folder / ".cache"

    def environ(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key not in ("POSREC_STORE", "SNAKEMAKE_PROFILE")}
        own = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "src"),  # the copy's code, not that of the checkout under test
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
        }
        return {**kept, **own, **self.environment}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder; its output (both streams) is in stdout. It is a step of the scenario."""
        before = ledger.stored(self.store)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        ledger.note(shown(command), done.stdout, ledger.trained(before, ledger.stored(self.store)))
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run snakemake on one core and give its output."""
        return self.run("snakemake", "--cores", "1", *arguments, check=check).stdout

    def start(self, *command: str, note: bool = True) -> subprocess.Popen[str]:
        """Start a command in a session of its own; its output (both streams) is in stdout."""
        if note:
            ledger.note(f"start {shown(command)}")
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=hear_interrupts,
        )

    def finish(self, process: subprocess.Popen[str], before: ledger.Stored, patience: float = PATIENCE) -> str:
        """Wait seconds for the end of a process that was started; `before` is the store's content at its start."""
        output = process.communicate(timeout=patience)[0]
        ledger.note(f"it ends with {process.returncode}", output, ledger.trained(before, ledger.stored(self.store)))
        return output

    def signal(self, process: subprocess.Popen[str], number: signal.Signals, whole_group: bool = False) -> None:
        """Send a signal to a process that was started, or to it and all its children."""
        ledger.note(f"{number.name} to it{' and all its jobs' if whole_group else ''}")
        send = os.killpg if whole_group else os.kill
        send(process.pid, number)

    def study(self, name: str = "params.yaml", **changes: Any) -> Path:
        """Write the tiny study with top-level keys replaced."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        ledger.note(f"write `{name}`" + (f" with other {', '.join(changes)}" if changes else " as at first"))
        path.write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
        return path

    def edit(self, name: str, old: str = "", new: str = "\n# a comment\n") -> None:
        """Replace a text in a file; without one, add a comment at the end."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no '{old}'"
        ledger.note(f"edit `{name}`" if old else f"add a comment to `{name}`")
        path.write_text(text.replace(old, new, 1) if old else text + new)

    def remove(self, name: str | Path) -> None:
        """Remove a file or a folder with all that is in it."""
        path = self.folder / name
        ledger.note(f"remove `{path.name if path.is_file() else name}`")
        if path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path)

    def damage(self, path: Path) -> None:
        """Cut off the end of a file."""
        ledger.note(f"cut off the end of `{path.name}`")
        path.write_bytes(path.read_bytes()[:-100])

    def touch(self, name: str, days: float) -> None:
        """Set the time of a file, or of all in a folder, to so many days from now."""
        ledger.note(f"date `{name}` {days:+.0f} days")
        path = self.folder / name
        when = time.time() + days * 86400
        for file in [path] if path.is_file() else path.rglob("*"):
            os.utime(file, (when, when))

    def hashes(self, part: str = "results/studies/default") -> dict[str, str]:
        """sha256 of every file below a part of the folder."""
        files = sorted(path for path in (self.folder / part).rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def runs(self) -> list[Path]:
        """The run files of the study."""
        return sorted((self.folder / "results/studies/default/runs").rglob("seed=*.json"))

    def trainings(self) -> dict[str, int]:
        """Every file of the store's trainings and its time: equal before and after means that none was trained."""
        store = self.folder / ".cache/runs"
        return {str(path.relative_to(store)): path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, dict(self.environment))


def shown(command: Sequence[str]) -> str:
    """A command as shown in the table, without options that only the tests need."""
    words = [word for word in command if not word.startswith(("user.", "-c"))]
    text = shlex.join(
        word if len(word) < 60 and not word.startswith(tempfile.gettempdir()) else "..." for word in words
    )
    return f"`{text.replace(' --cores 1', '')}`"


def copy_checkout(folder: Path) -> Project:
    """The tracked files and those that are new and not ignored, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        shutil.copytree(ROOT, folder, symlinks=True, ignore=NEVER_COPIED)
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    (folder / "dvc.lock").unlink(missing_ok=True)
    project = Project(folder)
    project.study()
    return project
