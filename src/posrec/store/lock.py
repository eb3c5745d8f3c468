"""Which process runs a study in this folder: one file per study, written by the workflow once it has Snakemake's lock.

Snakemake's lock does not say who holds it, survives a kill -9, and is removed for all studies when one of two ends. The
holder's file identifies the process, so that the lock of a dead process can be removed and that of a running one is
kept.

The file is a record, and not a `fcntl.flock`, for three reasons. Parallel file systems are often mounted without flock
(Lustre's default), and NFS can be mounted with flock local to one machine: a lock that another node holds would look
free. Where flock fails, nothing could distinguish a killed workflow from a running one, which the record can on its own
host. And the error would still need the record to name the process to wait for.
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
    """A process that runs a study: its host, PID namespace and number, its start, and the time of day for people."""

    study: str
    host: str
    pid: int
    started: str  # distinguishes the process from a later one with the same number
    since: str
    namespace: str  # of the PID: in another container the same number is another process, or none

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (study {self.study}, since {self.since})"

    @property
    def is_here(self) -> bool:
        """Whether this process can see if the holder still runs."""
        return (self.host, self.namespace) == (platform.node(), _namespace())

    @property
    def is_gone(self) -> bool:
        """The process was visible from here and has ended."""
        return self.is_here and _started(self.pid) != self.started


def claim(study: str) -> None:
    """Record this process as the one that runs `study` here.

    Raises PosrecError when another one does: two that start at the same moment can both get Snakemake's lock.
    """
    path = HOLDERS / f"{study}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    holder = Holder(study, platform.node(), os.getpid(), _started(os.getpid()) or "", since, _namespace())
    other = read(path)
    if other is not None and other.is_gone:
        path.unlink(missing_ok=True)
    whole = path.with_name(f".{study}.{platform.node()}.{os.getpid()}.tmp")
    whole.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    try:
        os.link(whole, path)  # fails if the file exists: one of two wins, and no reader sees half a record
    except FileExistsError:
        raise PosrecError(f"{_describe(path)}; {_way_out(read(path))}") from None
    finally:
        whole.unlink(missing_ok=True)


def release(study: str) -> None:
    """Remove the record of this process as the one that runs `study`; another's record is kept."""
    path = HOLDERS / f"{study}.json"
    holder = read(path)
    if holder is not None and holder.is_here and holder.pid == os.getpid():
        path.unlink(missing_ok=True)


def read(path: Path) -> Holder | None:
    """The holder in a file; None where the file is missing or incomplete."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def refuse_while_running(study: str | None = None) -> None:
    """Raise PosrecError unless it is certain that no workflow runs `study` (None: any study) in this folder.

    The error names the process that runs it, or the command to use where this machine cannot know.
    """
    recorded = sorted(HOLDERS.glob("*.json"))
    for path in recorded if study is None else [HOLDERS / f"{study}.json"]:
        holder = read(path)
        if path.exists() and (holder is None or not holder.is_gone):
            raise PosrecError(f"{_describe(path)}; {_way_out(holder)}")
    if not recorded and LOCKS.is_dir() and any(LOCKS.iterdir()):
        raise PosrecError(f"{_describe(LOCKS)}; {_way_out(None)}")


def unlock(study: str, force: bool = False) -> None:
    """Remove the lock that a killed workflow of `study` left in this folder; with `force`, any lock.

    Snakemake's locks are removed for all studies: a running one is still protected by its own holder's file. Raises
    PosrecError as `refuse_while_running` does.
    """
    path = HOLDERS / f"{study}.json"
    if not force:
        refuse_while_running(study)
    if not force and not path.exists():
        return
    if path.exists():
        print(f"posrec unlock: removed the lock of {read(path) or path}")
    path.unlink(missing_ok=True)
    shutil.rmtree(LOCKS, ignore_errors=True)


def _describe(path: Path) -> str:
    holder = read(path)
    if holder is None:
        return f"{path}: a workflow may run here, and the file does not say which"
    return f"this folder is in use by {holder}"


def _way_out(holder: Holder | None) -> str:
    if holder is not None and holder.is_here:
        return f"wait for it, or stop it with `kill {holder.pid}`"
    return "if no snakemake runs in this folder, on this or another machine or container, type: posrec unlock --force"


def _started(pid: int) -> str | None:
    """When a process started, in a form that clock changes do not affect; None when no process has this number."""
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


def _namespace() -> str:
    """The PID namespace of this process; empty where the system has none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
