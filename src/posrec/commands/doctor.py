"""`posrec doctor`: check the machine and the checkout. Each line is ok, a warning or a problem, with what to do."""

import argparse
import configparser
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import psutil
from packaging.requirements import InvalidRequirement, Requirement

from posrec.errors import PosrecError
from posrec.plan import checkout, environment, ids
from posrec.store import lock

LOCK = Path("envs/requirements.lock")
PYTHONS = ((3, 11), (3, 13))
GIB = 2**30
DISK = (0.5 * GIB, 5 * GIB)  # below the first a problem, below the second a warning
MEMORY = (1 * GIB, 4 * GIB)  # a training job asks for 4 GB
FOLDERS = {"POSREC_MIRROR": "the raw data", "POSREC_ENCODINGS": "your own encodings"}
NUMBERS = {
    "POSREC_STACK": (r"[1-9]\d*", "the number of seeds trained together on a GPU"),
    "POSREC_TIME_LIMIT": (r"[1-9]\d*", "the minutes of a cluster's job"),
    "POSREC_CHECKPOINT_SECONDS": (r"\d+(\.\d+)?", "the seconds between checkpoints"),
}
CLUSTER_TOOLS = ("sbatch", "squeue", "sacct", "scancel", "qsub", "bsub")
SHOWN = 4  # packages in a line


@dataclass(frozen=True)
class Line:
    """One result of a check; level is ok, warning or problem; `remedy` says what to do."""

    level: str
    what: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:8} {self.what}: {self.text}" + (f"; {self.remedy}" if self.remedy else "")


def run(arguments: argparse.Namespace) -> int:
    """The verb."""
    return examine()


def examine() -> int:
    """Print all lines; returns the exit status: 1 when there is a problem."""
    lines = [line for check in CHECKS for line in check()]
    for line in lines:
        print(line)
    counts = {level: sum(line.level == level for line in lines) for level in ("problem", "warning")}
    print(f"posrec doctor: {counts['problem']} problems, {counts['warning']} warnings")
    return int(counts["problem"] > 0)


def check_python() -> Iterator[Line]:
    """The interpreter's version."""
    version = sys.version_info[:2]
    shown = ".".join(str(part) for part in sys.version_info[:3])
    if PYTHONS[0] <= version <= PYTHONS[1]:
        yield Line("ok", "Python", shown)
    else:
        yield Line("problem", "Python", f"{shown}, posrec needs 3.11 to 3.13", "`make setup PYTHON=python3.12`")


def check_packages() -> Iterator[Line]:
    """Installed packages against the lock."""
    if not LOCK.exists():
        yield Line("warning", "packages", f"{LOCK} does not exist", "run `posrec doctor` in the root of the checkout")
        return
    wanted = locked_versions(LOCK.read_text(encoding="utf-8"))
    differing = [f"{name} {found or 'absent'} (lock: {wanted[name]})" for name, found in installed(wanted).items()]
    if not differing:
        yield Line("ok", "packages", f"the {len(wanted)} packages have the versions of {LOCK}")
        return
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    yield Line("warning", "packages", ", ".join(differing[:SHOWN]) + more, "`make setup` installs the locked versions")


def locked_versions(text: str) -> dict[str, str]:
    """Package -> version in a lock, for this interpreter and system."""
    wanted = {}
    for line in text.splitlines():
        if "==" not in line or line.startswith((" ", "#")):
            continue
        try:
            requirement = Requirement(line.rstrip("\\ "))
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            wanted[requirement.name] = str(requirement.specifier).removeprefix("==")
    return wanted


def installed(wanted: dict[str, str]) -> dict[str, str | None]:
    """The packages with another version, and that version; None: not installed."""
    found = {}
    for name, version in wanted.items():
        try:
            present: str | None = metadata.version(name)
        except metadata.PackageNotFoundError:
            present = None
        if present != version:
            found[name] = present
    return found


def check_code() -> Iterator[Line]:
    """The package that runs is that of the checkout in the working folder."""
    try:
        checkout.check()
        yield Line("ok", "code", str(checkout.PACKAGE))
    except PosrecError as error:
        text, _, remedy = str(error).rpartition("; ")
        yield Line("problem", "code", text, remedy)


def check_torch() -> Iterator[Line]:
    """torch can be imported and multiplies correctly; its threads."""
    try:
        import torch

        matrix = np.arange(4096, dtype=np.float32).reshape(64, 64) / 4096
        product = (torch.from_numpy(matrix) @ torch.from_numpy(matrix)).numpy()
        if not np.allclose(product, matrix @ matrix, atol=1e-4):
            yield Line("problem", "torch", f"{torch.__version__} multiplies incorrectly", "reinstall it: `make setup`")
            return
        text = f"{torch.__version__} works, {torch.backends.cpu.get_cpu_capability()} kernels"
        yield Line("ok", "torch", f"{text}, {torch.get_num_threads()} threads here (a training uses 1)")
    except (ImportError, OSError, RuntimeError) as error:
        yield Line("problem", "torch", f"cannot be used ({error})", "`make setup` installs it")


def check_gpu() -> Iterator[Line]:
    """A GPU, for studies with `training.numerics.device: cuda`."""
    try:
        import torch

        from posrec.model.engines.devices import KEY, without_gpu
    except (ImportError, OSError):
        return  # reported by `check_torch`
    why = without_gpu()
    if not why:
        yield Line("ok", "GPU", torch.cuda.get_device_name(0))
    elif shutil.which("nvidia-smi"):
        yield Line(
            "warning", "GPU", f"{why}, but nvidia-smi exists", "docs/guide/gpu.md explains how to install a CUDA build"
        )
    else:
        yield Line("ok", "GPU", f"{why}; only studies with {KEY}: cuda need one")


def check_disk() -> Iterator[Line]:
    """Free disk space for results and the store."""
    for what, folder in (("disk of results", Path("results")), ("disk of the store", ids.store())):
        free = shutil.disk_usage(_nearest(folder)).free
        level = _level(free, DISK)
        remedy = "`posrec store --free` and `dvc gc` free space" if level != "ok" else ""
        yield Line(level, what, f"{free / GIB:.1f} GiB free", remedy)


def check_memory() -> Iterator[Line]:
    """Free memory and processors."""
    free = psutil.virtual_memory().available
    level = _level(free, MEMORY)
    remedy = "close other programs, or give snakemake fewer cores: --cores 1" if level != "ok" else ""
    yield Line(level, "memory", f"{free / GIB:.1f} GiB free, {os.cpu_count()} processors", remedy)


def _level(value: float, limits: tuple[float, float]) -> str:
    return "problem" if value < limits[0] else "warning" if value < limits[1] else "ok"


def _nearest(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def check_writing() -> Iterator[Line]:
    """The workflow's folders are writable."""
    for folder in (Path("results"), ids.store(), Path("logs"), Path(".snakemake")):
        try:
            with tempfile.NamedTemporaryFile(dir=_nearest(folder)) as handle:
                handle.write(b"posrec")
                handle.flush()
        except OSError as error:
            remedy = "get write permission there, or free disk space"
            yield Line("problem", "writing", f"{folder}: {error.strerror}", remedy)
        else:
            yield Line("ok", "writing", str(folder))


def check_snakemake() -> Iterator[Line]:
    """The profile that caching depends on, and the lock."""
    profile = Path("profiles/default/config.yaml")
    if profile.exists():
        yield Line("ok", "profile", str(profile))
    else:
        remedy = "work in the root of a git checkout (`profiles` is a link to workflow/profiles)"
        yield Line("problem", "profile", f"{profile} does not exist", remedy)
    try:
        lock.refuse_while_running()
    except PosrecError as error:
        yield Line("warning", "lock", str(error))
    else:
        yield Line("ok", "lock", "no workflow runs here")


def check_dvc() -> Iterator[Line]:
    """The DVC repository and its remotes."""
    if not Path(".dvc").is_dir():
        yield Line("warning", "DVC", "not a DVC repository", "run `dvc repro` in the root of the checkout")
        return
    remotes = dvc_remotes()
    if remotes:
        yield Line("ok", "DVC", f"remotes: {', '.join(remotes)}")
    else:
        remedy = "only `dvc push` and `dvc pull` need one: `dvc remote add --default NAME URL`"
        yield Line("warning", "DVC", "no remote", remedy)


def dvc_remotes() -> list[str]:
    """Names of the remotes in the repository's two config files."""
    names = []
    for path in (Path(".dvc/config"), Path(".dvc/config.local")):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        names += [
            section.strip("'").removeprefix("remote ").strip('"')
            for section in parser.sections()
            if "remote " in section
        ]
    return list(dict.fromkeys(names))


def check_environment() -> Iterator[Line]:
    """The variables that posrec reads: folders, numbers and the store."""
    for name, what in FOLDERS.items():
        folder = os.environ.get(name)
        if folder and not Path(folder).is_dir():
            yield Line("problem", name, f"{folder} is not a folder", f"set it to the folder of {what}, or unset it")
        else:
            yield Line("ok", name, folder or f"not set (folder of {what})")
    for name, (pattern, what) in NUMBERS.items():
        text = os.environ.get(name)
        if text and not re.fullmatch(pattern, text):
            yield Line("problem", name, f"{text} is not such a number", f"set it to {what}, or unset it")
        else:
            yield Line("ok", name, text or f"not set ({what})")
    kept = os.environ.get("POSREC_STORE")
    if not kept:
        yield Line("ok", "POSREC_STORE", f"not set; the store is {ids.store()}")
    elif Path(kept).is_dir():
        yield Line("ok", "POSREC_STORE", kept)
    else:
        yield Line("warning", "POSREC_STORE", f"{kept} does not exist yet", "the first run creates it")


def check_numerics() -> Iterator[Line]:
    """Variables of the libraries that change a training's bytes."""
    found = environment.changing(os.environ)
    for name, value in found.items():
        yield Line("problem", name, f"{value} changes the results of trainings, which refuse it", f"`unset {name}`")
    if environment.NUMBA_FILE.exists():
        yield Line("problem", "numba", f"{environment.NUMBA_FILE} changes compiled trainings", "move it away")
    elif not found:
        yield Line("ok", "libraries", "no variable changes their results")


def check_cluster() -> Iterator[Line]:
    """The commands of batch systems."""
    found = [tool for tool in CLUSTER_TOOLS if shutil.which(tool)]
    text = ", ".join(found) if found else "none; only the profiles for clusters need them"
    yield Line("ok", "cluster tools", text)


CHECKS: tuple[Callable[[], Iterator[Line]], ...] = (
    check_python,
    check_packages,
    check_code,
    check_torch,
    check_gpu,
    check_disk,
    check_memory,
    check_writing,
    check_snakemake,
    check_dvc,
    check_environment,
    check_numerics,
    check_cluster,
)
