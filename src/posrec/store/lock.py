"""Who runs a study in this folder: one file a study, written by the workflow once it has Snakemake's lock.

Snakemake's lock names nobody, outlives a kill -9, and goes for all when one of two studies ends. The holder's file
says which process it is, so that a lock whose process is gone can be taken away, and a living one is left alone.
"""

import json
import os
import platform
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from posrec.errors import PosrecError

HOLDERS = Path(".snakemake/posrec-holders")
LOCKS = Path(".snakemake/locks")


@dataclass(frozen=True)
class Holder:
    """A process that runs a study: its host and number, its start, and the time of day for the reader."""

    study: str
    host: str
    pid: int
    started: str  # tells the process from a later one with the same number
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (study {self.study}, since {self.since})"

    @property
    def is_here(self) -> bool:
        """Whether this machine can tell if the process still runs."""
        return self.host == platform.node()

    @property
    def is_gone(self) -> bool:
        """The process was one of this machine and runs no more."""
        return self.is_here and _started(self.pid) != self.started


def claim(study: str) -> None:
    """Record this process as the one that runs `study` here.

    Raises PosrecError when another one does: two that start at the same moment may both get Snakemake's lock.
    """
    path = HOLDERS / f"{study}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    holder = Holder(study, platform.node(), os.getpid(), _started(os.getpid()) or "", since)
    other = read(path)
    if other is not None and other.is_gone:
        path.unlink(missing_ok=True)
    whole = path.with_name(f".{study}.{platform.node()}.{os.getpid()}.tmp")
    whole.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    try:
        os.link(whole, path)  # fails where the file exists: one of two wins, and nobody ever reads half a record
    except FileExistsError:
        raise PosrecError(f"{_describe(path)}; {_way_out(read(path))}") from None
    finally:
        whole.unlink(missing_ok=True)


def release(study: str) -> None:
    """Forget this process as the one that runs `study`; another's record stays."""
    path = HOLDERS / f"{study}.json"
    holder = read(path)
    if holder is not None and (holder.pid, holder.host) == (os.getpid(), platform.node()):
        path.unlink(missing_ok=True)


def read(path: Path) -> Holder | None:
    """The holder that a file names; None where there is no file or no whole one."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def refuse_while_running(study: str | None = None) -> None:
    """Raise PosrecError unless it is sure that no workflow runs `study` (None: any study) in this folder.

    The error names the process that runs it, or what to type where this machine cannot know.
    """
    recorded = sorted(HOLDERS.glob("*.json"))
    for path in recorded if study is None else [HOLDERS / f"{study}.json"]:
        holder = read(path)
        if path.exists() and (holder is None or not holder.is_gone):
            raise PosrecError(f"{_describe(path)}; {_way_out(holder)}")
    if not recorded and LOCKS.is_dir() and any(LOCKS.iterdir()):
        raise PosrecError(f"{_describe(LOCKS)}; {_way_out(None)}")


def unlock(study: str, force: bool = False) -> None:
    """Take away the lock that a killed workflow of `study` left in this folder; with `force`, whoever holds it.

    Snakemake's locks go for all studies: one that runs is still protected by its own holder's file. Raises PosrecError
    as `refuse_while_running` does.
    """
    path = HOLDERS / f"{study}.json"
    if not force:
        refuse_while_running(study)
    if not force and not path.exists():
        return
    if path.exists():
        print(f"posrec unlock: the lock of {read(path) or path} is taken away")
    path.unlink(missing_ok=True)
    shutil.rmtree(LOCKS, ignore_errors=True)


def _describe(path: Path) -> str:
    holder = read(path)
    return f"this folder is held by {holder}" if holder else f"{path} says that a workflow runs here, but not which"


def _way_out(holder: Holder | None) -> str:
    if holder is not None and holder.is_here:
        return f"wait for it, or stop it with `kill {holder.pid}`"
    return "if no snakemake runs in this folder, on this machine or another, type: posrec unlock --force"


def _started(pid: int) -> str | None:
    """When a process started, in a form that no jump of the clock changes; None when none of this number runs."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists():
            return str(process.create_time())
        ticks = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='utf-8').strip()} {ticks}"
    except (psutil.NoSuchProcess, OSError):
        return None
