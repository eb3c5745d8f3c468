"""`posrec run`: run a study's whole workflow, with one line of progress in place of Snakemake's output."""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from posrec.analysis.places import analysis_files
from posrec.errors import PosrecError
from posrec.plan import ids
from posrec.plan.run import run_files
from posrec.study.study import Study, load

LOGS = Path("logs")
EVERY = 1.0  # seconds between two looks at the files
QUIET = 30.0  # seconds between two lines where the output is a file
LAST = 25  # lines of the log that a failure shows
CHOOSES_CORES = ("-c", "-j", "--cores", "--jobs", "--profile", "--workflow-profile", "--executor")
NAMED = ("tables", "figures", "report")


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    study = load(arguments.study)
    log = LOGS / study.name / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    options = arguments.options
    cores = () if any(word.startswith(CHOOSES_CORES) for word in options) else ("--cores", "all")
    command = ["snakemake", *cores, "all", "--configfile", str(arguments.study), *options]
    print(f"posrec: {' '.join(command)}; its output is in {log}", flush=True)
    status = watched(command, log, Progress.of(study))
    for line in _own_lines(log) if status == 0 else _ending(log):
        print(line)
    if status:
        print(f"posrec: stopped; the whole output is in {log}. Finished work is kept: run the same command again.")
    return status


@dataclass
class Progress:
    """What a study has of its files: data sets, runs, and the steps after them.

    began: when the first look was taken, with the number of runs there were.
    """

    data: list[Path]
    runs: list[Path]
    steps: dict[str, Path]
    began: tuple[float, int] | None = None
    missing: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, study: Study) -> "Progress":
        """The files that a study plans: of each data set the last one made, of each run its record."""
        files = [ids.dataset_files(study, name).baselines for name in study.settings.datasets]
        runs = [path for path in run_files(study) if path.suffix == ".json"]
        steps = {name: analysis_files(study)[name][-1] for name in NAMED}
        return cls(files, runs, steps, missing=set(runs))

    def line(self, now: float) -> str:
        """The state in words; now: in seconds.

        The time left is that of the runs at the rate since the first look, so it is known once some runs are done.
        """
        prepared = sum(path.exists() for path in self.data)
        waiting = [f"data sets {prepared}/{len(self.data)}"] if prepared < len(self.data) else []
        self.missing = {path for path in self.missing if not path.exists()}
        done = len(self.runs) - len(self.missing)
        if self.missing:
            return ", ".join([*waiting, *([self._runs(done, now)] if done or not waiting else [])])
        undone = [name for name, path in self.steps.items() if not path.exists()]
        steps = f"writing the {undone[0]}" if undone else "tables, figures and report are there"
        return "; ".join([*waiting, f"runs {done}/{done}", steps])

    def _runs(self, done: int, now: float) -> str:
        self.began = self.began or (now, done)
        since, before = self.began
        rate = (done - before) / (now - since) if now > since else 0.0
        left = f", about {duration(len(self.missing) / rate)} left" if rate > 0 else ""
        return f"runs {done}/{len(self.runs)}{left}"


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(20), duration(100), duration(5000)
    ('20 s', '2 min', '1.4 h')
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 3570 else f"{seconds / 3600:.1f} h"


def watched(command: list[str], log: Path, progress: Progress) -> int:
    """Run a command with its output in `log`, and print the progress until it ends. Returns its exit status."""
    with log.open("w", encoding="utf-8") as output:
        try:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        except FileNotFoundError:
            raise PosrecError(f"{command[0]}: is not installed here; run `make setup`, or activate .venv") from None
        signal.signal(signal.SIGTERM, lambda number, frame: _pass_on(process, number, frame))
        show = _shown()
        while True:
            try:
                status = process.wait(EVERY)
                break
            except subprocess.TimeoutExpired:
                show(progress.line(time.monotonic()))
            except KeyboardInterrupt:  # the terminal sent it to Snakemake as well, which waits for its jobs
                show("stopping: waiting for the jobs that run")
    show(progress.line(time.monotonic()), end=True)
    return status


def _pass_on(process: "subprocess.Popen[bytes]", number: int, frame: FrameType | None) -> None:
    """A cluster's or an operator's stop is for Snakemake, which ends its jobs and its lock."""
    process.send_signal(number)


def _shown() -> Callable[..., None]:
    """A printer of states: on a terminal one line that is written over, elsewhere a line when it has changed."""
    last, when, terminal = "", -QUIET, sys.stdout.isatty()

    def show(line: str, end: bool = False) -> None:
        nonlocal last, when
        now = time.monotonic()
        if terminal:
            print(f"\r{line:<78}", end="\n" if end else "", flush=True)
        elif line != last and (end or now - when >= QUIET or line.split()[0] != last.partition(" ")[0]):
            print(line, flush=True)
            last, when = line, now

    return show


def _own_lines(log: Path) -> Iterable[str]:
    """What posrec itself says in the log: warnings, the report's place, failed runs."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return dict.fromkeys(line for line in lines if line.startswith("posrec: "))


def _ending(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST:]
